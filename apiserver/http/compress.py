"""gzip for large answers, off the event loop's thread. What was compressed last is kept: lists are asked for again."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

from apiserver.http.reply import Reply

# Fast rather than small: the loopback and a LAN carry more than a core compresses.
_LEVEL = 1
_KEPT = 8


class Compressor:
    def __init__(self) -> None:
        self._kept: dict[object, bytes] = {}

    async def compressed(self, reply: Reply) -> Reply:
        body = self._kept.get(reply.cache_key) if reply.cache_key is not None else None
        if body is None:
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(None, gzip.compress, reply.body, _LEVEL)
            if reply.cache_key is not None:
                if len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[reply.cache_key] = body
        headers = [*reply.headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        return replace(reply, body=body, headers=headers)

"""gzip for large answers, off the event loop's thread where there is one to spare."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

from apiserver.http.reply import Reply

# Fast rather than small: the loopback and a LAN carry more than a core compresses.
_LEVEL = 1


async def compressed(reply: Reply) -> Reply:
    body = await asyncio.get_running_loop().run_in_executor(None, gzip.compress, reply.body, _LEVEL)
    headers = [*reply.headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    return replace(reply, body=body, headers=headers)

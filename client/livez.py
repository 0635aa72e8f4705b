"""Answers `GET /livez` to whoever started this process, on a socket that only they reach.

A supervisor sees by itself that a process ended, but not that it hangs. So it holds a listening unix socket for each process
that it watches and asks there now and then; the process finds it open when it begins (`listening.py`, under the name LIVEZ).
The answer says that the event loop turns and takes connections, and no more: what a component is ready for stands on its own ports.
"""

from __future__ import annotations

import asyncio
from typing import cast

from client.listening import inherited

LIVEZ = ("livez", 0)  # where its address stands in KCTL_LISTEN
REQUEST = b"GET /livez HTTP/1.1\r\nhost: supervisor\r\nconnection: close\r\n\r\n"
ALIVE = b"HTTP/1.1 200 OK\r\n"
_ANSWER = (
    ALIVE + b"content-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
)


async def answer_livez() -> None:
    """Until cancelled; returns at once where nobody watches."""
    sock = inherited(*LIVEZ)
    if sock is None:
        return
    server = await asyncio.get_running_loop().create_unix_server(_Asked, sock=sock)
    try:
        await asyncio.Event().wait()
    finally:
        server.close()


class _Asked(asyncio.Protocol):
    """One question, one answer; the asker closes, or has left already."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but is like one
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > 4096:
            self._transport.write(_ANSWER)
            self._transport.close()

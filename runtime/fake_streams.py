"""Exec, attach and port-forward sessions of the fake runtime: plain queues, no processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

STDOUT, STDERR = 1, 2


class FakeStream:
    """An ExecStream fed by the fake. `echo` copies stdin to stdout, as `cat` would. `ends_with_input`: whoever attached is let go."""

    def __init__(self, *, echo: bool = False, ends_with_input: bool = False) -> None:
        self._chunks: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._echo = echo
        self._ends = echo or ends_with_input
        self.stdin = bytearray()
        self.sizes: list[tuple[int, int]] = []

    def feed(self, data: bytes, channel: int = STDOUT) -> None:
        if data and not self._code.done():
            self._chunks.put_nowait((channel, data))

    def finish(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)
            self._chunks.put_nowait(None)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        self._chunks.put_nowait(None)

    async def write_stdin(self, data: bytes) -> None:
        self.stdin += data
        if self._echo:
            self.feed(data)

    async def close_stdin(self) -> None:
        if self._ends:
            self.finish(0)

    async def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def wait(self) -> int:
        return await asyncio.shield(self._code)


class FakeConnection:
    """What port_forward gives: `answer` maps each written chunk to what is read back; b"" closes, as does `end`."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._closed = False

    async def read(self, limit: int = 65536) -> bytes:
        if self._closed and self._chunks.empty():
            return b""
        return await self._chunks.get()

    async def write(self, data: bytes) -> None:
        self._chunks.put_nowait(self._answer(data))

    async def end(self) -> None:
        self._chunks.put_nowait(b"")

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._chunks.put_nowait(b"")

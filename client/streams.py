"""Bodies read while they come: cutting chunks into lines."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

NextChunk = Callable[[], Awaitable[bytes]]


class Chunks(AsyncIterator[bytes]):
    """Iterates `next_chunk` until it gives b"". Needs no closing, unlike an async generator."""

    def __init__(self, next_chunk: NextChunk) -> None:
        self._next_chunk = next_chunk

    async def __anext__(self) -> bytes:
        chunk = await self._next_chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk


class Lines(AsyncIterator[bytes]):
    """Newline-separated pieces without their newline; a last piece without newline counts."""

    def __init__(self, next_chunk: NextChunk) -> None:
        self._next_chunk = next_chunk
        self._ready: deque[bytes] = deque()
        self._partial: list[bytes] = []
        self._ended = False

    async def __anext__(self) -> bytes:
        while not self._ready:
            if self._ended:
                raise StopAsyncIteration
            chunk = await self._next_chunk()
            if not chunk:
                self._ended = True
                if any(self._partial):
                    self._ready.append(b"".join(self._partial))
                continue
            pieces = chunk.split(b"\n")
            if len(pieces) > 1:
                self._partial.append(pieces[0])
                self._ready.append(b"".join(self._partial))
                self._ready.extend(pieces[1:-1])
                self._partial = [pieces[-1]]
            else:
                self._partial.append(chunk)
        return self._ready.popleft()

"""Live bytes between the agent and a process: exec and attach sessions, forwarded ports.

A session owns its descriptors (pipes, or a terminal's master) and closes them at its end. Reading pauses
while the consumer is behind, so a chatty process waits instead of filling the agent's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from runtime.linux.constants import TIOCSWINSZ

STDOUT, STDERR = 1, 2
_CHUNK = 1 << 16
_MAX_WAITING = 32


class ProcessStream:
    """An ExecStream. `sources`: descriptor → channel. `stdin`: where input goes, -1 for nowhere. `ends_with_input`: who has nothing
    more to say is let go, and the process runs on."""

    def __init__(
        self,
        sources: Mapping[int, int],
        stdin: int,
        *,
        terminal: int = -1,
        wait: Callable[[], Awaitable[int]],
        on_close_stdin: Callable[[], Awaitable[None]] | None = None,
        ends_with_input: bool = False,
    ) -> None:
        self._ends_with_input = ends_with_input
        self._let_go = False
        self._loop = asyncio.get_running_loop()
        self._sources = dict(sources)
        self._stdin = stdin
        self._terminal = terminal
        self._wait = wait
        self._on_close_stdin = on_close_stdin
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._news = asyncio.Event()
        self._paused = False
        for fd in (*self._sources, stdin):
            if fd >= 0:
                os.set_blocking(fd, False)
        for fd in self._sources:
            self._loop.add_reader(fd, self._read, fd)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                if self._paused and len(self._chunks) < _MAX_WAITING // 2:
                    self._resume()
                yield chunk
            if not self._sources:
                return
            self._news.clear()
            await self._news.wait()

    async def write_stdin(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._stdin >= 0:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await self._writable()
            except OSError:  # nobody reads it any more
                self._close_input()

    async def close_stdin(self) -> None:
        if self._ends_with_input:
            self._let_go = True
            for fd in list(self._sources):
                self._read(fd)  # what is there already
            self.close()
            return
        if self._stdin >= 0 and self._terminal >= 0:
            await self.write_stdin(b"\x04")  # a terminal's end of input is a character
            return
        self._close_input()
        if self._on_close_stdin is not None:
            await self._on_close_stdin()

    async def resize(self, width: int, height: int) -> None:
        if self._terminal >= 0:
            fcntl.ioctl(self._terminal, TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def wait(self) -> int:
        return 0 if self._let_go else await self._wait()

    def close(self) -> None:
        for fd in list(self._sources):
            self._end(fd)
        self._close_input()
        self._terminal = -1

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a terminal whose processes are gone
            data = b""
        if not data:
            self._end(fd)
            return
        self._chunks.append((self._sources[fd], data))
        self._news.set()
        if len(self._chunks) >= _MAX_WAITING and not self._paused:
            self._paused = True
            for source in self._sources:
                self._loop.remove_reader(source)

    def _resume(self) -> None:
        self._paused = False
        for fd in self._sources:
            self._loop.add_reader(fd, self._read, fd)

    def _end(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        del self._sources[fd]
        if fd == self._terminal:
            self._terminal = -1
        if fd == self._stdin:
            self._loop.remove_writer(fd)
            self._stdin = -1
        os.close(fd)
        self._news.set()

    def _close_input(self) -> None:
        fd, self._stdin = self._stdin, -1
        if fd < 0:
            return
        self._loop.remove_writer(fd)
        if fd not in self._sources:
            os.close(fd)
            if fd == self._terminal:
                self._terminal = -1

    async def _writable(self) -> None:
        fd = self._stdin
        future: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(fd, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            self._loop.remove_writer(fd)


class SocketConnection:
    """A Connection over a socket that may live in another network namespace."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()

    async def read(self, limit: int = 65536) -> bytes:
        try:
            return await self._loop.sock_recv(self._socket, limit)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def end(self) -> None:
        with contextlib.suppress(OSError):  # the other side has left
            self._socket.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        self._socket.close()

"""Serving a container's log, and following it: woken by inotify on its directory, without polling.

Where the kernel gives no inotify (or on a loop without descriptors) the end of the file is looked at four times
a second. Following ends when the container has ended and all it wrote is sent.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from machinery.clock import Clock
from nodeagent.server.log_reader import LineFormatter, LogOptions, log_files, read_blocks, tail_start

POLL_S = 0.25
END_CHECK_S = 2.0
IN_MODIFY, IN_CREATE, IN_MOVED = 0x2, 0x100, 0xC0


async def log_chunks(
    path: str,
    options: LogOptions,
    is_running: Callable[[], Awaitable[bool]],
    ended: asyncio.Event,
    clock: Clock,
) -> AsyncGenerator[bytes, None]:
    """The text piece by piece. `ended` is set when the container may have ended."""
    formatter = LineFormatter(options)
    paths = log_files(path)
    index, offset = tail_start(paths, options.tail_lines) if options.tail_lines is not None else (0, 0)
    for place in range(index, len(paths)):
        start = offset if place == index else 0
        offset = start
        for block, behind in read_blocks(paths[place], start):
            offset = behind
            if text := formatter.feed(block):
                yield text
            if formatter.is_full:
                return
            await asyncio.sleep(0)
    if not options.follow:
        return
    with _watching(os.path.dirname(path)) as changed:
        position = _Position(path, offset if paths and paths[-1] == path else 0)
        while True:
            running = await is_running()
            for block in position.new_blocks():
                if text := formatter.feed(block):
                    yield text
                if formatter.is_full:
                    return
            if not running:
                return
            await _wait(changed, ended, clock)


class _Position:
    """Where the reader stands in the current file; notices that it was rotated."""

    def __init__(self, path: str, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._inode = _inode(path)

    def new_blocks(self) -> Iterator[bytes]:
        inode = _inode(self._path)
        if inode != self._inode and self._inode:
            for rotated in log_files(self._path)[:-1]:
                if _inode(rotated) == self._inode:
                    for block, _ in read_blocks(rotated, self._offset):
                        yield block
            self._offset = 0
        self._inode = inode
        for block, behind in read_blocks(self._path, self._offset):
            self._offset = behind
            yield block


async def _wait(changed: asyncio.Event | None, ended: asyncio.Event, clock: Clock) -> None:
    if changed is None:
        await clock.sleep(POLL_S)
        return
    waiters = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(ended.wait())]
    try:
        await asyncio.wait(waiters, timeout=END_CHECK_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    changed.clear()
    ended.clear()


@contextmanager
def _watching(directory: str) -> Iterator[asyncio.Event | None]:
    """An event that is set whenever something in the directory changes; None where that cannot be had."""
    fd = _inotify(directory)
    if fd < 0:
        yield None
        return
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def readable() -> None:
        with suppress(BlockingIOError):
            os.read(fd, 65536)
        event.set()

    loop.add_reader(fd, readable)
    try:
        yield event
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def _inotify(directory: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        return -1
    if libc.inotify_add_watch(fd, os.fsencode(directory), IN_MODIFY | IN_CREATE | IN_MOVED) < 0:
        os.close(fd)
        return -1
    return fd


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0

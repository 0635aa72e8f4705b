"""A container's output: read from its pipes (or terminal), written as CRI log lines, copied to attachers.

A line longer than 16 KiB is written in parts (tag P, the last one F); what ends without a newline stays a part,
as with containerd. A file that has reached its size is renamed to `NAME.YYYYMMDD-HHMMSS` and a new one begun; the
oldest beyond `max_files` are removed. When the disk refuses, output is dropped rather than the container blocked,
and the next write tries again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from runtime.log_format import timestamp

MAX_LINE = 16384
EMPTY, ENDED = 0, -1


class LogFile:
    """`path` "" writes nowhere."""

    def __init__(self, path: str, max_bytes: int, max_files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fd = -1
        self._size = 0
        self._parts: dict[str, bytes] = {}

    def open(self) -> None:
        """Makes the file, so that it is there before the first line."""
        if self._path and self._fd < 0:
            os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o640)
            self._size = os.fstat(self._fd).st_size

    def feed(self, stream: str, data: bytes) -> None:
        text = self._parts.pop(stream, b"") + data
        head = b"%s %s " % (timestamp(time.time_ns()), stream.encode())
        lines: list[bytes] = []
        start = 0
        while True:
            end = text.find(b"\n", start)
            if end < 0:
                break
            while end - start > MAX_LINE:
                lines.append(b"%sP %s\n" % (head, text[start : start + MAX_LINE]))
                start += MAX_LINE
            lines.append(b"%sF %s\n" % (head, text[start:end]))
            start = end + 1
        while len(text) - start > MAX_LINE:
            lines.append(b"%sP %s\n" % (head, text[start : start + MAX_LINE]))
            start += MAX_LINE
        if start < len(text):
            self._parts[stream] = text[start:]
        if lines:
            self._write(b"".join(lines))

    def end(self, stream: str) -> None:
        """The stream is closed: what has no newline will get none."""
        rest = self._parts.pop(stream, b"")
        if rest:
            self._write(b"%s %s P %s\n" % (timestamp(time.time_ns()), stream.encode(), rest))

    def reopen(self) -> None:
        self.close()
        self.open()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, data: bytes) -> None:
        if not self._path:
            return
        try:
            self.open()
            if self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            self._size += os.write(self._fd, data)
        except OSError:
            self.close()

    def _rotate(self) -> None:
        self.close()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        target = f"{self._path}.{stamp}"
        number = 0
        while os.path.exists(target):
            number += 1
            target = f"{self._path}.{stamp}.{number}"
        os.rename(self._path, target)
        directory, name = os.path.split(self._path)
        old = sorted(entry for entry in os.listdir(directory) if entry.startswith(f"{name}."))
        for entry in old[: max(0, len(old) - (self._max_files - 1))]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{directory}/{entry}")
        self.open()


class Attacher:
    """A reader of live output: pipes for stdout and stderr. One that does not read is let go, not waited for."""

    __slots__ = ("fds",)

    def __init__(self, fds: dict[str, int]) -> None:
        self.fds = fds
        for fd in fds.values():
            os.set_blocking(fd, False)

    def feed(self, stream: str, data: bytes) -> bool:
        fd = self.fds.get(stream, -1)
        if fd < 0:
            return True
        try:
            return os.write(fd, data) == len(data)
        except OSError:
            return False

    def close(self) -> None:
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}


class Output:
    """The sources of one container (descriptor → stream name) and where they go."""

    def __init__(self, log: LogFile, on_all_closed: Callable[[], None]) -> None:
        self.log = log
        self.sources: dict[int, str] = {}
        self.attachers: list[Attacher] = []
        self._on_all_closed = on_all_closed

    def read(self, fd: int, limit: int = 1 << 16) -> int:
        """One read of a non-blocking source: its bytes, EMPTY or ENDED."""
        stream = self.sources[fd]
        try:
            data = os.read(fd, limit)
        except BlockingIOError:
            return EMPTY
        except OSError:  # a terminal whose other side is closed
            data = b""
        if not data:
            return ENDED
        self.log.feed(stream, data)
        for attacher in list(self.attachers):
            if not attacher.feed(stream, data):
                self.attachers.remove(attacher)
                attacher.close()
        return len(data)

    def drain(self) -> None:
        """Everything that is there now, from every source."""
        for fd in list(self.sources):
            while self.read(fd) > 0:
                pass

    def close_source(self, fd: int) -> None:
        stream = self.sources.pop(fd)
        if stream not in self.sources.values():
            self.log.end(stream)
        os.close(fd)
        if not self.sources:
            self._on_all_closed()

    def close_attachers(self) -> None:
        for attacher in self.attachers:
            attacher.close()
        self.attachers.clear()

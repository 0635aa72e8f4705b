"""A container's CRI log files → the text that a reader asked for. Pure but for reading the files given.

Lines are `2026-01-01T00:00:00.000000001Z stdout F text`; P marks a part of a longer line. Rotated files lie beside
the current one (`0.log.20260101-000000`, sorted by name), the current one last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from machinery.clock import parse_rfc3339, rfc3339_micro
from machinery.errors import BadRequest
from nodeagent.server.asgi import Query

BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogOptions:
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: str = ""  # a log stamp; "" from the beginning
    limit_bytes: int | None = None
    stream: str = ""  # stdout, stderr or "" for both

    @classmethod
    def of(cls, query: Query, now: float) -> LogOptions:
        """Raises BadRequest."""
        since = ""
        if seconds := query.get("sinceSeconds"):
            since = stamp_of(now - _number("sinceSeconds", seconds, 1))
        elif text := query.get("sinceTime"):
            try:
                since = stamp_of(parse_rfc3339(text))
            except ValueError as error:
                raise BadRequest(f"sinceTime: {error}") from error
        tail, limit = query.get("tailLines"), query.get("limitBytes")
        return cls(
            follow=query.flag("follow"),
            previous=query.flag("previous"),
            timestamps=query.flag("timestamps"),
            tail_lines=_number("tailLines", tail, 0) if tail else None,
            since=since,
            limit_bytes=_number("limitBytes", limit, 1) if limit else None,
            stream={"Stdout": "stdout", "Stderr": "stderr"}.get(query.get("stream"), ""),
        )


def stamp_of(epoch_s: float) -> str:
    """In the form that log lines carry, so that stamps compare as text."""
    return rfc3339_micro(epoch_s)[:-1] + "000Z"


class LineFormatter:
    """Log lines in, text out; remembers only whether it stands within a long line, and what it has given."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._since = options.since.encode()
        self._stream = options.stream.encode()
        self._within = False
        self.left = options.limit_bytes
        self._rest = b""

    @property
    def is_full(self) -> bool:
        return self.left == 0

    def feed(self, data: bytes) -> bytes:
        """The text of all whole lines so far; the rest is kept."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        out: list[bytes] = []
        for line in data[:end].splitlines():
            parts = line.split(b" ", 3)
            if len(parts) < 4:
                continue
            stamp, stream, tag, text = parts
            if (self._since and stamp < self._since) or (self._stream and stream != self._stream):
                continue
            if self._options.timestamps and not self._within:
                out.append(stamp + b" ")
            whole = not tag.startswith(b"P")
            out.append(text + b"\n" if whole else text)
            self._within = not whole
        text = b"".join(out)
        if self.left is not None:
            text = text[: self.left]
            self.left -= len(text)
        return text


def log_files(path: str) -> list[str]:
    """The files of one container instance that exist, the oldest first."""
    directory, name = os.path.split(path)
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    rotated = sorted(entry for entry in names if entry.startswith(f"{name}."))
    return [f"{directory}/{entry}" for entry in rotated] + ([path] if name in names else [])


def tail_start(paths: list[str], lines: int) -> tuple[int, int]:
    """(index of the file, offset in it) where the last `lines` lines begin. A line in parts counts once."""
    wanted = lines
    last = len(paths) - 1
    if wanted == 0:
        return (last, os.path.getsize(paths[last])) if paths else (0, 0)
    for index in range(last, -1, -1):
        ends = _line_ends(paths[index], of_newest=index == last)
        if len(ends) > wanted:
            return index, ends[-wanted - 1]
        if len(ends) == wanted and index == 0:
            return 0, 0
        wanted -= len(ends)
        if wanted <= 0:
            return index, 0
    return 0, 0


def _line_ends(path: str, of_newest: bool) -> list[int]:
    """Offsets behind each line; behind the last part too where nothing follows it (`of_newest`), as it has no newline yet."""
    ends: list[int] = []
    at = 0
    with open(path, "rb") as file:
        for line in file:
            at += len(line)
            parts = line.split(b" ", 3)
            if len(parts) >= 3 and parts[2].startswith(b"P"):
                continue
            ends.append(at)
    if of_newest and at > (ends[-1] if ends else 0):
        ends.append(at)
    return ends


def read_blocks(path: str, offset: int) -> Iterator[tuple[bytes, int]]:
    """(block, offset behind it) to the present end."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            while block := file.read(BLOCK):
                offset += len(block)
                yield block, offset
    except FileNotFoundError:
        return


def _number(name: str, text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise BadRequest(f"{name}: {text!r} is not a number") from None
    if value < least:
        raise BadRequest(f"{name}: must be at least {least}")
    return value

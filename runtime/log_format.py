"""One line of a container's log file as the CRI defines it.

`2026-01-01T00:00:00.000000001Z stdout F text`; P instead of F marks a part of a longer line.
Used by the spawner's writer and by the fake, so it imports as little as it can.
"""

from __future__ import annotations

import time

_SECOND_NS = 1_000_000_000
_last = (-1, b"")


def timestamp(now_ns: int) -> bytes:
    """RFC 3339 with nanoseconds, UTC. The second's text is kept: lines come in bursts."""
    global _last
    second, rest = divmod(now_ns, _SECOND_NS)
    if _last[0] != second:
        _last = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode())
    return b"%s.%09dZ" % (_last[1], rest)


def log_line(now_ns: int, stream: str, text: bytes, *, partial: bool = False) -> bytes:
    """`text` is without its newline."""
    return b"%s %s %s %s\n" % (timestamp(now_ns), stream.encode(), b"P" if partial else b"F", text)

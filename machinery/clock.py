"""Time from outside.

Every component takes a `Clock`; none reads the wall clock itself. In a real process it is the
machine's time. On the simulator's virtual-time loop the same `LoopClock` shows the loop's time,
which jumps to the next timer whenever nothing else can run.
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Wall time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    async def sleep(self, delay_s: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class LoopClock:
    """Wall time derived from the running loop's own time: virtual where the loop is virtual.

    `epoch_s` is what `now()` shows when `loop.time()` is 0.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch_s: float) -> None:
        self._loop = loop
        self._epoch_s = epoch_s

    def now(self) -> float:
        return self._epoch_s + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


ZERO_TIME_S = -62_135_596_800
"""The first moment of the year 1: Go's zero time, which metav1 writes as null."""


def rfc3339(epoch_s: float) -> str:
    """metav1.Time: whole seconds, UTC. 1700000000.7 → '2023-11-14T22:13:20Z'."""
    return _second(math.floor(epoch_s)) + "Z"


@lru_cache(maxsize=64)
def _second(epoch_s: int) -> str:
    """Much happens in the same second. (strftime would write the year 1 without its zeros.)"""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat()[:19]


def rfc3339_micro(epoch_s: float) -> str:
    """metav1.MicroTime: six digits, UTC."""
    return rfc3339_of_micros(round(epoch_s * 1_000_000))


def rfc3339_of_micros(epoch_us: int) -> str:
    """The same of whole microseconds, which seconds in a double cannot tell far from 1970."""
    seconds, micros = divmod(epoch_us, 1_000_000)
    return f"{_second(seconds)}.{micros:06}Z"


def parse_rfc3339(text: str) -> float:
    """Seconds since the epoch; any offset and fraction that RFC 3339 allows. ValueError otherwise."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return parsed.timestamp()

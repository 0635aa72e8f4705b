"""A clock that runs with the machine's and can be moved ahead: who sleeps by it wakes when it is moved past their time."""

from __future__ import annotations

import asyncio

from machinery.clock import SystemClock

_LOOK_S = 0.02


class MovedClock(SystemClock):
    """`ahead_s`: how far it was moved."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    async def sleep(self, delay_s: float) -> None:
        until = self.monotonic() + delay_s
        while (left := until - self.monotonic()) > 0:  # noqa: ASYNC110 - it is moved by an assignment
            await asyncio.sleep(min(left, _LOOK_S))

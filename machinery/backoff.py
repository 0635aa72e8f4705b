"""How long to wait before the next try.

`Backoff` grows a wait per key, by a factor, up to a limit, with jitter from the `Random` it is given;
`TokenBucket` bounds the rate over all keys. Both only compute delays and never sleep.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import Generic, TypeVar

from machinery.clock import Clock

K = TypeVar("K", bound=Hashable)


def delay_s(
    failures: int, base_s: float, max_s: float, factor: float = 2.0, jitter: float = 0.0, chance: float = 0.0
) -> float:
    """The wait after so many failures (0 = before the second try). `chance` in [0, 1) adds up to `jitter` of it."""
    try:
        plain = base_s * factor**failures
    except OverflowError:
        plain = max_s
    return min(plain, max_s) * (1.0 + jitter * chance)


class Backoff(Generic[K]):
    """Exponential waits per key. Keys are remembered until `forget`."""

    def __init__(
        self,
        base_s: float = 0.005,
        max_s: float = 1000.0,
        *,
        factor: float = 2.0,
        jitter: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        if jitter and rng is None:
            raise ValueError("jitter needs a Random")
        self._base_s = base_s
        self._max_s = max_s
        self._factor = factor
        self._jitter = jitter
        self._rng = rng
        self._failures: dict[K, int] = {}

    def next(self, key: K) -> float:
        """Counts a failure of `key` and gives the seconds to wait before it is tried again."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        chance = self._rng.random() if self._rng is not None and self._jitter else 0.0
        return delay_s(failures, self._base_s, self._max_s, self._factor, self._jitter, chance)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)


class TokenBucket:
    """`rate` per second on average, `burst` at once. `reserve` never refuses: it says how long to wait."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock.monotonic()

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    def reserve(self) -> float:
        """Takes a token, from the future where there is none; gives the seconds until it exists."""
        self._refill()
        self._tokens -= 1.0
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate

    def try_take(self) -> bool:
        """Takes a token if there is one now."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

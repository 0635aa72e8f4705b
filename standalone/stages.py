"""Tells each stage of an operation as it is done, with the seconds since the one before."""

from __future__ import annotations

import time
from collections.abc import Callable

OnStage = Callable[[str, float], None]


def timed(on_stage: OnStage) -> Callable[[str], None]:
    """To be called with a stage's name when that is done."""
    last = time.monotonic()

    def done(what: str) -> None:
        nonlocal last
        now = time.monotonic()
        on_stage(what, now - last)
        last = now

    return done

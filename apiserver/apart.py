"""Work that a large body asks for, on a thread beside the event loop: decoding, defaults, ownership, validation.

    Apart = async (work) → what work() gives

The interpreter still does one thing at a time, but while there is such work it changes between its threads every millisecond, so
that a body of 3 MiB slows others down for a second or two instead of stopping them (at other times that would only make the
store's thread commit smaller batches). One thread: several large bodies wait for
each other, and together take no more than one would.

`work` may touch only what belongs to its own request, and what is made to be shared (caches). A simulated server has no such
thread: there everything is done where it is asked for.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")

LARGE_BYTES = 256 * 1024  # of a body, or of the object that it changes
_TURN_S = 0.001


class Apart(Protocol):
    async def __call__(self, work: Callable[[], T], /) -> T: ...


class Worker:
    """Its thread begins with the first work, and ends with the process or by `close`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")
        self._waiting = 0
        self._usual_turn_s = sys.getswitchinterval()

    async def __call__(self, work: Callable[[], T], /) -> T:
        self._waiting += 1
        sys.setswitchinterval(_TURN_S)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
            if not self._waiting:
                sys.setswitchinterval(self._usual_turn_s)

    def close(self) -> None:
        """What has begun is finished, nothing else is."""
        self._pool.shutdown(wait=False, cancel_futures=True)

"""The loop of whatever the server keeps for itself (API services, flow control's objects, Services' numbers): a round at once,
one whenever there is news, and one when the pause that the last round asked for is over.

A round that the store or an admission plugin refuses is told of once for each new reason, and tried again soon. One that lost
a race is only tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from apiserver.backends.backend import StoreUnavailable
from client.logs import get_logger
from machinery.errors import ApiError, Conflict

log = get_logger("keeping")

# A round; the seconds until the next one where there is no news, None for no such time.
Once = Callable[[], Awaitable[float | None]]


async def keep(what: str, once: Once, news: asyncio.Event | None = None, retry_s: float = 1.0) -> None:
    """Until cancelled. `what` is for the log."""
    news = news or asyncio.Event()
    told = ""
    while True:
        news.clear()
        try:
            pause_s = await once()
            told = ""
        except (ApiError, StoreUnavailable) as error:
            pause_s = retry_s
            if str(error) != told and not isinstance(error, Conflict):
                told = str(error)
                log.warning("cannot be kept as it should be, is tried again", what=what, error=told)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await news.wait()


def every(period_s: float, work: Callable[[], Awaitable[None]]) -> Once:
    """Rounds of `work` a period apart, the first of them in a period."""
    begun = False

    async def once() -> float:
        nonlocal begun
        if begun:
            await work()
        begun = True
        return period_s

    return once

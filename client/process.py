"""The outer shell of a component's process: it runs until it is told to stop, and says in one line why it cannot start.

Every `__main__` composes its own parts; what all of them do around that is here.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from client.livez import answer_livez
from client.logs import get_logger

Run = Callable[[Coroutine[Any, Any, None]], None]


def run_process(
    name: str,
    main: Callable[[], Coroutine[Any, Any, None]],
    *,
    run: Run = asyncio.run,
    refusals: tuple[type[Exception], ...] = (),
) -> int:
    """Runs `main()` until it ends, or SIGTERM or SIGINT cancels it; the process's exit code.

    `refusals` are errors that speak for themselves: printed without a traceback, exit code 1. `run` is the event loop's.
    """
    code = 0
    try:
        run(_until_signalled(name, main))
    except* refusals as failed:
        for error in _leaves(failed):
            print(f"{name}: {error}", file=sys.stderr)
        code = 1
    return code


async def _until_signalled(name: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.ensure_future(main())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    livez = asyncio.ensure_future(answer_livez())
    try:
        await task
    except asyncio.CancelledError:
        get_logger(name).info("stopped")
    finally:
        livez.cancel()


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """The errors themselves, however deep task groups have wrapped them."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found

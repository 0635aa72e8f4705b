"""The event loop a component's process runs on: uvloop, which halves the cost of its sockets, where it is installed.

Not for a component that starts programs through asyncio (the service proxy): in a process forked after uvloop was
imported, the end of a child was never seen (uvloop 0.23). The node agent waits for its programs by pidfd
(runtime/linux/program.py). Tests and the simulator bring their own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run."""
    try:
        import uvloop
    except ImportError:  # not on every platform
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)

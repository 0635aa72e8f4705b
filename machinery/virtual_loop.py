"""An asyncio event loop whose time is made up: it jumps to the next timer when nothing else can run.

A test or the simulator runs hours of a cluster in milliseconds, and the same seed gives the same run.
In comes a coroutine; `run` drives it to its end and gives its result.

Invariants:
* `time()` starts at 0, never goes back, and moves only when no callback is ready and no file
  descriptor has news. A timer fires at exactly the time it was set for.
* Work handed to a thread (`run_in_executor`, `asyncio.to_thread`) holds time still until it is done.
* Sockets work, but they are polled between jumps: whoever waits for a peer in another process while
  timers run sees those timers fire first. Keep I/O out of virtual time where order matters.
* Nothing ready, nothing scheduled, nobody outside who could wake the loop: `DeadlockError`, naming the
  tasks that wait.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, cast

from machinery.clock import LoopClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
DEFAULT_EPOCH_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z


class DeadlockError(RuntimeError):
    """No task can ever run again, though the main one has not ended."""


class TimeLimitError(RuntimeError):
    """Virtual time has passed the limit that the caller set."""


class _JumpingSelector(selectors.BaseSelector):
    """A selector that never sleeps on a timer: it tells the loop to jump instead."""

    def __init__(self, idle: Callable[[float | None], bool]) -> None:
        self._real = selectors.DefaultSelector()
        self._idle = idle  # (timeout) → may we block for real?

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._idle(timeout):
            return self._real.select(None)
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """`clock` shows this loop's time as wall time, starting at `epoch_s`."""

    def __init__(self, *, epoch_s: float = DEFAULT_EPOCH_S, limit_s: float = math.inf) -> None:
        self._virtual_now = 0.0
        self._limit_s = limit_s
        self._outside = 0  # threads at work for us
        self._selector_map: Callable[[], Mapping[Any, Any]]
        selector = _JumpingSelector(self._on_idle)
        self._selector_map = selector.get_map
        super().__init__(selector)
        self.clock = LoopClock(self, epoch_s)

    def time(self) -> float:
        return self._virtual_now

    def _on_idle(self, timeout: float | None) -> bool:
        """Nothing is ready. True: block until a descriptor has news. False: time was moved."""
        if self._outside:
            return True
        if timeout is None:
            if len(self._selector_map()) > 1:  # more than the self-pipe
                return True
            raise DeadlockError(self._describe_deadlock())
        target = self._virtual_now + timeout
        scheduled = cast("list[asyncio.TimerHandle]", getattr(self, "_scheduled", []))
        if scheduled and timeout < 86_400:  # exactly the timer's own time, free of rounding
            target = max(self._virtual_now, scheduled[0].when())
        if target > self._limit_s:
            raise TimeLimitError(f"virtual time would pass {self._limit_s} s (at {self._virtual_now} s)")
        self._virtual_now = target
        # asyncio fires what is due before time + resolution: that sum must differ from time itself.
        self._clock_resolution = max(1e-9, 2 * math.ulp(target))
        return False

    def _describe_deadlock(self) -> str:
        waiting = sorted(f"{task.get_name()}: {_where(task)}" for task in asyncio.all_tasks(self))
        return f"nothing can run any more at {self._virtual_now} s; waiting: " + (
            "; ".join(waiting) or "no task"
        )

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._outside += 1
        future.add_done_callback(self._outside_done)
        return future

    def _outside_done(self, _: Any) -> None:
        self._outside -= 1

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._outside += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._outside -= 1


def _where(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    if not frames:
        return "not started"
    frame = frames[-1]
    return f"{frame.f_code.co_qualname} at {frame.f_code.co_filename}:{frame.f_lineno}"


def run(
    main: Coroutine[Any, Any, T] | Callable[[LoopClock], Coroutine[Any, Any, T]],
    *,
    epoch_s: float = DEFAULT_EPOCH_S,
    limit_s: float = math.inf,
    debug: bool = False,
) -> T:
    """Runs a coroutine (or a function from the clock to one) in virtual time; like asyncio.run otherwise.

    Raises DeadlockError when nothing can run any more, TimeLimitError after `limit_s` virtual seconds.
    """
    loop = VirtualLoop(epoch_s=epoch_s, limit_s=limit_s)
    with asyncio.Runner(loop_factory=lambda: loop, debug=debug) as runner:
        try:
            coro = main(loop.clock) if callable(main) else main
            return runner.run(coro)
        finally:
            loop._limit_s = math.inf  # the clean-up of tasks may take its time


def running_clock() -> LoopClock:
    """The clock of the running loop, which must be virtual."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError("not on a virtual-time loop")
    return loop.clock

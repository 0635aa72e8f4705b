"""Threads for work that blocks, so that the event loop never does.

Three pools, made when first used: `quick` for lookups and writable layers (a container's start waits for
them), `heavy` for hashing and unpacking (bounded by the cores), `line` for downloads (they wait for the
network). `run` returns only when the thread has left the function, also when cancelled: it asks the work
to stop and waits, so nothing is written after the caller let go of its locks.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

T = TypeVar("T")
Pool = Literal["quick", "heavy", "line"]


class Stop:
    """A request to give up, visible to threads; `on_stop` callables cut what blocks in the kernel."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._cuts: dict[int, Callable[[], None]] = {}

    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        with self._lock:
            self._event.set()
            cuts = list(self._cuts.values())
        for cut in cuts:
            cut()

    def register(self, cut: Callable[[], None]) -> Callable[[], None]:
        """Calls `cut` when stopped (at once where that has happened); returns what unregisters it."""
        with self._lock:
            self._cuts[id(cut)] = cut
            is_late = self._event.is_set()
        if is_late:
            cut()

        def unregister() -> None:
            with self._lock:
                self._cuts.pop(id(cut), None)

        return unregister


class Workers:
    """`on_line` is called first thing in every downloading thread: a node in a network namespace of its own pulls
    through its host's network, where registries and their names can be reached."""

    def __init__(self, downloads: int = 6, on_line: Callable[[], None] | None = None) -> None:
        self._on_line = on_line
        cores = os.cpu_count() or 1
        self._sizes: dict[Pool, int] = {"quick": 4, "heavy": max(2, cores), "line": downloads}
        self._pools: dict[Pool, ThreadPoolExecutor] = {}

    async def run(self, pool: Pool, work: Callable[[], T], stop: Stop | None = None) -> T:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool(pool), work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if stop is not None:
                stop.set()
            if not future.cancel():  # not begun: never will
                await _settled(future)
            raise

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools.clear()

    def _pool(self, name: Pool) -> ThreadPoolExecutor:
        if name not in self._pools:
            first = self._on_line if name == "line" else None
            self._pools[name] = ThreadPoolExecutor(self._sizes[name], f"images-{name}", initializer=first)
        return self._pools[name]


async def _settled(future: asyncio.Future[T]) -> None:
    """Waits for the thread however often the waiting is cancelled; its result concerns nobody any more."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    if not future.cancelled():
        future.exception()

"""Doing something in another network namespace: in a thread of its own that ends there, or between fork and exec.

The process itself stays where it is; sockets stay where they were made.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(netns: Path) -> None:
    """The calling thread, for good. Raises OSError."""
    handle = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {netns}")
    finally:
        os.close(handle)


def run_within(netns: Path | None, work: Callable[[], T]) -> T:
    """Waits for it; None is this namespace. What `work` raises is raised here, where it is an OSError."""
    if netns is None:
        return work()
    made: list[T] = []
    failed: list[OSError] = []

    def within() -> None:
        try:
            enter(netns)
            made.append(work())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=within, name=f"in {netns.name}")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]

"""File locks (flock) between the processes and threads that share one image store.

Every holder opens the file itself, so the lock excludes other threads of this process as well; the kernel
lets go when a process dies, so a kill -9 leaves no lock behind. Waiting blocks its thread: call from workers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def acquire(path: Path, *, exclusive: bool, wait: bool = True) -> int | None:
    """A descriptor that holds the lock until it is closed; None where another holds it and `wait` is off."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        if _still_named(path, fd):
            return fd
        os.close(fd)  # the file was removed or renamed while we waited: lock its successor


@contextlib.contextmanager
def locked(path: Path, *, exclusive: bool = True) -> Iterator[None]:
    fd = acquire(path, exclusive=exclusive)
    assert fd is not None
    try:
        yield
    finally:
        os.close(fd)


def _still_named(path: Path, fd: int) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)

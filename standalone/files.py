"""Writing a file so that a crash leaves the old one or the new one, never half of either; and why none can be written."""

from __future__ import annotations

import os
from pathlib import Path

_FULL_BYTES = 1 << 20


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Durable on return: the file's data, then its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def why_not_writable(directory: Path) -> str:
    """In words; "" where there is room."""
    try:
        system = os.statvfs(directory)
    except OSError as error:
        return f"{directory}: {error.strerror}"
    if system.f_flag & os.ST_RDONLY:
        return f"the file system of {directory} is read-only"
    free = system.f_bavail * system.f_frsize
    return f"the file system of {directory} is full: {free >> 10} KiB are free" if free < _FULL_BYTES else ""

"""A directory being filled by somebody else's archive: names are resolved inside it and nowhere else.

Every path is walked from the root's descriptor, one component at a time, without following links; a
symbolic link met on the way is read and resolved as if the tree were the root of the file system, so no
name and no link leads out. Missing directories are made, with the attributes the layers below give them.
Raises ImageFailure for names that mean to leave the tree. Not shared between threads.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from runtime.images.failures import pull_failure

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40
_MAX_DEPTH = 256
_CACHED = 64


def split_name(name: str) -> list[str]:
    """`./a//b/../c` → [a, c]; absolute names count from the tree's root. Refuses what climbs above it."""
    parts: list[str] = []
    for part in name.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if not parts:
                raise pull_failure(f"the archive holds {name!r}, which leads out of the layer")
            parts.pop()
        else:
            parts.append(part)
    if len(parts) > _MAX_DEPTH:
        raise pull_failure(f"the archive holds a path of more than {_MAX_DEPTH} directories")
    return parts


class Tree:
    def __init__(self, root: Path, below: Sequence[Path] = (), *, keep_owner: bool = True) -> None:
        """`below`: the unpacked layers under this one, the topmost first."""
        self.root_fd = os.open(root, _DIRECTORY)
        self._below = tuple(below)
        self._keep_owner = keep_owner
        self._cache: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._is_stale = False
        self.made: list[tuple[tuple[str, ...], int]] = []  # directories made on the way, and their mtime_ns

    def close(self) -> None:
        self._forget()
        os.close(self.root_fd)

    def directory(self, parts: Sequence[str], *, create: bool) -> int:
        """A descriptor of the directory, valid until the next call. FileNotFoundError without `create`."""
        if self._is_stale:
            self._forget()
        if not parts:
            return self.root_fd
        key = tuple(parts)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        fd = self._walk(key, create)
        self._cache[key] = fd
        if len(self._cache) > _CACHED:
            os.close(self._cache.popitem(last=False)[1])
        return fd

    def remove(self, parent: int, name: str) -> None:
        """Whatever stands there. A directory or link that goes takes along what the cache says of its name."""
        mode = os.lstat(name, dir_fd=parent).st_mode
        self._is_stale |= stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
        if stat.S_ISDIR(mode):
            shutil.rmtree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)

    def _forget(self) -> None:
        for fd in self._cache.values():
            os.close(fd)
        self._cache.clear()
        self._is_stale = False

    def _walk(self, parts: tuple[str, ...], create: bool) -> int:
        pending = list(reversed(parts))
        resolved: list[str] = []
        fds = [os.dup(self.root_fd)]
        links = 0
        try:
            while pending:
                part = pending.pop()
                if part == "..":
                    if resolved:
                        resolved.pop()
                        os.close(fds.pop())
                    continue
                target = self._enter(fds, resolved, part, create)
                if target is None:
                    continue
                links += 1
                if links > _MAX_LINKS or len(pending) > _MAX_DEPTH:
                    raise pull_failure(f"the path {'/'.join(parts)!r} runs through too many symbolic links")
                if target.startswith("/"):
                    resolved.clear()
                    while len(fds) > 1:
                        os.close(fds.pop())
                pending.extend(p for p in reversed(target.split("/")) if p not in ("", "."))
            return fds.pop()
        finally:
            for fd in fds:
                os.close(fd)

    def _enter(self, fds: list[int], resolved: list[str], part: str, create: bool) -> str | None:
        """Steps into `part`, or returns the target of the link that it is."""
        try:
            fds.append(os.open(part, _DIRECTORY, dir_fd=fds[-1]))
        except FileNotFoundError:
            if not create:
                raise
            self._make(fds[-1], (*resolved, part))
            fds.append(os.open(part, _DIRECTORY, dir_fd=fds[-1]))
        except OSError:
            mode = os.lstat(part, dir_fd=fds[-1]).st_mode
            if stat.S_ISLNK(mode):
                return os.readlink(part, dir_fd=fds[-1])
            if not (create and stat.S_ISCHR(mode)):
                raise
            # A whiteout of this same layer: what is put below it replaces the directory of the layers below.
            os.unlink(part, dir_fd=fds[-1])
            os.mkdir(part, 0o755, dir_fd=fds[-1])
            fds.append(os.open(part, _DIRECTORY, dir_fd=fds[-1]))
            set_opaque(fds[-1])
        resolved.append(part)
        return None

    def _make(self, parent: int, path: tuple[str, ...]) -> None:
        found = next((st for st in (_stat_below(layer, path) for layer in self._below) if st), None)
        os.mkdir(path[-1], 0o755, dir_fd=parent)
        mtime_ns = 0
        if found is not None and stat.S_ISDIR(found.st_mode):
            mtime_ns = found.st_mtime_ns
            if self._keep_owner:
                os.chown(path[-1], found.st_uid, found.st_gid, dir_fd=parent, follow_symlinks=False)
            os.chmod(path[-1], stat.S_IMODE(found.st_mode), dir_fd=parent)
        self.made.append((path, mtime_ns))


def set_opaque(fd: int) -> None:
    """Overlay's mark on a directory that hides what the layers below hold under its name."""
    os.setxattr(fd, "trusted.overlay.opaque", b"y")


def _stat_below(layer: Path, path: tuple[str, ...]) -> os.stat_result | None:
    fd = os.open(layer, _DIRECTORY)
    try:
        for part in path[:-1]:
            below = os.open(part, _DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        return os.lstat(path[-1], dir_fd=fd)
    except OSError:
        return None
    finally:
        os.close(fd)

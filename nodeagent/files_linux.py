"""The node's real file system: os calls, and mount(2) through libc."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import os
import shutil
import stat
from functools import cache

from nodeagent.files import FileKind, UnsafePath

MS_BIND = 4096
MNT_DETACH = 2


class LinuxFiles:
    def make_dir(self, path: str, mode: int = 0o755) -> None:
        if os.path.isdir(path):
            return
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        os.mkdir(path)
        os.chmod(path, mode)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb", buffering=0) as file:
            file.write(data)
            os.fchmod(fd, mode)

    def read(self, path: str, tail_bytes: int = 0) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if tail_bytes:
                file.seek(max(os.fstat(fd).st_size - tail_bytes, 0))
                return file.read(tail_bytes)
            return file.read()

    def kind(self, path: str, *, follow: bool = True) -> FileKind:
        try:
            mode = (os.stat if follow else os.lstat)(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return ""
        tests: tuple[tuple[object, FileKind], ...] = (
            (stat.S_ISDIR(mode), "dir"),
            (stat.S_ISLNK(mode), "link"),
            (stat.S_ISSOCK(mode), "socket"),
            (stat.S_ISCHR(mode), "char"),
            (stat.S_ISBLK(mode), "block"),
        )
        return next((kind for hit, kind in tests if hit), "file")

    def list_dir(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def symlink(self, target: str, path: str) -> None:
        os.symlink(target, path)

    def read_link(self, path: str) -> str:
        try:
            return os.readlink(path)
        except OSError:
            return ""

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        os.lchown(path, uid, gid)

    def set_mode(self, path: str, mode: int) -> None:
        os.chmod(path, mode)

    def mount_tmpfs(self, path: str, *, size_bytes: int = 0, mode: int = 0o777) -> None:
        self.make_dir(path)
        if self.is_mount(path):
            return
        options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
        _mount("tmpfs", path, "tmpfs", 0, options)

    def bind_beneath(self, root: str, relative: str, target: str, *, create: bool) -> None:
        parts = _safe_parts(relative)
        base = os.path.realpath(root)
        real = os.path.realpath(os.path.join(base, *parts))
        if not _is_beneath(base, real):
            raise UnsafePath(f"subpath {relative!r} leads outside of the volume")
        fd = _open_beneath(base, os.path.relpath(real, base).split("/"), create)
        try:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                self.make_dir(target)
            else:
                self.make_dir(os.path.dirname(target))
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640))
            if not self.is_mount(target):
                _mount(f"/proc/self/fd/{fd}", target, "", MS_BIND, "")
        finally:
            os.close(fd)

    def is_mount(self, path: str) -> bool:
        with open("/proc/self/mountinfo", "rb") as file:
            wanted = _escape(os.path.realpath(path))
            return any(line.split(b" ", 5)[4] == wanted for line in file)

    def unmount(self, path: str) -> None:
        if not os.path.lexists(path) or not self.is_mount(path):
            return
        if _libc().umount2(os.fsencode(path), MNT_DETACH) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)

    async def remove_tree(self, path: str) -> None:
        if self._remove_small(path):
            return
        await asyncio.to_thread(shutil.rmtree, path)

    def _remove_small(self, path: str) -> bool:
        """Removes what is empty, or not there, at once: a thread costs more than that."""
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    async def used_bytes(self, path: str) -> int:
        return await asyncio.to_thread(_used_bytes, path)


def _used_bytes(path: str) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _safe_parts(relative: str) -> list[str]:
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if ".." in parts or relative.startswith("/"):
        raise UnsafePath(f"subpath {relative!r} must be relative and must not contain '..'")
    return parts


def _is_beneath(base: str, path: str) -> bool:
    return path == base or path.startswith(base.rstrip("/") + "/")


def _open_beneath(base: str, parts: list[str], create: bool) -> int:
    """Opens step by step without following links: whoever swaps a directory for a link meanwhile loses."""
    fd = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            if part == ".":
                continue
            try:
                following = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            except FileNotFoundError:
                if not create:
                    raise
                os.mkdir(part, 0o750, dir_fd=fd)
                following = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                os.chmod(f"/proc/self/fd/{following}", stat.S_IMODE(os.stat(f"/proc/self/fd/{fd}").st_mode))
            if stat.S_ISLNK(os.fstat(following).st_mode):
                os.close(following)
                raise UnsafePath(f"{part!r} became a link")
            os.close(fd)
            fd = following
    except BaseException:
        os.close(fd)
        raise
    return fd


def _escape(path: str) -> bytes:
    raw = os.fsencode(path)
    for char in (b"\\", b" ", b"\t", b"\n"):
        raw = raw.replace(char, b"\\%03o" % char[0])
    return raw


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, fstype: str, flags: int, options: str) -> None:
    done = _libc().mount(
        source.encode(),
        os.fsencode(target),
        fstype.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {fstype or source} failed: {os.strerror(number)}", target)

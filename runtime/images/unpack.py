"""A layer's tar → a directory that overlayfs can use as a lower layer.

Takes the layer's stream of members and an empty directory; gives the sizes and the diff id of what was
unpacked. Follows the OCI image layer specification; whiteouts become what overlayfs understands:
`.wh.NAME` a character device 0/0, `.wh..wh..opq` the xattr trusted.overlay.opaque. Whiteouts speak of the
layers below only, never of what the same layer brings.

Invariants: nothing is written outside the directory (see tree.py); ownership, modes with setuid bits,
times, xattrs, hard links and devices are kept as root unpacks them; xattrs that steer overlayfs itself are
dropped; the same blob gives the same tree; sizes are bounded, so a decompression bomb ends in a failure.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from runtime.images.failures import pull_failure
from runtime.images.tarstream import TarStream
from runtime.images.tree import Tree, set_opaque, split_name

_T = TypeVar("_T")

_WHITEOUT = ".wh."
_WHITEOUT_META = ".wh..wh."
_OPAQUE = ".wh..wh..opq"
_XATTR = "SCHILY.xattr."
_REFUSED_XATTRS = ("trusted.overlay.", "user.overlay.")
_MAX_ID = (1 << 32) - 2
_MAX_TIME_NS = (1 << 33) * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one layer may grow to."""

    layer_bytes: int = 32 << 30
    entries: int = 2_000_000
    blob_bytes: int = 32 << 30


@dataclass(frozen=True, slots=True)
class Unpacked:
    diff_id: str
    size_bytes: int
    entries: int


def unpack_layer(
    blob: IO[bytes],
    target: Path,
    below: Sequence[Path],
    limits: Limits,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Unpacked:
    """`below`: the directories of the layers under this one, the topmost first. Raises ImageFailure, OSError
    (full disk), tarfile.TarError, zlib.error, EOFError; what was written until then is the caller's to remove."""
    stream = TarStream(blob, limit_bytes=limits.layer_bytes, is_stopped=is_stopped)
    unpacking = _Unpacking(stream, target, below, limits)
    try:
        for member in stream.members():
            try:
                unpacking.add(member)
            except (ValueError, OverflowError) as error:
                raise pull_failure(f"the archive's entry {member.name!r} is not valid: {error}") from error
        unpacking.finish()
        return Unpacked(stream.digest(), unpacking.size_bytes, unpacking.entries)
    finally:
        unpacking.tree.close()


class _Unpacking:
    def __init__(self, stream: TarStream, target: Path, below: Sequence[Path], limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._is_root = os.geteuid() == 0
        self.tree = Tree(target, below, keep_owner=self._is_root)
        self._times: dict[tuple[str, ...], int] = {}
        self.size_bytes = 0
        self.entries = 0

    def add(self, member: tarfile.TarInfo) -> None:
        self.entries += 1
        if self.entries > self._limits.entries:
            raise pull_failure(f"the layer holds more than {self._limits.entries} entries")
        parts = split_name(member.name)
        if not parts:
            if member.isdir():
                self._apply_to_directory(self.tree.root_fd, (), member)
            return
        parent_parts, name = parts[:-1], parts[-1]
        if name.startswith(_WHITEOUT):
            self._whiteout(parent_parts, name)
            return
        parent = self.tree.directory(parent_parts, create=True)
        if member.isdir():
            self._directory(parent, tuple(parts), member)
        elif member.isreg() or member.issparse():
            self._file(parent, name, member)
        elif member.issym():
            self._replacing(parent, name, lambda: os.symlink(member.linkname, name, dir_fd=parent))
            self._own_link(parent, name, member)
        elif member.islnk():
            self._hard_link(parent, parent_parts, name, member)
        elif member.ischr() or member.isblk() or member.isfifo():
            self._node(parent, name, member)
        else:
            raise pull_failure(f"the archive's entry {member.name!r} has the unknown type {member.type!r}")

    def finish(self) -> None:
        """Directories' times last: filling them changed them."""
        for path, mtime_ns in self.tree.made:
            self._times.setdefault(path, mtime_ns)
        for path in sorted(self._times, reverse=True):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                fd = self.tree.directory(path, create=False)
                os.utime(fd, ns=(self._times[path], self._times[path]))

    # -- one kind of entry each ----------------------------------------------------------------------------

    def _directory(self, parent: int, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        name = path[-1]
        hides = False
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            found = os.lstat(name, dir_fd=parent)
            if not stat.S_ISDIR(found.st_mode):
                hides = _is_whiteout(found)
                self.tree.remove(parent, name)
                os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if hides:
                set_opaque(fd)
            self._apply_to_directory(fd, path, member)
        finally:
            os.close(fd)

    def _apply_to_directory(self, fd: int, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        self._apply(fd, member)
        self._times[path] = _mtime_ns(member)

    def _file(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        if member.size > self._limits.layer_bytes - self.size_bytes:
            raise pull_failure(
                f"{member.name!r} of {member.size} bytes takes the layer above its limit of "
                f"{self._limits.layer_bytes} bytes"
            )
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = self._replacing(parent, name, lambda: os.open(name, flags, 0o600, dir_fd=parent))
        try:
            holes = member.issparse()
            for chunk in self._stream.content(member):
                if holes and not chunk.rstrip(b"\0"):
                    os.lseek(fd, len(chunk), os.SEEK_CUR)
                else:
                    _write_all(fd, chunk)
            if holes:
                os.ftruncate(fd, member.size)
            self.size_bytes += member.size
            self._apply(fd, member)
            os.utime(fd, ns=(_mtime_ns(member), _mtime_ns(member)))
        finally:
            os.close(fd)

    def _hard_link(self, parent: int, parent_parts: list[str], name: str, member: tarfile.TarInfo) -> None:
        source = split_name(member.linkname)
        if not source:
            raise pull_failure(f"the archive's entry {member.name!r} is a hard link to nothing")
        try:
            source_parent = os.dup(self.tree.directory(source[:-1], create=False))
        except (FileNotFoundError, NotADirectoryError):
            raise self._no_target(member) from None
        try:
            parent = self.tree.directory(parent_parts, create=True)
            found = os.lstat(source[-1], dir_fd=source_parent)
            with contextlib.suppress(FileNotFoundError):
                here = os.lstat(name, dir_fd=parent)
                if (here.st_dev, here.st_ino) == (found.st_dev, found.st_ino):
                    return
            if stat.S_ISDIR(found.st_mode):
                raise pull_failure(f"the archive's entry {member.name!r} is a hard link to a directory")
            self._replacing(
                parent,
                name,
                lambda: os.link(
                    source[-1], name, src_dir_fd=source_parent, dst_dir_fd=parent, follow_symlinks=False
                ),
            )
        except FileNotFoundError:
            raise self._no_target(member) from None
        finally:
            os.close(source_parent)

    def _node(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        device = 0 if member.isfifo() else os.makedev(member.devmajor, member.devminor)
        if not self._is_root and kind != stat.S_IFIFO:
            raise pull_failure(f"the archive's entry {member.name!r} is a device: only root can unpack it")
        self._replacing(parent, name, lambda: os.mknod(name, kind | 0o600, device, dir_fd=parent))
        if self._is_root:
            uid, gid = _owner(member)
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        os.chmod(name, member.mode & 0o7777, dir_fd=parent)
        os.utime(name, ns=(_mtime_ns(member), _mtime_ns(member)), dir_fd=parent, follow_symlinks=False)

    def _whiteout(self, parent_parts: list[str], name: str) -> None:
        if name == _OPAQUE:
            set_opaque(self.tree.directory(parent_parts, create=True))
            return
        if name.startswith(_WHITEOUT_META):
            return  # aufs' own bookkeeping
        hidden = name[len(_WHITEOUT) :]
        if hidden in ("", ".", ".."):
            raise pull_failure(f"the archive holds a whiteout of {hidden!r}")
        parent = self.tree.directory(parent_parts, create=True)
        try:
            os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent).st_mode):
                set_opaque(self.tree.directory([*parent_parts, hidden], create=False))

    # -- attributes ----------------------------------------------------------------------------------------

    def _apply(self, fd: int, member: tarfile.TarInfo) -> None:
        """Owner before mode and capabilities: chown clears them."""
        if self._is_root:
            os.fchown(fd, *_owner(member))
        os.fchmod(fd, member.mode & 0o7777)
        for key, text in member.pax_headers.items():
            if key.startswith(_XATTR):
                self._set_xattr(fd, key[len(_XATTR) :], text.encode("utf-8", "surrogateescape"))

    def _set_xattr(self, fd: int, name: str, value: bytes) -> None:
        if name.startswith(_REFUSED_XATTRS):
            return
        try:
            os.setxattr(fd, name, value)
        except OSError as error:
            # As containerd: what this file system or this user cannot keep is left out.
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise

    def _own_link(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        if self._is_root:
            uid, gid = _owner(member)
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=(_mtime_ns(member), _mtime_ns(member)), dir_fd=parent, follow_symlinks=False)

    def _replacing(self, parent: int, name: str, make: Callable[[], _T]) -> _T:
        """The later entry of a name wins."""
        try:
            return make()
        except FileExistsError:
            self.tree.remove(parent, name)
            return make()

    def _no_target(self, member: tarfile.TarInfo) -> Exception:
        return pull_failure(
            f"the archive's entry {member.name!r} is a hard link to {member.linkname!r}, which is not in the layer"
        )


def _owner(member: tarfile.TarInfo) -> tuple[int, int]:
    if not (0 <= member.uid <= _MAX_ID and 0 <= member.gid <= _MAX_ID):
        raise ValueError(f"owner {member.uid}:{member.gid} is out of range")
    return member.uid, member.gid


def _mtime_ns(member: tarfile.TarInfo) -> int:
    return min(max(int(member.mtime * 1_000_000_000), 0), _MAX_TIME_NS)


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]

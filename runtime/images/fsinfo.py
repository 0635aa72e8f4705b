"""What file system a path is on, whether overlayfs can work there, and how full it is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from runtime.cri import FilesystemUsage, ImageFailure
from runtime.images.failures import UNUSABLE_STORE

# As an upper layer the kernel wants whiteouts, trusted xattrs and d_type; these lack one of them.
_UNSUITABLE = frozenset({"overlay", "nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "ecryptfs", "9p", "aufs"})


def filesystem_type(path: Path, mountinfo: str | None = None) -> str:
    """`ext4`, `overlay`, ...; "" where the kernel does not say. The path must exist."""
    if mountinfo is None:
        mountinfo = Path("/proc/self/mountinfo").read_text()
    device = os.stat(path).st_dev
    by_device = dict(_mounts(mountinfo.splitlines()))
    return by_device.get(f"{os.major(device)}:{os.minor(device)}", "")


def ensure_overlay_works_on(path: Path) -> None:
    """Raises ImageFailure ImageStoreUnusable that says what to do."""
    kind = filesystem_type(path)
    if kind in _UNSUITABLE:
        raise ImageFailure(
            UNUSABLE_STORE,
            f"{path} is on {kind}, on which overlayfs cannot keep container layers: "
            "use a data directory on ext4, xfs, btrfs or tmpfs",
        )


def filesystem_usage(path: Path, used_bytes: int) -> FilesystemUsage:
    """`used_bytes` is what the images take; the rest is the file system's."""
    found = os.statvfs(path)
    return FilesystemUsage(
        path=str(path),
        used_bytes=used_bytes,
        capacity_bytes=found.f_blocks * found.f_frsize,
        available_bytes=found.f_bavail * found.f_frsize,
        inodes_free=found.f_favail,
        inodes=found.f_files,
    )


def tree_bytes(root: Path) -> int:
    """The space a directory takes on disk, hard links once. What vanishes meanwhile is not counted."""
    total = 0
    seen: set[tuple[int, int]] = set()
    pending = [os.fspath(root)]
    while pending:
        try:
            entries = os.scandir(pending.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    if (found.st_dev, found.st_ino) in seen:
                        continue
                    seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return total


def _mounts(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        fields = line.split()
        if "-" in fields:
            yield fields[2], fields[fields.index("-") + 1]

"""The container's view of files, built in the child's own mount namespace. Steps in order:

 1. handles of everything that comes from the host (bind sources, devices), while the host is in sight
 2. overlay on the common mount point, pivot_root into it, the host detached
 3. /proc, /dev with its devices, /sys, cgroups
 4. the pod's volumes, moved from their handles: targets are resolved inside the new root, so a link in
    an image cannot lead a mount out of it
 5. masked and read-only paths, the root read-only

Every file system but the host's devices is nodev: a container may have CAP_MKNOD, but what it makes opens
no device. That holds without a devices cgroup on every kind of host.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any

from runtime.linux.constants import (
    AT_FDCWD,
    AT_RECURSIVE,
    MNT_DETACH,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SHARED,
    MS_SLAVE,
    MS_STRICTATIME,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from runtime.linux.syscalls import Syscalls

DEFAULT_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
    ("/proc/kcore", "/dev/core"),
)
_SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC


class MountError(Exception):
    """A mount could not be made; the text names it."""


class Handle:
    """A tree opened on the host, waiting for its place in the container."""

    __slots__ = ("fd", "is_directory", "target")

    def __init__(self, fd: int, target: str, is_directory: bool) -> None:
        self.fd = fd
        self.target = target
        self.is_directory = is_directory


def enter(syscalls: Syscalls, spec: dict[str, Any], mount_point: str) -> None:
    """From the host's view to the container's."""
    shares = any(m.get("propagation", "PRIVATE") != "PRIVATE" for m in spec["mounts"])
    syscalls.mount("", "/", "", MS_REC | (MS_SLAVE if shares else MS_PRIVATE))
    privileged = bool(spec.get("privileged"))
    devices = [_device(syscalls, f"/dev/{name}", f"/dev/{name}") for name in DEFAULT_DEVICES]
    devices += [_device(syscalls, d["host"], d["path"]) for d in spec.get("devices", ())]
    volumes = [_volume(syscalls, mount, privileged) for mount in spec["mounts"]]
    _mount_root(syscalls, spec["rootfs"], mount_point)
    os.chdir(mount_point)
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", MNT_DETACH)
    os.chdir("/")
    _mount_kernel(syscalls, spec)
    for handle in devices:
        _place(syscalls, handle)
    for handle in volumes:
        _place(syscalls, handle)


def finish(syscalls: Syscalls, spec: dict[str, Any]) -> None:
    """What must come after the terminal was made in /dev/pts."""
    for path in spec.get("masked", ()):
        _mask(syscalls, path)
    for path in spec.get("readonly", ()):
        _make_readonly(syscalls, path)
    if spec.get("readonly_rootfs"):
        syscalls.mount_setattr(AT_FDCWD, "/", MOUNT_ATTR_RDONLY, recursive=False)


def _mount_root(syscalls: Syscalls, rootfs: dict[str, Any], mount_point: str) -> None:
    lower = ":".join(_escaped(path) for path in rootfs["lower"])
    upper, work = _escaped(rootfs["upper"]), _escaped(rootfs["work"])
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    if len(options) < 4000:
        syscalls.mount("overlay", mount_point, "overlay", MS_NODEV | MS_RELATIME, options)
        return
    # One page is the limit of mount data: name the layers relative to the directory they share.
    base = os.path.commonpath([os.path.dirname(path) for path in rootfs["lower"]])
    lower = ":".join(_escaped(os.path.relpath(path, base)) for path in rootfs["lower"])
    os.chdir(base)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    syscalls.mount("overlay", mount_point, "overlay", MS_NODEV | MS_RELATIME, options)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _mount_kernel(syscalls: Syscalls, spec: dict[str, Any]) -> None:
    for path in ("/proc", "/dev", "/sys"):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o755)
    syscalls.mount("proc", "/proc", "proc", _SAFE)
    syscalls.mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=755,size=65536k")
    for target, link in _LINKS:
        os.symlink(target, link)
    os.mkdir("/dev/pts")
    syscalls.mount(
        "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"
    )
    os.mkdir("/dev/mqueue")
    syscalls.mount("mqueue", "/dev/mqueue", "mqueue", _SAFE)
    os.mkdir("/dev/shm", 0o1777)
    writable = 0 if spec.get("privileged") else MS_RDONLY
    syscalls.mount("sysfs", "/sys", "sysfs", _SAFE | writable)
    _mount_cgroups(syscalls, spec, _SAFE | writable)


def _mount_cgroups(syscalls: Syscalls, spec: dict[str, Any], flags: int) -> None:
    """In the container's own cgroup namespace, so its limits are at the root where programs look."""
    if spec.get("cgroup_v2"):
        syscalls.mount("cgroup", "/sys/fs/cgroup", "cgroup2", flags)
        return
    controllers = spec.get("controllers") or ()
    if not controllers:
        return
    syscalls.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", _SAFE, "mode=755,size=64k")
    for controller in controllers:
        path = f"/sys/fs/cgroup/{controller}"
        os.mkdir(path)
        syscalls.mount("cgroup", path, "cgroup", _SAFE, controller)
        if flags & MS_RDONLY:
            syscalls.mount("", path, "", _SAFE | MS_BIND | MS_REMOUNT | MS_RDONLY)
    if flags & MS_RDONLY:
        syscalls.mount("", "/sys/fs/cgroup", "", _SAFE | MS_BIND | MS_REMOUNT | MS_RDONLY)


def _device(syscalls: Syscalls, host: str, path: str) -> Handle:
    return Handle(syscalls.open_tree(host, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), path, False)


def _volume(syscalls: Syscalls, mount: dict[str, Any], privileged: bool) -> Handle:
    source, target = mount["source"], mount["target"]
    try:
        is_directory = stat.S_ISDIR(os.stat(source).st_mode)
        fd = syscalls.open_tree(source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)
    except OSError as refused:
        cause = os.strerror(refused.errno or 0).lower()
        raise MountError(f'error mounting "{source}" to rootfs at "{target}": {cause}') from refused
    attributes = 0 if privileged else MOUNT_ATTR_NODEV
    if attributes:
        syscalls.mount_setattr(fd, "", attributes, recursive=True)
    if mount.get("readonly"):
        syscalls.mount_setattr(fd, "", MOUNT_ATTR_RDONLY, recursive=bool(mount.get("recursive")))
    kind = {"HOST_TO_CONTAINER": MS_SLAVE, "BIDIRECTIONAL": MS_SHARED}.get(
        mount.get("propagation", ""), MS_PRIVATE
    )
    syscalls.mount_setattr(fd, "", 0, recursive=True, propagation=kind)
    return Handle(fd, target, is_directory)


def _place(syscalls: Syscalls, handle: Handle) -> None:
    target = handle.target
    try:
        if handle.is_directory:
            if not os.path.isdir(target):  # through links of the image, dangling ones too
                os.makedirs(os.path.realpath(target), 0o755, exist_ok=True)
        elif not os.path.exists(target):
            target = os.path.realpath(target)
            os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        syscalls.move_mount(handle.fd, target)
    except OSError as refused:
        cause = os.strerror(refused.errno or 0).lower()
        raise MountError(f'error mounting to rootfs at "{target}": {cause}') from refused
    os.close(handle.fd)


def _mask(syscalls: Syscalls, path: str) -> None:
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return
    if is_directory:
        syscalls.mount("tmpfs", path, "tmpfs", _SAFE | MS_RDONLY, "size=0k")
    else:
        syscalls.mount("/dev/null", path, "", MS_BIND)


def _make_readonly(syscalls: Syscalls, path: str) -> None:
    if not os.path.exists(path):
        return
    syscalls.mount(path, path, "", MS_BIND | MS_REC)
    flags = os.statvfs(path).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    syscalls.mount("", path, "", MS_BIND | MS_REMOUNT | MS_RDONLY | flags)

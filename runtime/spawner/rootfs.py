"""The container's view of files, built in the child's own mount namespace. Steps in order:

 1. `open_sources`, by whoever sees the host as it is now: handles of volumes and asked-for devices
 2. `stage`, which needs to know nothing of the container and may be done ahead: the inherited mounts made
    private, /dev with its devices and /proc put together in a staging directory, and of /proc hidden what
    is hidden from every usual container (`hides_usual`)
 3. `enter`: overlay on the common mount point, pivot_root into it, /dev and /proc moved there, the host
    detached; /sys, cgroups; the volumes moved from their handles. Targets are resolved inside the new
    root, so a link in an image cannot lead a mount out of it
 4. `finish`: the other masked and read-only paths, the root read-only

Every file system but the host's devices is nodev: a container may have CAP_MKNOD, but what it makes opens
no device. That holds without a devices cgroup on every kind of host.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from runtime.linux.constants import (
    AT_FDCWD,
    AT_RECURSIVE,
    CLONE_NEWNS,
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
from runtime.oci.hidden_paths import MASKED_PATHS, READONLY_PATHS

DEFAULT_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
    ("/proc/kcore", "core"),
)
_SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC
_MASKED_AHEAD = tuple(path for path in MASKED_PATHS if path.startswith("/proc/"))
_READONLY_AHEAD = tuple(path for path in READONLY_PATHS if path.startswith("/proc/"))


class MountError(Exception):
    """A mount could not be made; the text names it."""


class Handle:
    """A tree opened on the host, waiting for its place in the container."""

    __slots__ = ("fd", "is_directory", "target")

    def __init__(self, fd: int, target: str, is_directory: bool) -> None:
        self.fd = fd
        self.target = target
        self.is_directory = is_directory


def open_sources(syscalls: Syscalls, spec: dict[str, Any]) -> list[Handle]:
    """Volumes and devices from the host. Raises MountError; what was opened is closed then."""
    handles: list[Handle] = []
    try:
        handles.extend(_device(syscalls, d["host"], d["path"]) for d in spec.get("devices", ()))
        handles.extend(_volume(syscalls, m, bool(spec.get("privileged"))) for m in spec["mounts"])
    except BaseException:
        close(handles)
        raise
    return handles


def shares_mounts(spec: dict[str, Any]) -> bool:
    """A volume wants the host's later mounts."""
    return any(m.get("propagation", "PRIVATE") != "PRIVATE" for m in spec["mounts"])


def hides_usual(spec: dict[str, Any]) -> bool:
    """The container sees no more of /proc than usual, so a stage that hides that much will do."""
    return set(_MASKED_AHEAD) <= set(spec.get("masked", ())) and set(_READONLY_AHEAD) <= set(
        spec.get("readonly", ())
    )


def close(handles: list[Handle]) -> None:
    for handle in handles:
        os.close(handle.fd)


class Stage:
    """Handles of the /proc and /dev put together ahead; `hidden` are the paths that need no more hiding."""

    __slots__ = ("dev", "hidden", "proc")

    def __init__(self, proc: int, dev: int, hidden: frozenset[str]) -> None:
        self.proc = proc
        self.dev = dev
        self.hidden = hidden


def make_stage(directory: str) -> None:
    """The places on which every child puts its /proc and /dev together, each in its own mount namespace."""
    for path in (directory, f"{directory}/proc", f"{directory}/dev"):
        os.makedirs(path, 0o700, exist_ok=True)


def stage(syscalls: Syscalls, directory: str, *, shares: bool = False, hides: bool = True) -> Stage:
    """`directory` is the node's, from `make_stage`; what is mounted in it is seen by this process only.
    `shares`: a volume wants the host's later mounts, so the inherited ones stay slaves of theirs.
    `hides`: see `hides_usual`."""
    syscalls.mount("", "/", "", MS_REC | (MS_SLAVE if shares else MS_PRIVATE))
    proc, dev = f"{directory}/proc", f"{directory}/dev"
    syscalls.mount("proc", proc, "proc", _SAFE)
    syscalls.mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=755,size=65536k")
    for target, name in _LINKS:
        os.symlink(target, f"{dev}/{name}")
    for name in ("pts", "mqueue", "shm"):
        os.mkdir(f"{dev}/{name}")
    options = "newinstance,ptmxmode=0666,mode=0620,gid=5"
    syscalls.mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)
    for name in DEFAULT_DEVICES:
        path = f"{dev}/{name}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        syscalls.mount(f"/dev/{name}", path, "", MS_BIND)
    if hides:
        for path in _MASKED_AHEAD:
            _mask(syscalls, f"{directory}{path}")
        for path in _READONLY_AHEAD:
            _make_readonly(syscalls, f"{directory}{path}")
    return Stage(
        syscalls.open_tree(proc, OPEN_TREE_CLOEXEC),
        syscalls.open_tree(dev, OPEN_TREE_CLOEXEC),
        frozenset((*_MASKED_AHEAD, *_READONLY_AHEAD)) if hides else frozenset(),
    )


def enter(
    syscalls: Syscalls, spec: dict[str, Any], mount_point: str, staged: Stage, handles: list[Handle]
) -> None:
    """From the host's view to the container's."""
    _mount_root(syscalls, spec["rootfs"], mount_point)
    os.chdir(mount_point)
    _leave_chroot(syscalls)
    host = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.pivot_root(".", ".")  # the old root now lies over the new one's "/", out of lookups' way
    for path, fd in (("/proc", staged.proc), ("/dev", staged.dev)):
        _place(syscalls, Handle(fd, path, True))
    os.chdir(host)
    syscalls.umount2(".", MNT_DETACH)
    os.close(host)
    os.chdir("/")
    _mount_kernel(syscalls, spec)
    for handle in handles:
        _place(syscalls, handle)


def finish(syscalls: Syscalls, spec: dict[str, Any], staged: Stage) -> None:
    """What must come after the terminal was made in /dev/pts."""
    for path in spec.get("masked", ()):
        if path not in staged.hidden:
            _mask(syscalls, path)
    for path in spec.get("readonly", ()):
        if path not in staged.hidden:
            _make_readonly(syscalls, path)
    if spec.get("readonly_rootfs"):
        syscalls.mount_setattr(AT_FDCWD, "/", MOUNT_ATTR_RDONLY, recursive=False)


def _leave_chroot(syscalls: Syscalls) -> None:
    """Makes "/" the root of the mount namespace, which it is not where the node runs in a chroot. Swapping only the
    chroot's root would leave the machine's files in the namespace: whoever joins it (an exec) would land in them,
    and a container with CAP_SYS_CHROOT could climb out to them. The working directory stays."""
    before = os.stat("/")
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(own, CLONE_NEWNS)
    if not os.path.samestat(before, os.stat("/")):
        syscalls.mount("", "/", "", MS_REC | MS_PRIVATE)  # `stage` reached only what lies below the chroot
    os.fchdir(here)
    os.close(own)
    os.close(here)


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
    """What belongs to the pod's namespaces: message queues, /sys, cgroups."""
    syscalls.mount("mqueue", "/dev/mqueue", "mqueue", _SAFE)
    if not os.path.isdir("/sys"):
        os.mkdir("/sys", 0o755)
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
        syscalls.mount("cgroup", path, "cgroup", flags, controller)  # the mount's flags, not the hierarchy's
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
    if mount.get("readonly"):
        if mount.get("recursive") or not is_directory:  # a file has nothing mounted below it
            attributes |= MOUNT_ATTR_RDONLY
        else:
            syscalls.mount_setattr(fd, "", MOUNT_ATTR_RDONLY, recursive=False)
    kind = {"HOST_TO_CONTAINER": MS_SLAVE, "BIDIRECTIONAL": MS_SHARED}.get(
        mount.get("propagation", ""), MS_PRIVATE
    )
    syscalls.mount_setattr(fd, "", attributes, recursive=True, propagation=kind)
    return Handle(fd, target, is_directory)


def _place(syscalls: Syscalls, handle: Handle) -> None:
    target = handle.target
    try:
        if handle.is_directory:
            if not os.path.isdir(target):  # through links of the image, dangling ones too
                os.makedirs(os.path.realpath(target), 0o755, exist_ok=True)
        elif not os.path.exists(target):
            target = _make_file(target)
        syscalls.move_mount(handle.fd, target)
    except OSError as refused:
        cause = os.strerror(refused.errno or 0).lower()
        raise MountError(f'error mounting to rootfs at "{target}": {cause}') from refused
    os.close(handle.fd)


def _make_file(target: str) -> str:
    """Where the file stands now: a dangling link of the image is followed, missing directories are made."""
    flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
    try:
        os.close(os.open(target, flags | os.O_EXCL, 0o644))  # mostly only the file is missing
    except OSError:
        target = os.path.realpath(target)
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.close(os.open(target, flags, 0o644))
    return target


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

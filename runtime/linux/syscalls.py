"""The one door to system calls that Python's os module does not have.

`Syscalls` is the seam: `LinuxSyscalls` calls the kernel through libc, the recording double of the tests
writes down what would have been called. A refusal is an OSError whose text names the call and its
object, as `mount /proc: Operation not permitted`, so that it can be shown to a person as it is.

libc is loaded as a PyDLL: the GIL is kept, which is right in a process of one thread and is cheaper.
"""

from __future__ import annotations

import ctypes
import os
import struct
from ctypes import c_char_p, c_int, c_long, c_uint, c_ulong
from typing import Protocol

from runtime.linux.constants import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    CLONE_INTO_CGROUP,
    CLONE_PARENT,
    CLONE_PIDFD,
    CLOSE_RANGE_CLOEXEC,
    MOVE_MOUNT_F_EMPTY_PATH,
    PR_CAPBSET_DROP,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    SECCOMP_SET_MODE_FILTER,
)


class Syscalls(Protocol):
    def mount(self, source: str, target: str, fstype: str, flags: int, data: str = "") -> None: ...

    def umount2(self, target: str, flags: int) -> None: ...

    def pivot_root(self, new_root: str, put_old: str) -> None: ...

    def setns(self, fd: int, kinds: int) -> None: ...

    def unshare(self, kinds: int) -> None: ...

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        """(pid, pidfd) in the parent, (0, -1) in the child. The child must not return from its caller."""
        ...

    def open_tree(self, path: str, flags: int) -> int: ...

    def move_mount(self, tree_fd: int, target: str) -> None: ...

    def mount_setattr(
        self, fd: int, path: str, attr_set: int, *, recursive: bool, propagation: int = 0
    ) -> None:
        """On the tree behind `fd` where `path` is empty; where it is not, fd may be AT_FDCWD."""
        ...

    def sethostname(self, name: str) -> None: ...

    def capset(self, effective: int, permitted: int, inheritable: int) -> None: ...

    def drop_bounding(self, capability: int) -> None: ...

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0) -> int: ...

    def set_no_new_privs(self) -> None: ...

    def set_parent_death_signal(self, signal: int) -> None: ...

    def load_seccomp(self, program: bytes) -> None:
        """`program` is an array of sock_filter, 8 bytes each."""
        ...

    def cloexec_from(self, first_fd: int) -> None: ...


# pivot_root, clone3, open_tree, move_mount, mount_setattr, capset, seccomp, close_range
_NUMBERS = {
    "x86_64": (155, 435, 428, 429, 442, 126, 317, 436),
    "aarch64": (41, 435, 428, 429, 442, 91, 277, 436),
}
_CAP_VERSION_3 = 0x2008_0522


class _CloneArgs(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )

    flags: int
    pidfd: int
    exit_signal: int
    cgroup: int


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", c_char_p))


class LinuxSyscalls:
    """The kernel. Raises NotImplementedError on a machine whose call numbers are not known."""

    def __init__(self) -> None:
        machine = os.uname().machine
        if machine not in _NUMBERS:
            raise NotImplementedError(f"no system call numbers for {machine}; known: {', '.join(_NUMBERS)}")
        (
            self._nr_pivot_root,
            self._nr_clone3,
            self._nr_open_tree,
            self._nr_move_mount,
            self._nr_mount_setattr,
            self._nr_capset,
            self._nr_seccomp,
            self._nr_close_range,
        ) = _NUMBERS[machine]
        libc = ctypes.PyDLL(None, use_errno=True)
        self._syscall = libc.syscall
        self._syscall.restype = c_long
        self._mount = libc.mount
        self._mount.argtypes = (c_char_p, c_char_p, c_char_p, c_ulong, c_char_p)
        self._umount2 = libc.umount2
        self._umount2.argtypes = (c_char_p, c_int)
        self._setns = libc.setns
        self._setns.argtypes = (c_int, c_int)
        self._unshare = libc.unshare
        self._unshare.argtypes = (c_int,)
        self._prctl = libc.prctl
        self._prctl.argtypes = (c_int, c_ulong, c_ulong, c_ulong, c_ulong)
        self._sethostname = libc.sethostname
        self._sethostname.argtypes = (c_char_p, c_ulong)
        self._clone_args = _CloneArgs()
        self._pidfd = c_int(-1)

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str = "") -> None:
        done = self._mount(
            source.encode() if source else None,
            target.encode(),
            fstype.encode() if fstype else None,
            flags,
            data.encode() if data else None,
        )
        if done != 0:
            raise _refused(f"mount {fstype or source} on {target}")

    def umount2(self, target: str, flags: int) -> None:
        if self._umount2(target.encode(), flags) != 0:
            raise _refused(f"umount {target}")

    def pivot_root(self, new_root: str, put_old: str) -> None:
        if self._syscall(c_long(self._nr_pivot_root), new_root.encode(), put_old.encode()) != 0:
            raise _refused(f"pivot_root {new_root}")

    def setns(self, fd: int, kinds: int) -> None:
        if self._setns(fd, kinds) != 0:
            raise _refused(f"setns {kinds:#x}")

    def unshare(self, kinds: int) -> None:
        if self._unshare(kinds) != 0:
            raise _refused(f"unshare {kinds:#x}")

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        args = self._clone_args
        args.flags = flags | CLONE_PIDFD
        args.cgroup = 0
        if cgroup_fd >= 0:
            args.flags |= CLONE_INTO_CGROUP
            args.cgroup = cgroup_fd
        args.pidfd = ctypes.addressof(self._pidfd)
        args.exit_signal = 0 if flags & CLONE_PARENT else 17  # SIGCHLD; a sibling inherits the caller's
        pid = int(self._syscall(c_long(self._nr_clone3), ctypes.byref(args), c_ulong(ctypes.sizeof(args))))
        if pid < 0:
            raise _refused("clone3")
        return (pid, self._pidfd.value) if pid else (0, -1)

    def open_tree(self, path: str, flags: int) -> int:
        fd = int(self._syscall(c_long(self._nr_open_tree), c_int(-100), path.encode(), c_uint(flags)))
        if fd < 0:
            raise _refused(path)
        return fd

    def move_mount(self, tree_fd: int, target: str) -> None:
        done = self._syscall(
            c_long(self._nr_move_mount),
            c_int(tree_fd),
            b"",
            c_int(-100),
            target.encode(),
            c_uint(MOVE_MOUNT_F_EMPTY_PATH),
        )
        if done != 0:
            raise _refused(f"bind mount on {target}")

    def mount_setattr(
        self, fd: int, path: str, attr_set: int, *, recursive: bool, propagation: int = 0
    ) -> None:
        flags = (0 if path else AT_EMPTY_PATH) | (AT_RECURSIVE if recursive else 0)
        attr = struct.pack("QQQQ", attr_set, 0, propagation, 0)
        done = self._syscall(
            c_long(self._nr_mount_setattr), c_int(fd), path.encode(), c_uint(flags), attr, c_ulong(len(attr))
        )
        if done != 0:
            raise _refused(f"mount_setattr {path or 'of a bind mount'}")

    def sethostname(self, name: str) -> None:
        raw = name.encode()
        if self._sethostname(raw, len(raw)) != 0:
            raise _refused(f"sethostname {name}")

    def capset(self, effective: int, permitted: int, inheritable: int) -> None:
        low, high = 0xFFFF_FFFF, 32
        header = struct.pack("Ii", _CAP_VERSION_3, 0)
        data = struct.pack(
            "IIIIII",
            effective & low,
            permitted & low,
            inheritable & low,
            effective >> high,
            permitted >> high,
            inheritable >> high,
        )
        if self._syscall(c_long(self._nr_capset), header, data) != 0:
            raise _refused("capset")

    def drop_bounding(self, capability: int) -> None:
        if self._prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            raise _refused(f"drop capability {capability} from the bounding set")

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0) -> int:
        return int(self._prctl(option, arg2, arg3, 0, 0))

    def set_no_new_privs(self) -> None:
        if self._prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise _refused("set no_new_privs")

    def set_parent_death_signal(self, signal: int) -> None:
        if self._prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0:
            raise _refused("set the parent death signal")

    def load_seccomp(self, program: bytes) -> None:
        fprog = _SockFprog(len(program) // 8, program)
        done = self._syscall(
            c_long(self._nr_seccomp),
            c_uint(SECCOMP_SET_MODE_FILTER),
            c_uint(SECCOMP_FILTER_FLAG_SPEC_ALLOW),
            ctypes.byref(fprog),
        )
        if done != 0:
            raise _refused("load the seccomp filter")

    def cloexec_from(self, first_fd: int) -> None:
        done = self._syscall(
            c_long(self._nr_close_range), c_uint(first_fd), c_uint(0xFFFF_FFFF), c_uint(CLOSE_RANGE_CLOEXEC)
        )
        if done != 0:
            raise _refused("close_range")


def _refused(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{what}: {os.strerror(code)}")

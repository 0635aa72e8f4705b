"""A Syscalls that does nothing and writes down what would have been done."""

from __future__ import annotations

import itertools
from typing import Any


class RecordingSyscalls:
    """`calls` are (name, arguments...) in order; `refuse[name]` is raised by that call instead."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.refuse: dict[str, OSError] = {}
        self._fds = itertools.count(1000)

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]

    def _note(self, name: str, *arguments: Any) -> None:
        if name in self.refuse:
            raise self.refuse[name]
        self.calls.append((name, *arguments))

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str = "") -> None:
        self._note("mount", source, target, fstype, flags, data)

    def umount2(self, target: str, flags: int) -> None:
        self._note("umount2", target, flags)

    def pivot_root(self, new_root: str, put_old: str) -> None:
        self._note("pivot_root", new_root, put_old)

    def setns(self, fd: int, kinds: int) -> None:
        self._note("setns", fd, kinds)

    def unshare(self, kinds: int) -> None:
        self._note("unshare", kinds)

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        self._note("clone3", flags, cgroup_fd)
        return 4242, next(self._fds)

    def open_tree(self, path: str, flags: int) -> int:
        self._note("open_tree", path, flags)
        return next(self._fds)

    def move_mount(self, tree_fd: int, target: str) -> None:
        self._note("move_mount", target)

    def mount_setattr(
        self, fd: int, path: str, attr_set: int, *, recursive: bool, propagation: int = 0
    ) -> None:
        self._note("mount_setattr", path, attr_set, recursive, propagation)

    def sethostname(self, name: str) -> None:
        self._note("sethostname", name)

    def capset(self, effective: int, permitted: int, inheritable: int) -> None:
        self._note("capset", effective, permitted, inheritable)

    def drop_bounding(self, capability: int) -> None:
        self._note("drop_bounding", capability)

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0) -> int:
        self._note("prctl", option, arg2, arg3)
        return 0

    def set_no_new_privs(self) -> None:
        self._note("set_no_new_privs")

    def set_parent_death_signal(self, signal: int) -> None:
        self._note("set_parent_death_signal", signal)

    def load_seccomp(self, program: bytes) -> None:
        self._note("load_seccomp", len(program))

    def cloexec_from(self, first_fd: int) -> None:
        self._note("cloexec_from", first_fd)

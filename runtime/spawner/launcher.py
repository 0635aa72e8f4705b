"""Clones the processes: a container's first one, and execs into a container. Parent's side of child.py."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from runtime.cgroups.tree import CgroupTree
from runtime.linux.constants import CLONE_NEWNS, CLONE_NEWPID
from runtime.linux.namespaces import OwnNamespaces
from runtime.linux.syscalls import Syscalls
from runtime.spawner import rootfs
from runtime.spawner.ahead import AheadPool, Child, status_pair
from runtime.spawner.child import Launch, Places, may_be_ahead, run_container, run_exec
from runtime.spawner.container import Container
from runtime.spawner.loop import Loop
from runtime.spawner.sandbox import Sandbox


class Pipes:
    """Ends of a process's stdin, stdout, stderr; `theirs` are given to the child."""

    __slots__ = ("err", "in_", "out", "theirs")

    def __init__(self, want_stdin: bool) -> None:
        if want_stdin:
            child_in, self.in_ = os.pipe2(os.O_CLOEXEC)
        else:
            child_in, self.in_ = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), -1
        self.out, child_out = os.pipe2(os.O_CLOEXEC)
        self.err, child_err = os.pipe2(os.O_CLOEXEC)
        for fd in (self.out, self.err):
            os.set_blocking(fd, False)
        self.theirs = (child_in, child_out, child_err)


class Launcher:
    """`ahead` are children cloned before they are needed; used where a container has its own pid namespace
    and joins its cgroups itself (v1). On v2 a clone straight into the cgroup is better."""

    def __init__(
        self,
        loop: Loop,
        syscalls: Syscalls,
        own: OwnNamespaces,
        tree: CgroupTree,
        directory: str,
        ahead: int,
    ) -> None:
        self._syscalls = syscalls
        self._own = own
        self._tree = tree
        self._places = Places(f"{directory}/rootfs", f"{directory}/stage", _permitted_capabilities())
        os.makedirs(self._places.root, 0o700, exist_ok=True)
        rootfs.make_stage(self._places.stage)
        self.ahead = AheadPool(loop, syscalls, self._places, 0 if tree.layout.v2 else ahead)

    def start(
        self,
        container: Container,
        sandbox: Sandbox,
        stdio: tuple[int, int, int],
        is_wanted: Callable[[], bool],
        started: Callable[[OSError | None], None],
    ) -> None:
        """Sets pid, pidfd and status socket of the container, then calls `started`: once, now or a little
        later, when `is_wanted` is asked again. `stdio` is closed here. Raises OSError, MountError instead of
        calling for what is wrong from the outset."""
        opened: list[int] = [fd for fd in stdio if fd >= 0]
        try:
            handles = rootfs.open_sources(self._syscalls, container.spec)
            opened += [handle.fd for handle in handles]
            procs, cgroup_fd = self._cgroup_handles(container)
        except BaseException:
            _close(opened)
            raise
        opened += [*procs, *([cgroup_fd] if cgroup_fd >= 0 else ())]
        launch = Launch(container.spec, stdio, sandbox.handles, procs, handles)

        def use(child: Child | None) -> None:
            try:
                if not is_wanted():
                    raise OSError(errno.ECANCELED, "it was stopped before it was started")
                if child is not None and child.give(*launch.pack()):
                    found = child.pid, child.pidfd, child.status
                    child = None
                else:
                    found = self._clone_new(launch, sandbox, cgroup_fd)
            except OSError as refused:
                started(refused)
                return
            finally:
                _close(opened)
                if child is not None:
                    child.end()
            container.state["pid"], container.pidfd, container.status = found
            started(None)

        if may_be_ahead(container.spec):
            self.ahead.take(use)
        else:
            use(None)

    def _clone_new(self, launch: Launch, sandbox: Sandbox, cgroup_fd: int) -> tuple[int, int, socket.socket]:
        kind = launch.spec.get("pid", "CONTAINER")
        flags = CLONE_NEWNS | (CLONE_NEWPID if kind == "CONTAINER" else 0)
        ours, theirs = status_pair()
        pid, pidfd = self._clone(flags, cgroup_fd, sandbox.init_pidfd if kind == "POD" else -1)
        if pid == 0:
            run_container(self._syscalls, self._places, theirs, launch)
        theirs.close()
        return pid, pidfd, ours

    def exec(
        self, container: Container, process: dict[str, Any], stdio: tuple[int, int, int]
    ) -> tuple[int, int, socket.socket]:
        """(pid, pidfd, status socket) of a process inside a running container. Raises OSError."""
        ours, theirs = status_pair()
        procs, cgroup_fd = self._cgroup_handles(container)
        launch = Launch({"process": process}, stdio, {}, procs, [])
        shares_ours = container.spec.get("pid") == "NODE"
        pid, pidfd = self._clone(0, cgroup_fd, -1 if shares_ours else container.pidfd)
        if pid == 0:
            run_exec(self._syscalls, self._places, theirs, launch, container.pidfd)
        theirs.close()
        _close([*procs, *([cgroup_fd] if cgroup_fd >= 0 else ())])
        return pid, pidfd, ours

    def _clone(self, flags: int, cgroup_fd: int, pid_namespace: int) -> tuple[int, int]:
        if pid_namespace < 0:
            return self._syscalls.clone3(flags, cgroup_fd)
        self._syscalls.setns(pid_namespace, CLONE_NEWPID)  # only children are moved
        pid, pidfd = self._syscalls.clone3(flags, cgroup_fd)
        if pid:
            self._syscalls.setns(self._own.pid_for_children, CLONE_NEWPID)
        return pid, pidfd

    def _cgroup_handles(self, container: Container) -> tuple[list[int], int]:
        controllers = container.spec.get("controllers") or ()
        return (
            self._tree.open_procs(container.group, controllers),
            self._tree.open_v2(container.group),
        )


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _permitted_capabilities() -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("CapPrm:"):
                return int(line.split()[1], 16)
    return 0

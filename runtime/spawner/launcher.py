"""Clones the processes: a container's first one, and execs into a container. Parent's side of child.py."""

from __future__ import annotations

import os
import socket
from typing import Any

from runtime.cgroups.tree import CgroupTree
from runtime.linux.constants import CLONE_NEWNS, CLONE_NEWPID
from runtime.linux.namespaces import OwnNamespaces
from runtime.linux.syscalls import Syscalls
from runtime.spawner import rootfs
from runtime.spawner.ahead import AheadPool, status_pair
from runtime.spawner.child import MAX_PACKED, Launch, Places, may_be_ahead, run_container, run_exec
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

    def close_theirs(self) -> None:
        for fd in self.theirs:
            os.close(fd)

    def close_ours(self) -> None:
        for fd in (self.in_, self.out, self.err):
            if fd >= 0:
                os.close(fd)


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
        os.makedirs(self._places.stage, 0o700, exist_ok=True)
        self.ahead = AheadPool(loop, syscalls, self._places, 0 if tree.layout.v2 else ahead)

    def start(self, container: Container, sandbox: Sandbox) -> Pipes | None:
        """Sets pid, pidfd and status socket of the container. Raises OSError, MountError."""
        spec = container.spec
        handles = rootfs.open_sources(self._syscalls, spec)
        pipes = None if spec["process"].get("tty") else Pipes(bool(spec.get("stdin")))
        procs: list[int] = []
        cgroup_fd = -1
        try:
            procs, cgroup_fd = self._cgroup_handles(container)
            stdio = pipes.theirs if pipes else (-1, -1, -1)
            launch = Launch(spec, stdio, sandbox.handles, procs, handles)
            pid, pidfd, status = self._hand_over(launch) or self._clone_new(launch, sandbox, cgroup_fd)
        except OSError:
            if pipes is not None:
                pipes.close_ours()
            raise
        finally:
            rootfs.close(handles)
            _close(procs, cgroup_fd)
            if pipes is not None:
                pipes.close_theirs()
        container.pidfd, container.status = pidfd, status
        container.state["pid"] = pid
        return pipes

    def _hand_over(self, launch: Launch) -> tuple[int, int, socket.socket] | None:
        """To a child that is there already; None where none is or it cannot be used."""
        if not may_be_ahead(launch.spec):
            return None
        packed, fds = launch.pack()
        if len(packed) > MAX_PACKED or len(fds) > 250:
            return None
        while (child := self.ahead.take()) is not None:
            if child.give(packed, fds):
                return child.pid, child.pidfd, child.status
            child.end()
        return None

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
        _close(procs, cgroup_fd)
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


def _close(fds: list[int], cgroup_fd: int) -> None:
    for fd in fds:
        os.close(fd)
    if cgroup_fd >= 0:
        os.close(cgroup_fd)


def _permitted_capabilities() -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("CapPrm:"):
                return int(line.split()[1], 16)
    return 0

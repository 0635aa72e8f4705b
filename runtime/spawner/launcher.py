"""Clones the processes: a container's first one, and execs into a container. Parent's side of child.py."""

from __future__ import annotations

import os
import socket
from typing import Any

from runtime.cgroups.tree import CgroupTree
from runtime.linux.constants import CLONE_NEWNS, CLONE_NEWPID
from runtime.linux.namespaces import OwnNamespaces
from runtime.linux.syscalls import Syscalls
from runtime.spawner.child import Launch, run_container, run_exec
from runtime.spawner.container import Container
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
    def __init__(self, syscalls: Syscalls, own: OwnNamespaces, tree: CgroupTree, directory: str) -> None:
        self._syscalls = syscalls
        self._own = own
        self._tree = tree
        self._mount_point = f"{directory}/rootfs"
        self._own_caps = _permitted_capabilities()
        os.makedirs(self._mount_point, 0o700, exist_ok=True)

    def start(self, container: Container, sandbox: Sandbox) -> Pipes | None:
        """Sets pid, pidfd and status socket of the container. Raises OSError."""
        spec = container.spec
        tty = bool(spec["process"].get("tty"))
        pipes = None if tty else Pipes(bool(spec.get("stdin")))
        try:
            ours, theirs = _status_pair()
            spec_pid = spec.get("pid", "CONTAINER")
            flags = CLONE_NEWNS | (CLONE_NEWPID if spec_pid == "CONTAINER" else 0)
            procs, cgroup_fd = self._cgroup_handles(container)
            launch = Launch(
                spec,
                pipes.theirs if pipes else (-1, -1, -1),
                theirs,
                sandbox.handles,
                procs,
                self._mount_point,
                self._own_caps,
            )
            pid_namespace = sandbox.init_pidfd if spec_pid == "POD" else -1
            pid, pidfd = self._clone(flags, cgroup_fd, pid_namespace)
            if pid == 0:
                run_container(self._syscalls, launch)
            _close(theirs, procs, cgroup_fd)
        except OSError:
            if pipes is not None:
                pipes.close_theirs()
                pipes.close_ours()
            raise
        if pipes is not None:
            pipes.close_theirs()
        container.pidfd, container.status = pidfd, ours
        container.state["pid"] = pid
        return pipes

    def exec(
        self, container: Container, process: dict[str, Any], stdio: tuple[int, int, int]
    ) -> tuple[int, int, socket.socket]:
        """(pid, pidfd, status socket) of a process inside a running container. Raises OSError."""
        ours, theirs = _status_pair()
        procs, cgroup_fd = self._cgroup_handles(container)
        launch = Launch({"process": process}, stdio, theirs, {}, procs, self._mount_point, self._own_caps)
        shares_ours = container.spec.get("pid") == "NODE"
        pid, pidfd = self._clone(0, cgroup_fd, -1 if shares_ours else container.pidfd)
        if pid == 0:
            run_exec(self._syscalls, launch, container.pidfd)
        _close(theirs, procs, cgroup_fd)
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


def _status_pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def _close(status: socket.socket, fds: list[int], cgroup_fd: int) -> None:
    status.close()
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

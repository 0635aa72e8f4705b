"""What the cloned child does until its program runs: a container's first process, or an exec into one.

The child tells its parent over a SEQPACKET socket: `{"tty": true}` with the terminal's master beside it,
`{"warnings": [...]}`, `{"error": ...}`. The socket closes by itself when the program is executed, which
is how the parent learns that it runs. Never returns.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import socket
import struct
from typing import Any, NoReturn

from runtime.linux.constants import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUTS,
    TIOCGPTN,
    TIOCSCTTY,
    TIOCSPTLCK,
    TIOCSWINSZ,
)
from runtime.linux.syscalls import Syscalls
from runtime.spawner import rootfs
from runtime.spawner.identity import become


class Launch:
    """Everything a child needs, gathered by the parent before the clone."""

    __slots__ = ("cgroup_fds", "mount_point", "namespaces", "own_caps", "size", "spec", "status", "stdio")

    def __init__(
        self,
        spec: dict[str, Any],
        stdio: tuple[int, int, int],
        status: socket.socket,
        namespaces: dict[int, int],
        cgroup_fds: list[int],
        mount_point: str,
        own_caps: int,
    ) -> None:
        self.spec = spec
        self.stdio = stdio  # -1 each with a terminal
        self.status = status
        self.namespaces = namespaces  # kind → handle
        self.cgroup_fds = cgroup_fds
        self.mount_point = mount_point
        self.own_caps = own_caps


def run_container(syscalls: Syscalls, launch: Launch) -> NoReturn:
    """In a new mount namespace (and pid namespace): builds the container around itself."""
    try:
        spec = launch.spec
        process = spec["process"]
        warnings: list[str] = []
        _join_cgroups(launch.cgroup_fds)
        syscalls.unshare(CLONE_NEWCGROUP)
        for kind, handle in launch.namespaces.items():
            syscalls.setns(handle, kind)
        os.setsid()
        _reset_signals()
        _adjust_oom_score(process.get("oom_score_adj") or 0, warnings)
        rootfs.enter(syscalls, spec, launch.mount_point)
        if process.get("tty"):
            _open_terminal(launch.status, process, console=True, syscalls=syscalls)
        else:
            _use_stdio(launch.stdio)
        rootfs.finish(syscalls, spec)
        _run(syscalls, launch, process, warnings)
    except BaseException as failed:
        _tell(launch.status, {"error": _cause(failed)})
    os._exit(128)


def run_exec(syscalls: Syscalls, launch: Launch, container_pidfd: int) -> NoReturn:
    """In the container's pid namespace already; joins the others."""
    try:
        process = launch.spec["process"]
        warnings: list[str] = []
        _join_cgroups(launch.cgroup_fds)
        kinds = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP
        syscalls.setns(container_pidfd, kinds)
        os.chdir("/")
        os.setsid()
        _reset_signals()
        _adjust_oom_score(process.get("oom_score_adj") or 0, warnings)
        if process.get("tty"):
            _open_terminal(launch.status, process, console=False, syscalls=syscalls)
        else:
            _use_stdio(launch.stdio)
        _run(syscalls, launch, process, warnings)
    except BaseException as failed:
        _tell(launch.status, {"error": _cause(failed)})
    os._exit(128)


def _run(syscalls: Syscalls, launch: Launch, process: dict[str, Any], warnings: list[str]) -> None:
    status = launch.status
    if status.fileno() < 3:
        status = socket.socket(fileno=fcntl.fcntl(status.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))
    syscalls.cloexec_from(3)
    if warnings:
        _tell(status, {"warnings": warnings})
        warnings = []
    noted: list[str] = _Notes(status)
    become(syscalls, process, launch.own_caps, noted)


class _Notes(list[str]):
    """Warnings that are told at once: after the last step there is nobody left to tell them."""

    def __init__(self, status: socket.socket) -> None:
        super().__init__()
        self._status = status

    def append(self, text: str) -> None:
        _tell(self._status, {"warnings": [text]})


def _join_cgroups(fds: list[int]) -> None:
    for fd in fds:
        os.write(fd, b"0")


def _use_stdio(stdio: tuple[int, int, int]) -> None:
    for number, fd in enumerate(stdio):
        os.dup2(fd, number, inheritable=True)


def _reset_signals() -> None:
    """Python ignores two signals, and a program inherits what is ignored."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _adjust_oom_score(score: int, warnings: list[str]) -> None:
    """Lowering the score takes CAP_SYS_RESOURCE; without it the score stays where it is."""
    if score == 0:
        return
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(score))
    except OSError as refused:
        warnings.append(f"oom_score_adj {score} is refused by this host: {refused.strerror}")


def _open_terminal(
    status: socket.socket, process: dict[str, Any], *, console: bool, syscalls: Syscalls
) -> None:
    """A new terminal of the container's own /dev/pts becomes the controlling one; its master goes to the parent."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, struct.pack("i", 0)))[0]
    path = f"/dev/pts/{number}"
    slave = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    width, height = process.get("size") or (0, 0)
    if width and height:
        fcntl.ioctl(master, TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    fcntl.ioctl(slave, TIOCSCTTY, 0)
    _use_stdio((slave, slave, slave))
    if console:
        from runtime.linux.constants import MS_BIND

        os.close(os.open("/dev/console", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        syscalls.mount(path, "/dev/console", "", MS_BIND)
    status.sendmsg([b'{"tty":true}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [master]))])
    os.close(master)


def _tell(status: socket.socket, message: dict[str, Any]) -> None:
    try:
        status.send(json.dumps(message).encode())
    except OSError:
        os._exit(128)


def _cause(failed: BaseException) -> str:
    if isinstance(failed, OSError) and failed.strerror:
        if failed.filename:
            return f"{failed.filename}: {failed.strerror}"
        return failed.strerror
    return str(failed) or type(failed).__name__

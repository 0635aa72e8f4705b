"""What the cloned child does until its program runs: a container's first process, or an exec into one.

The child tells its parent over a SEQPACKET socket: `{"tty": true}` with the terminal's master beside it,
`{"warnings": [...]}`, `{"error": ...}`. The socket closes by itself when the program is executed, which
is how the parent learns that it runs. Never returns. A child cloned ahead gets its container over the same
socket: one message, `Launch.pack`.
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

from runtime.linux import capabilities
from runtime.linux.constants import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUTS,
    MS_BIND,
    TIOCGPTN,
    TIOCSCTTY,
    TIOCSPTLCK,
    TIOCSWINSZ,
)
from runtime.linux.syscalls import Syscalls
from runtime.spawner import rootfs
from runtime.spawner.identity import become, narrow_bounding_set, rehearse
from runtime.spawner.rootfs import Handle, Stage

MAX_PACKED = 160_000  # of one message on the status socket
USUAL_CAPS = capabilities.mask_of(capabilities.DEFAULT)
_TOLD = (  # what a child reads of a spec; the rest has been done, or is the agent's
    "process",
    "rootfs",
    "privileged",
    "cgroup_v2",
    "controllers",
    "masked",
    "readonly",
    "readonly_rootfs",
)
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Places:
    """Directories of the node that every child uses, each in its own mount namespace."""

    __slots__ = ("own_caps", "root", "stage")

    def __init__(self, root: str, stage: str, own_caps: int) -> None:
        self.root = root
        self.stage = stage
        self.own_caps = own_caps


class Launch:
    """Everything about one container that a child needs. Descriptors are the child's own numbers."""

    __slots__ = ("cgroup_fds", "handles", "namespaces", "spec", "stdio")

    def __init__(
        self,
        spec: dict[str, Any],
        stdio: tuple[int, int, int],
        namespaces: dict[int, int],
        cgroup_fds: list[int],
        handles: list[Handle],
    ) -> None:
        self.spec = spec
        self.stdio = stdio  # -1 each with a terminal
        self.namespaces = namespaces  # kind → handle
        self.cgroup_fds = cgroup_fds
        self.handles = handles

    def pack(self) -> tuple[bytes, list[int]]:
        """For a child that was cloned ahead: a message and the descriptors that go with it."""
        stdio = [] if self.stdio[0] < 0 else list(self.stdio)
        fds = [*stdio, *self.namespaces.values(), *self.cgroup_fds, *(h.fd for h in self.handles)]
        counts = [len(stdio), list(self.namespaces), len(self.cgroup_fds)]
        places = [[handle.target, handle.is_directory] for handle in self.handles]
        spec = {key: self.spec[key] for key in _TOLD if key in self.spec}
        return _encode({"spec": spec, "counts": counts, "places": places}).encode(), fds

    @classmethod
    def unpack(cls, data: bytes, fds: list[int]) -> Launch:
        body = json.loads(data)
        stdio_count, kinds, cgroup_count = body["counts"]
        left = iter(fds)
        stdio = tuple(next(left) for _ in range(stdio_count)) or (-1, -1, -1)
        namespaces = {kind: next(left) for kind in kinds}
        cgroup_fds = [next(left) for _ in range(cgroup_count)]
        handles = [Handle(next(left), target, is_dir) for target, is_dir in body["places"]]
        return cls(body["spec"], (stdio[0], stdio[1], stdio[2]), namespaces, cgroup_fds, handles)


def run_container(syscalls: Syscalls, places: Places, status: socket.socket, launch: Launch) -> NoReturn:
    """In a new mount namespace (and pid namespace): builds the container around itself."""
    try:
        _become_leader(syscalls)
        spec = launch.spec
        staged = rootfs.stage(
            syscalls, places.stage, shares=rootfs.shares_mounts(spec), hides=rootfs.hides_usual(spec)
        )
        _build(syscalls, places, status, launch, staged, places.own_caps)
    except BaseException as failed:
        _tell(status, {"error": _cause(failed)})
    os._exit(128)


def run_ahead(syscalls: Syscalls, places: Places, status: socket.socket) -> NoReturn:
    """As run_container, but cloned before anyone knows what for: the container comes over the socket."""
    try:
        keep_only(status.fileno())
        _become_leader(syscalls)
        staged = rootfs.stage(syscalls, places.stage)
        caps = narrow_bounding_set(syscalls, places.own_caps, USUAL_CAPS)
        _rehearse()
        status.setblocking(True)
        data, ancillary, _, _ = status.recvmsg(
            MAX_PACKED, socket.CMSG_SPACE(4 * 250), socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            os._exit(0)
        fds = array.array("i", b"".join(raw for _, _, raw in ancillary))
        _build(syscalls, places, status, Launch.unpack(data, list(fds)), staged, caps)
    except BaseException as failed:
        _tell(status, {"error": _cause(failed)})
    os._exit(128)


def _rehearse() -> None:
    """Runs what the start will run, as far as it does nothing: the pages that it writes to (reference counts)
    are copied from the spawner's now and not when somebody waits."""
    process = {"args": ["/proc/self/exe"], "env": ["A=b"], "user": {"name": "0"}, "tty": False}
    launch = Launch({"process": process, "mounts": []}, (0, 1, 2), {0: 3}, [4], [Handle(5, "/", True)])
    packed, fds = launch.pack()
    rehearse(Launch.unpack(packed, fds).spec["process"])


def may_be_ahead(spec: dict[str, Any]) -> bool:
    """Whether a child that knew nothing of the container has not already done what this one must not have:
    its own pid namespace, private mounts, the usual capabilities at most, the usual parts of /proc hidden."""
    return (
        spec.get("pid", "CONTAINER") == "CONTAINER"
        and not rootfs.shares_mounts(spec)
        and not int(spec["process"]["caps"]) & ~USUAL_CAPS
        and rootfs.hides_usual(spec)
    )


def keep_only(fd: int) -> None:
    """Nothing else of the spawner's stays open in a child that stays: whoever waits for the end of a pipe or
    a connection would wait for this process too."""
    os.closerange(3, fd)
    os.closerange(fd + 1, 1 << 20)


def _become_leader(syscalls: Syscalls) -> None:
    syscalls.set_parent_death_signal(signal.SIGKILL)
    os.setsid()
    _reset_signals()


def _build(
    syscalls: Syscalls, places: Places, status: socket.socket, launch: Launch, staged: Stage, caps: int
) -> None:
    spec = launch.spec
    process = spec["process"]
    warnings: list[str] = []
    _join_cgroups(launch.cgroup_fds)
    syscalls.unshare(CLONE_NEWCGROUP)
    for kind, handle in launch.namespaces.items():
        syscalls.setns(handle, kind)
    _adjust_oom_score(process.get("oom_score_adj") or 0, warnings)
    rootfs.enter(syscalls, spec, places.root, staged, launch.handles)
    if process.get("tty"):
        _open_terminal(status, process, console=True, syscalls=syscalls)
    else:
        _use_stdio(launch.stdio)
    rootfs.finish(syscalls, spec, staged)
    _run(syscalls, caps, status, process, warnings)


def run_exec(
    syscalls: Syscalls, places: Places, status: socket.socket, launch: Launch, container_pidfd: int
) -> NoReturn:
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
            _open_terminal(status, process, console=False, syscalls=syscalls)
        else:
            _use_stdio(launch.stdio)
        _run(syscalls, places.own_caps, status, process, warnings)
    except BaseException as failed:
        _tell(status, {"error": _cause(failed)})
    os._exit(128)


def _run(
    syscalls: Syscalls,
    own_caps: int,
    status: socket.socket,
    process: dict[str, Any],
    warnings: list[str],
) -> None:
    syscalls.cloexec_from(3)
    if warnings:
        _tell(status, {"warnings": warnings})
    become(syscalls, process, own_caps, _Notes(status))


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

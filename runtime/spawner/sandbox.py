"""A pod sandbox as the spawner holds it: namespaces by handle, a cgroup, a directory with the pod's files.

    STATE/pods/ID/   resolv.conf, hostname, hosts, shm (tmpfs shared by the pod's containers)

STATE/pods is a tmpfs: its files are void with the machine's next start, and on a disk where many come and go they
cost more than the pod's namespaces.

Namespaces live as long as a handle is open or a process is in them; there is no pause process, except
where the pod shares one pid namespace and so needs a first process in it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from runtime.cgroups.tree import CgroupTree
from runtime.linux.constants import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    MNT_DETACH,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
)
from runtime.linux.namespaces import OwnNamespaces
from runtime.linux.process_name import call_process
from runtime.linux.syscalls import Syscalls
from runtime.spawner.netpool import PodNetwork

INIT_NAME = "pause"  # as pods elsewhere have it
SHM_BYTES = 64 << 20


class Sandbox:
    """`request` is what the agent asked for, kept for records. `state` is READY or NOTREADY."""

    def __init__(self, request: dict[str, Any], directory: str) -> None:
        self.id: str = request["id"]
        self.request = request
        self.directory = directory
        self.state = "READY"
        self.is_stopping = False
        self.created_at_ns = time.time_ns()
        self.network: PodNetwork | None = None
        self.link = ""
        self.handles: dict[int, int] = {}
        self.init_pidfd = -1
        self.address: str = request.get("address") or ""

    @property
    def takes_containers(self) -> bool:
        return self.state == "READY" and not self.is_stopping

    @property
    def group(self) -> str:
        return str(self.request["group"])

    def record(self) -> dict[str, Any]:
        state = {
            "state": self.state,
            "created_at_ns": self.created_at_ns,
            "link": self.link,
            "address": self.address,
            "netns": f"/proc/{os.getpid()}/fd/{self.handles[CLONE_NEWNET]}"
            if CLONE_NEWNET in self.handles
            else "",
        }
        return {"request": self.request, "state": state}


def mount_pods(directory: str, syscalls: Syscalls) -> None:
    """Idempotent. `unmount_pods` undoes it."""
    pods = f"{directory}/pods"
    os.makedirs(pods, 0o755, exist_ok=True)
    if os.stat(pods).st_dev == os.stat(directory).st_dev:
        syscalls.mount("pods", pods, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=10%")


def unmount_pods(directory: str, syscalls: Syscalls) -> None:
    with contextlib.suppress(OSError):
        syscalls.umount2(f"{directory}/pods", MNT_DETACH)
    with contextlib.suppress(OSError):
        os.rmdir(f"{directory}/pods")


def prepare(sandbox: Sandbox, tree: CgroupTree, syscalls: Syscalls, own: OwnNamespaces) -> list[str]:
    """Everything but the network. Returns warnings. Raises OSError; `release` undoes any part of it."""
    request = sandbox.request
    tree.create(sandbox.group, request.get("controllers") or ())
    warnings = tree.write(sandbox.group, request.get("writes") or ())
    os.makedirs(sandbox.directory, 0o755, exist_ok=True)
    for name, text in (request.get("files") or {}).items():
        with open(f"{sandbox.directory}/{name}", "w") as file:
            file.write(text)
    kinds = CLONE_NEWUTS
    if request.get("host_ipc"):
        sandbox.handles.pop(CLONE_NEWIPC, None)
    else:
        kinds |= CLONE_NEWIPC
        shm = f"{sandbox.directory}/shm"
        os.makedirs(shm, 0o1777, exist_ok=True)
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        syscalls.mount("shm", shm, "tmpfs", flags, f"mode=1777,size={SHM_BYTES}")
    sandbox.handles.update(own.made_aside(kinds, request.get("hostname") or ""))
    return warnings


def adopt_network(sandbox: Sandbox, network: PodNetwork, gateway: str) -> None:
    """Gives the pod its network and address."""
    sandbox.link = network.link
    sandbox.network = network
    sandbox.handles[CLONE_NEWNET] = network.netns
    network.configure(sandbox.address, gateway)


def apply_sysctls(sandbox: Sandbox, own: OwnNamespaces) -> None:
    """Namespaced kernel parameters, set from inside. Raises OSError naming the parameter."""
    sysctls: dict[str, str] = sandbox.request.get("sysctls") or {}
    if not sysctls:
        return
    inside = {kind: fd for kind, fd in sandbox.handles.items() if kind != CLONE_NEWUTS}
    with own.inside(inside):
        for name, value in sysctls.items():
            path = "/proc/sys/" + name.replace(".", "/")
            try:
                with open(path, "w") as file:
                    file.write(value)
            except OSError as refused:
                raise OSError(refused.errno, f"sysctl {name}={value}: {refused.strerror}") from refused


def start_shared_pid_namespace(sandbox: Sandbox, syscalls: Syscalls) -> None:
    """A first process that does nothing but reap, for a pod whose containers share one pid namespace."""
    pid, pidfd = syscalls.clone3(CLONE_NEWPID)
    if pid == 0:
        _reap_forever(syscalls)
    sandbox.init_pidfd = pidfd


def _reap_forever(syscalls: Syscalls) -> None:
    syscalls.set_parent_death_signal(signal.SIGKILL)
    with contextlib.suppress(OSError, ValueError):  # only what `ps` in the pod shows depends on it
        call_process(INIT_NAME)
    os.closerange(0, 1 << 20)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


def release(sandbox: Sandbox) -> None:
    """Lets go of namespaces and processes; the containers have ended. Works on a half-made sandbox, and twice."""
    if sandbox.init_pidfd >= 0:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(sandbox.init_pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, sandbox.init_pidfd, os.WEXITED)
        os.close(sandbox.init_pidfd)
        sandbox.init_pidfd = -1
    if sandbox.network is not None:
        sandbox.handles.pop(CLONE_NEWNET, None)
        sandbox.network.close()
        sandbox.network = None
    for handle in sandbox.handles.values():
        os.close(handle)
    sandbox.handles.clear()


def remove_files(directory: str, syscalls: Syscalls) -> None:
    """The pod's directory with its shared memory; twice succeeds."""
    with contextlib.suppress(OSError):
        syscalls.umount2(f"{directory}/shm", MNT_DETACH)
    with contextlib.suppress(OSError):
        os.rmdir(f"{directory}/shm")
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):
            os.unlink(f"{directory}/{name}")
        os.rmdir(directory)

"""A container as the spawner holds it, and its way CREATED → RUNNING → EXITED.

    start    pipes, cgroup handles, clone3 into new namespaces; the child reports over its status socket
    running  the status socket has closed: the program was executed
    exited   the pidfd says so: output drained, code and cause recorded, the cgroup killed and removed

The pidfd's news is handled after the status socket's, so a program that ends at once was running first.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import time
from typing import Any

from runtime.cgroups.stats import read_oom_kills
from runtime.cgroups.tree import CgroupTree
from runtime.spawner.output import Output

State = dict[str, Any]


class Container:
    def __init__(self, spec: dict[str, Any]) -> None:
        self.id: str = spec["id"]
        self.sandbox_id: str = spec["sandbox"]
        self.spec = spec
        self.state: State = {
            "state": "CREATED",
            "created_at_ns": time.time_ns(),
            "started_at_ns": 0,
            "finished_at_ns": 0,
            "exit_code": 0,
            "signal": 0,
            "reason": "",
            "message": "",
            "pid": 0,
        }
        self.pidfd = -1
        self.status: socket.socket | None = None
        self.output: Output | None = None
        self.stdin = -1  # our end of its stdin, or the terminal's master
        self.master = -1
        self.error = ""
        self.warnings: list[str] = list(spec.get("warnings", ()))
        self.is_starting = False

    @property
    def group(self) -> str:
        return str(self.spec["group"])

    @property
    def is_running(self) -> bool:
        return bool(self.state["state"] == "RUNNING")

    def public(self) -> dict[str, Any]:
        """What the agent is told about it."""
        warned = {"warnings": self.warnings} if self.warnings else {}
        return {"id": self.id, "sandbox": self.sandbox_id, **self.state, **warned}

    def signal(self, number: int) -> None:
        if self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                return


def read_status(status: socket.socket) -> tuple[list[dict[str, Any]], list[int], bool]:
    """(messages, descriptors, ended) of a child's status socket, which does not block."""
    messages: list[dict[str, Any]] = []
    fds: list[int] = []
    while True:
        try:
            data, ancillary, _, _ = status.recvmsg(65536, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return messages, fds, False
        except OSError:
            return messages, fds, True
        if not data:
            return messages, fds, True
        for _, _, raw in ancillary:
            fds.extend(array.array("i", raw))
        messages.append(json.loads(data))


def exit_of(pidfd: int) -> tuple[int, int] | None:
    """(exit code, signal) once the process has ended, and reaps it; None before."""
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    if result is None:
        return None
    if result.si_code == os.CLD_EXITED:
        return result.si_status, 0
    return 128 + result.si_status, result.si_status


def plan_exit(state: State, code: int, number: int, oom_kills: int, now_ns: int) -> State:
    """The state after the process has ended."""
    if oom_kills and code != 0:
        reason = "OOMKilled"
    else:
        reason = "Completed" if code == 0 else "Error"
    return {
        **state,
        "state": "EXITED",
        "finished_at_ns": now_ns,
        "exit_code": code,
        "signal": number,
        "reason": reason,
        "pid": 0,
    }


def plan_start_failure(state: State, error: str, now_ns: int) -> State:
    """The program was never executed."""
    return {
        **state,
        "state": "EXITED",
        "finished_at_ns": now_ns,
        "exit_code": 128,
        "reason": "StartError",
        "message": error,
        "pid": 0,
    }


def plan_lost(state: State, why: str, now_ns: int) -> State:
    """Its spawner is gone, and it with it."""
    if state["state"] == "EXITED":
        return state
    if state["state"] == "CREATED":
        return plan_start_failure(state, why, now_ns)
    return {**plan_exit(state, 137, 9, 0, now_ns), "message": why}


def oom_kills(tree: CgroupTree, group: str) -> int:
    return read_oom_kills(tree.layout, group)

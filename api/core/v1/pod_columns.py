"""What `kubectl get pods` prints: above all STATUS, which no field of a pod holds.

STATUS is the phase until a container has more to say: a waiting or terminated reason (CrashLoopBackOff,
OOMKilled, Completed), the progress of init containers (Init:1/2, Init:Error), and Terminating while deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.columns import AGE, NAME, NONE
from api.resource import Column
from machinery.clock import parse_rfc3339
from machinery.durations import human_duration

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodSummary:
    """The computed cells of one pod; `last_restart` is seconds since the epoch, 0 for never."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart: float


@dataclass(slots=True)
class _Restarts:
    count: int = 0
    last: float = 0.0

    def add(self, status: Obj) -> None:
        self.count += status.get("restartCount", 0)
        finished = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        if finished:
            self.last = max(self.last, parse_rfc3339(finished))


def summarize(pod: Obj) -> PodSummary:
    """The READY, STATUS and RESTARTS of a pod, as upstream computes them."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    reason = status.get("reason") or status.get("phase") or ""
    if conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    total = len(spec.get("containers") or ()) + len(sidecars)

    init = _Restarts()
    sidecar = _Restarts()
    ready = 0
    blocked = ""
    statuses = status.get("initContainerStatuses") or []
    for index, each in enumerate(statuses):
        is_sidecar = each["name"] in sidecars
        init.add(each)
        if is_sidecar:
            sidecar.add(each)
        state = each.get("state") or {}
        if (state.get("terminated") or {"exitCode": -1}).get("exitCode", 0) == 0:
            continue
        if is_sidecar and each.get("started"):
            ready += bool(each.get("ready"))
            continue
        blocked = _init_reason(state, index, len(spec.get("initContainers") or ()))
        break

    restarts = init
    if not blocked or conditions.get("Initialized", {}).get("status") == "True":
        restarts = sidecar
        running = False
        for each in reversed(status.get("containerStatuses") or []):
            restarts.add(each)
            state = each.get("state") or {}
            told = _container_reason(state)
            if told:
                reason = told
            elif each.get("ready") and "running" in state:
                running = True
                ready += 1
        if reason == "Completed" and running:
            reason = "Running" if conditions.get("Ready", {}).get("status") == "True" else "NotReady"
    else:
        reason = blocked

    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            reason = "Terminating"
    return PodSummary(ready, total, reason, restarts.count, restarts.last)


def _init_reason(state: Obj, index: int, total: int) -> str:
    terminated, waiting = state.get("terminated"), state.get("waiting") or {}
    if terminated:
        return "Init:" + _terminated_reason(terminated)
    if waiting.get("reason") and waiting["reason"] != "PodInitializing":
        return f"Init:{waiting['reason']}"
    return f"Init:{index}/{total}"


def _container_reason(state: Obj) -> str:
    waiting, terminated = state.get("waiting") or {}, state.get("terminated")
    if waiting.get("reason"):
        return str(waiting["reason"])
    return _terminated_reason(terminated) if terminated else ""


def _terminated_reason(terminated: Obj) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _ready(pod: Obj, now: float) -> str:
    summary = summarize(pod)
    return f"{summary.ready}/{summary.total}"


def _status(pod: Obj, now: float) -> str:
    return summarize(pod).status


def _restarts(pod: Obj, now: float) -> str:
    summary = summarize(pod)
    if summary.restarts and summary.last_restart:
        return f"{summary.restarts} ({human_duration(now - summary.last_restart)} ago)"
    return str(summary.restarts)


def _ip(pod: Obj, now: float) -> str:
    status = pod.get("status") or {}
    ips = status.get("podIPs") or ()
    return str(ips[0].get("ip") if ips else status.get("podIP") or "") or NONE


def _node(pod: Obj, now: float) -> str:
    return pod["spec"].get("nodeName") or NONE


def _nominated(pod: Obj, now: float) -> str:
    return (pod.get("status") or {}).get("nominatedNodeName") or NONE


def _gates(pod: Obj, now: float) -> str:
    gates = pod["spec"].get("readinessGates") or ()
    if not gates:
        return NONE
    conditions = (pod.get("status") or {}).get("conditions") or ()
    true = {c["type"] for c in conditions if c.get("status") == "True"}
    return f"{sum(g['conditionType'] in true for g in gates)}/{len(gates)}"


COLUMNS = (
    NAME,
    Column("Ready", _ready, description="Containers that are ready, of all that should be."),
    Column("Status", _status, description="What the pod is doing, or why it is not."),
    Column("Restarts", _restarts, description="How often its containers were restarted, and when last."),
    AGE,
    Column("IP", _ip, priority=1, description="The pod's address; routable at least within the cluster."),
    Column("Node", _node, priority=1, description="The node the pod is bound to."),
    Column("Nominated Node", _nominated, priority=1, description="The node that preemption makes room on."),
    Column("Readiness Gates", _gates, priority=1, description="Further conditions met, of those required."),
)

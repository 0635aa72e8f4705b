"""The whole PodStatus, told from the pod and what the runtime holds. Pure.

The phase never goes back from Succeeded or Failed. A verdict from outside (refused at admission, evicted,
deadline over) is given as `Verdict` and wins. What other components own in the status (their conditions,
nominatedNodeName, resize) is left alone. Source: kubelet generateAPIPodStatus, getPhase.
"""

from __future__ import annotations

from dataclasses import dataclass

from machinery.clock import rfc3339
from nodeagent import podspec
from nodeagent.podspec import Obj
from nodeagent.qos import qos_class
from nodeagent.state.conditions import pod_conditions
from nodeagent.state.container_status import Observed, container_statuses


@dataclass(frozen=True, slots=True)
class Verdict:
    """The pod has failed as a whole, whatever its containers say."""

    reason: str
    message: str
    condition: tuple[str, str, str] | None = None  # (type, reason, message), e.g. DisruptionTarget


def pod_status(
    pod: Obj,
    seen: Observed,
    *,
    host_ips: tuple[str, ...],
    now: float,
    verdict: Verdict | None = None,
    finished: bool = False,
) -> Obj:
    """`finished`: everything is stopped and will not start again, so the phase must be a final one."""
    old = pod.get("status") or {}
    status: Obj = {"startTime": old.get("startTime") or rfc3339(now), "qosClass": qos_class(pod)}
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    if podspec.init_containers(pod):
        status["initContainerStatuses"] = container_statuses(
            pod, seen, frozenset(("init", "sidecar")), "initContainerStatuses"
        )
    status["containerStatuses"] = container_statuses(
        pod, seen, frozenset(("container",)), "containerStatuses"
    )
    if podspec.ephemeral_containers(pod):
        status["ephemeralContainerStatuses"] = container_statuses(
            pod, seen, frozenset(("ephemeral",)), "ephemeralContainerStatuses"
        )
    status["phase"] = _phase(pod, status, seen, verdict, finished)
    reason, message = (
        (verdict.reason, verdict.message) if verdict else (old.get("reason"), old.get("message"))
    )
    if reason:
        status["reason"] = reason
    if message:
        status["message"] = message
    if host_ips:
        status["hostIP"] = host_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in host_ips]
    ips = pod_ips(pod, seen, host_ips)
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]
    sandbox_ready = seen.view.ready_sandbox is not None and not seen.stopping
    status["conditions"] = pod_conditions(pod, status, sandbox_ready, now)
    if verdict and verdict.condition:
        _add_condition(status, *verdict.condition, generation=generation, now=now)
    return status


def pod_ips(pod: Obj, seen: Observed, host_ips: tuple[str, ...]) -> list[str]:
    """The pod's addresses; the node's own with hostNetwork; the last known once the sandbox is gone."""
    if podspec.uses_host_network(pod):
        return list(host_ips) if seen.view.sandboxes or podspec.is_terminal(pod) else []
    newest = seen.view.ready_sandbox
    if newest is not None and newest.ips:
        return list(newest.ips)
    return [entry["ip"] for entry in (pod.get("status") or {}).get("podIPs") or () if entry.get("ip")]


def _phase(pod: Obj, status: Obj, seen: Observed, verdict: Verdict | None, finished: bool) -> str:
    if podspec.is_terminal(pod):
        return podspec.phase_of(pod)
    if verdict is not None:
        return "Failed"
    phase = phase_of_containers(pod, status)
    if finished and phase not in ("Succeeded", "Failed"):
        entries = status["containerStatuses"]
        all_done = all((e["state"].get("terminated") or {}).get("exitCode") == 0 for e in entries)
        return "Succeeded" if entries and all_done else "Failed"
    return phase


def phase_of_containers(pod: Obj, status: Obj) -> str:
    policy = podspec.restart_policy(pod)
    specs = {c["name"]: c for c in podspec.init_containers(pod)}
    pending_init = False
    for entry in status.get("initContainerStatuses") or ():
        if podspec.is_sidecar(specs[entry["name"]]):
            if not entry["started"] and "terminated" not in entry["state"] and not entry.get("containerID"):
                pending_init = True
            continue
        ended = entry["state"].get("terminated") or (entry["lastState"].get("terminated"))
        if ended is None or "running" in entry["state"]:
            pending_init = True
        elif ended.get("exitCode") != 0:
            if policy == "Never":
                return "Failed"
            pending_init = True
    waiting = running = stopped = succeeded = 0
    for entry in status["containerStatuses"]:
        state = entry["state"]
        if "running" in state:
            running += 1
        elif "terminated" in state:
            stopped += 1
            succeeded += state["terminated"].get("exitCode") == 0
        elif "terminated" in entry["lastState"]:
            stopped += 1
        else:
            waiting += 1
    if (pending_init and not running and not stopped) or waiting:
        return "Pending"
    if running:
        return "Running"
    if stopped:
        if policy == "Always":
            return "Running"
        if stopped == succeeded:
            return "Succeeded"
        return "Failed" if policy == "Never" else "Running"
    return "Pending"


def _add_condition(
    status: Obj, type_: str, reason: str, message: str, *, generation: int | None, now: float
) -> None:
    entry: Obj = {
        "type": type_,
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": rfc3339(now),
        "reason": reason,
        "message": message,
    }
    if generation:
        entry["observedGeneration"] = generation
    status["conditions"] = [c for c in status["conditions"] if c["type"] != type_] + [entry]

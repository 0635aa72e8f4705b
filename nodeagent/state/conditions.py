"""The pod's conditions that the node owns, and its readiness. Pure. Source: kubelet status/generate.go."""

from __future__ import annotations

from machinery.clock import rfc3339
from nodeagent import podspec
from nodeagent.podspec import Obj

OWNED = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def pod_conditions(pod: Obj, status: Obj, sandbox_ready: bool, now: float) -> list[Obj]:
    """Conditions of the node, then those of others unchanged. A transition time moves with its status only."""
    old = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or ()}
    containers_ready = _containers_ready(pod, status)
    verdicts = [
        ("PodReadyToStartContainers", sandbox_ready, "", ""),
        ("Initialized", *_initialised(pod, status)),
        ("Ready", *_ready(pod, old, containers_ready)),
        ("ContainersReady", *containers_ready),
        ("PodScheduled", True, "", ""),
    ]
    generation = pod["metadata"].get("generation")
    out = [
        _condition(old.get(type_), type_, value, reason, message, generation, now)
        for type_, value, reason, message in verdicts
    ]
    out += [c for type_, c in old.items() if type_ not in OWNED]
    return out


def _condition(
    old: Obj | None, type_: str, value: bool, reason: str, message: str, generation: int | None, now: float
) -> Obj:
    status = "True" if value else "False"
    kept = old is not None and old.get("status") == status and old.get("lastTransitionTime")
    made: Obj = {
        "type": type_,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": old["lastTransitionTime"] if kept and old else rfc3339(now),
    }
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    if generation:
        made["observedGeneration"] = generation
    return made


Verdict = tuple[bool, str, str]


def _initialised(pod: Obj, status: Obj) -> Verdict:
    inits = podspec.init_containers(pod)
    if status["phase"] == "Succeeded":
        return True, "PodCompleted", ""
    entries = {e["name"]: e for e in status.get("initContainerStatuses") or ()}
    # Once a regular container has been started, initialisation is history.
    begun = any(
        "running" in e["state"] or "terminated" in e["state"] or e.get("containerID")
        for e in status.get("containerStatuses") or ()
    )
    unfinished = []
    for container in inits:
        entry = entries.get(container["name"]) or {}
        passed = entry.get("started") if podspec.is_sidecar(container) else entry.get("ready")
        if not passed:
            unfinished.append(container["name"])
    if not unfinished or (begun and status["phase"] != "Failed"):
        return True, "", ""
    return False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(unfinished)}]"


def _containers_ready(pod: Obj, status: Obj) -> Verdict:
    if status["phase"] == "Succeeded":
        return False, "PodCompleted", ""
    if status["phase"] == "Failed":
        return False, "PodFailed", ""
    entries = {
        e["name"]: e
        for e in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    }
    names = [c["name"] for c in podspec.init_containers(pod) if podspec.is_sidecar(c)]
    names += [c["name"] for c in podspec.containers(pod)]
    unknown = [name for name in names if name not in entries]
    unready = [name for name in names if name in entries and not entries[name]["ready"]]
    messages = []
    if unknown:
        messages.append(f"containers with unknown status: [{' '.join(unknown)}]")
    if unready:
        messages.append(f"containers with unready status: [{' '.join(unready)}]")
    if messages:
        return False, "ContainersNotReady", ", ".join(messages)
    return True, "", ""


def _ready(pod: Obj, conditions: dict[str, Obj], containers_ready: Verdict) -> Verdict:
    if not containers_ready[0]:
        return containers_ready
    messages = []
    for gate in podspec.spec_of(pod).get("readinessGates") or ():
        type_ = gate["conditionType"]
        found = conditions.get(type_)
        if found is None:
            messages.append(f'corresponding condition of pod readiness gate "{type_}" does not exist.')
        elif found.get("status") != "True":
            messages.append(
                f'the status of pod readiness gate "{type_}" is not "True", but {found.get("status")}'
            )
    if messages:
        return False, "ReadinessGatesNotReady", ", ".join(messages)
    return True, "", ""

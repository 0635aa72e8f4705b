"""The pod's quality-of-service class, and what follows from it for the out-of-memory killer. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from nodeagent import podspec
from nodeagent.podspec import Obj
from nodeagent.resources import amounts, requests_of

QosClass = Literal["Guaranteed", "Burstable", "BestEffort"]
_CLASSES: dict[str, QosClass] = {name: name for name in get_args(QosClass)}

GUARANTEED_OOM_ADJ = -997
BEST_EFFORT_OOM_ADJ = 1000
SYSTEM_CRITICAL_PRIORITY = 2_000_000_000


def qos_class(pod: Obj) -> QosClass:
    """Guaranteed: every container limits cpu and memory and requests just that. BestEffort: nobody asks."""
    known = _CLASSES.get((pod.get("status") or {}).get("qosClass", ""))
    if known is not None:
        return known
    pod_level = podspec.spec_of(pod).get("resources") or {}
    members = [pod_level] if pod_level.get("requests") or pod_level.get("limits") else []
    members = members or [
        c.get("resources") or {} for c in [*podspec.init_containers(pod), *podspec.containers(pod)]
    ]
    guaranteed, asked = True, False
    for resources in members:
        limits, requests = amounts(resources.get("limits")), amounts(resources.get("requests"))
        for name in ("cpu", "memory"):
            limit, request = limits.get(name, 0), requests.get(name, limits.get(name, 0))
            asked = asked or bool(limit or request)
            guaranteed = guaranteed and limit > 0 and limit == request
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def is_critical(pod: Obj) -> bool:
    priority = podspec.spec_of(pod).get("priority")
    return podspec.is_static(pod) or (priority is not None and int(priority) >= SYSTEM_CRITICAL_PRIORITY)


def oom_score_adj(pod: Obj, container: Obj, node_memory_bytes: int) -> int:
    """Between the guaranteed and the best-effort, a container is the safer the more memory it requests."""
    if is_critical(pod):
        return GUARANTEED_OOM_ADJ
    match qos_class(pod):
        case "Guaranteed":
            return GUARANTEED_OOM_ADJ
        case "BestEffort":
            return BEST_EFFORT_OOM_ADJ
        case "Burstable":
            request = requests_of(container).get("memory", 0)
            share = 1000 - (1000 * request) // max(node_memory_bytes, 1)
            return min(max(share, 1000 + GUARANTEED_OOM_ADJ), BEST_EFFORT_OOM_ADJ - 1)

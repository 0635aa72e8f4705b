"""Which pods of a ReplicaSet go first when it shrinks. Pure.

Upstream's order: unscheduled before scheduled, Pending before Unknown before Running, not ready
before ready, lower deletion cost first, more crowded nodes first, ready for a shorter time first,
more restarts first, younger first. Times are compared by their order of magnitude, so that pods of
about one age are chosen by uid and not all from one rollout's end.

Source: Kubernetes controller_utils.go (ActivePodsWithRanks), KEP-2255 (deletion cost), KEP-2185.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from controllers.podstate import is_ready, phase_of, ready_since
from machinery.clock import parse_rfc3339
from machinery.objects import annotations as annotations_of
from machinery.objects import uid

Obj = dict[str, Any]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def pods_to_delete(pods: Sequence[Obj], count: int, crowding: Mapping[str, int], now: float) -> list[Obj]:
    """The first `count` pods to go. `crowding` is how many related pods run on each node."""
    if count >= len(pods):
        return list(pods)

    def compare(a: Obj, b: Obj) -> int:
        return _compare(a, b, crowding, now)

    return sorted(pods, key=cmp_to_key(compare))[:count]


def deletion_cost(pod: Obj) -> int:
    """The annotation's value; 0 where absent or no 32 bit number."""
    text = annotations_of(pod).get(DELETION_COST, "")
    unsigned = text[1:] if text[:1] == "-" else text
    if not unsigned.isdigit() or (unsigned[0] == "0" and text != "0"):
        return 0
    cost = int(text)
    return cost if -(2**31) <= cost < 2**31 else 0


def _compare(a: Obj, b: Obj, crowding: Mapping[str, int], now: float) -> int:
    """Negative: a goes before b."""
    node_a, node_b = _node(a), _node(b)
    for first, second in (
        (bool(node_a), bool(node_b)),
        (_PHASES.get(phase_of(a), 0), _PHASES.get(phase_of(b), 0)),
        (is_ready(a), is_ready(b)),
        (deletion_cost(a), deletion_cost(b)),
        (-crowding.get(node_a, 0), -crowding.get(node_b, 0)),
    ):
        if first != second:
            return -1 if first < second else 1
    if is_ready(a):
        since_a, since_b = ready_since(a) or 0.0, ready_since(b) or 0.0
        if since_a != since_b:
            return _by_magnitude(a, b, since_a, since_b, now)
    restarts_a, restarts_b = _restarts(a), _restarts(b)
    if restarts_a != restarts_b:
        return -1 if restarts_a > restarts_b else 1
    made_a, made_b = _created(a), _created(b)
    if made_a != made_b:
        return _by_magnitude(a, b, made_a, made_b, now)
    return _by_uid(a, b)


def _by_magnitude(a: Obj, b: Obj, since_a: float, since_b: float, now: float) -> int:
    difference = _magnitude(now - since_a) - _magnitude(now - since_b)
    return difference if difference else _by_uid(a, b)


def _magnitude(age_s: float) -> int:
    return int(math.log2(age_s * 1e9)) if age_s > 0 else -1


def _by_uid(a: Obj, b: Obj) -> int:
    return (uid(a) > uid(b)) - (uid(a) < uid(b))


def _node(pod: Obj) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


def _created(pod: Obj) -> float:
    stamp = pod["metadata"].get("creationTimestamp")
    return parse_rfc3339(stamp) if stamp else 0.0


def _restarts(pod: Obj) -> tuple[int, int]:
    """The most restarts of a container, then of a sidecar."""
    status = pod.get("status") or {}
    spec = pod.get("spec") or {}
    sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    containers = [c.get("restartCount", 0) for c in status.get("containerStatuses") or ()]
    inits = [
        c.get("restartCount", 0) for c in status.get("initContainerStatuses") or () if c["name"] in sidecars
    ]
    return max(containers, default=0), max(inits, default=0)

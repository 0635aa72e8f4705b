"""How many pods each ReplicaSet of a Deployment should have. Pure arithmetic.

Never above replicas + maxSurge in total, never fewer available than replicas - maxUnavailable (but
for what fails by itself). All functions give the sizes to be by ReplicaSet name.

Source: Kubernetes deployment/rolling.go, sync.go; "Proportional scaling" in the Deployment page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controllers.deployment_revision import DESIRED_REPLICAS, MAX_REPLICAS, by_age
from machinery.objects import annotations as annotations_of

Obj = dict[str, Any]
Sizes = dict[str, int]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the Deployment's spec allows, in pods."""

    replicas: int
    max_surge: int
    max_unavailable: int
    rolling: bool

    @property
    def max_total(self) -> int:
        return self.replicas + self.max_surge

    @property
    def min_available(self) -> int:
        return self.replicas - self.max_unavailable


def bounds_of(deployment: Obj) -> Bounds:
    """Percentages are of replicas: surge rounded up, unavailable down; never both zero."""
    spec = deployment["spec"]
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    strategy = spec.get("strategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return Bounds(replicas, 0, 0, rolling=False)
    rolling = strategy.get("rollingUpdate") or {}
    surge = _scaled(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = _scaled(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(replicas, surge, min(unavailable, replicas), rolling=True)


def _scaled(value: Any, total: int, rounded: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(int(value[:-1]) * total / 100))
    return int(value)


def size_of(replicaset: Obj) -> int:
    replicas = replicaset["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def available_of(replicaset: Obj) -> int:
    return int((replicaset.get("status") or {}).get("availableReplicas") or 0)


def total_size(replicasets: Sequence[Obj]) -> int:
    return sum(map(size_of, replicasets))


def newest_size(bounds: Bounds, newest_replicas: int, total: int) -> int:
    """Size of the newest ReplicaSet: up to what all together may have. `total` includes it."""
    if newest_replicas >= bounds.replicas or not bounds.rolling:
        return bounds.replicas
    room = bounds.max_total - total
    return newest_replicas + max(0, min(room, bounds.replicas - newest_replicas))


def plan_rolling(bounds: Bounds, newest: Obj, old: Sequence[Obj]) -> Sizes:
    """One step of a rolling update: the newest up, or else the old ones down."""
    everything = [*old, newest]
    size = newest_size(bounds, size_of(newest), total_size(everything))
    if size != size_of(newest):
        return {newest["metadata"]["name"]: size}
    return _shrink_old(bounds, newest, by_age([each for each in old if size_of(each)]))


def _shrink_old(bounds: Bounds, newest: Obj, old: Sequence[Obj]) -> Sizes:
    if not old:
        return {}
    everything = [*old, newest]
    newest_unavailable = size_of(newest) - available_of(newest)
    budget = total_size(everything) - bounds.min_available - newest_unavailable
    if budget <= 0:
        return {}
    sizes = {each["metadata"]["name"]: size_of(each) for each in old}
    removed = 0
    for each in old:  # first what serves nobody: removing it costs no availability
        down = min(budget - removed, max(0, size_of(each) - available_of(each)))
        sizes[each["metadata"]["name"]] -= down
        removed += down
    spare = sum(map(available_of, everything)) - bounds.min_available
    for each in old:
        if spare <= 0:
            break
        name = each["metadata"]["name"]
        down = min(spare, sizes[name])
        sizes[name] -= down
        spare -= down
    return {name: size for name, size in sizes.items() if size != _size_named(old, name)}


def _size_named(replicasets: Sequence[Obj], name: str) -> int:
    return next(size_of(each) for each in replicasets if each["metadata"]["name"] == name)


def is_scaling_event(bounds: Bounds, replicasets: Sequence[Obj]) -> bool:
    """Whether `replicas` was changed since some active ReplicaSet was last written."""
    for each in replicasets:
        desired = annotations_of(each).get(DESIRED_REPLICAS, "")
        if size_of(each) and desired.isdigit() and int(desired) != bounds.replicas:
            return True
    return False


def is_saturated(bounds: Bounds, newest: Obj | None) -> bool:
    if newest is None:
        return False
    desired = annotations_of(newest).get(DESIRED_REPLICAS, "")
    return (
        size_of(newest) == bounds.replicas
        and desired == str(bounds.replicas)
        and available_of(newest) == bounds.replicas
    )


def plan_proportional(bounds: Bounds, newest: Obj | None, old: Sequence[Obj], status_replicas: int) -> Sizes:
    """Sizes after `replicas` changed (or while paused): spread over the active ReplicaSets by size.

    Gives every active ReplicaSet in the spread case, also unchanged ones: their annotations must
    follow.
    """
    only = _active_or_latest(newest, old)
    if only is not None:
        return {only["metadata"]["name"]: bounds.replicas}
    active_old = [each for each in old if size_of(each)]
    if is_saturated(bounds, newest):
        return {each["metadata"]["name"]: 0 for each in by_age(active_old)}
    if not bounds.rolling:
        return {}
    active = [*active_old, *([newest] if newest is not None and size_of(newest) else [])]
    allowed = bounds.max_total if bounds.replicas > 0 else 0
    to_add = allowed - total_size(active)
    ordered = by_age(active)
    if to_add > 0:
        ordered.reverse()  # of equal sizes the newer grows first, the older shrinks first
    ordered.sort(key=size_of, reverse=True)
    added = 0
    sizes: Sizes = {}
    for each in ordered:
        share = _share(bounds, each, status_replicas, to_add, added)
        sizes[each["metadata"]["name"]] = size_of(each) + share
        added += share
    if ordered and to_add:
        largest = ordered[0]["metadata"]["name"]
        sizes[largest] = max(0, sizes[largest] + to_add - added)
    return sizes


def _active_or_latest(newest: Obj | None, old: Sequence[Obj]) -> Obj | None:
    active = [each for each in (*old, *([newest] if newest is not None else [])) if size_of(each)]
    if len(active) > 1:
        return None
    if active:
        return active[0]
    if newest is not None:
        return newest
    return by_age(old)[-1] if old else None


def _share(bounds: Bounds, replicaset: Obj, status_replicas: int, to_add: int, added: int) -> int:
    """How many of `to_add` this one gets; negative when shrinking."""
    size = size_of(replicaset)
    if size == 0 or to_add == 0 or to_add == added:
        return 0
    if bounds.replicas == 0:
        fraction = -size
    else:
        text = annotations_of(replicaset).get(MAX_REPLICAS, "")
        before = int(text) if text.isdigit() and int(text) else status_replicas
        if before == 0:
            return 0
        fraction = math.floor(size * bounds.max_total / before + 0.5) - size
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)

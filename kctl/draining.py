"""Which pods a drain ends, which it passes over, and which forbid it. Pure: pods in, decision out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

Obj = dict[str, Any]
_MIRROR = "kubernetes.io/config.mirror"


class Rules(NamedTuple):
    """The flags that allow what is refused otherwise."""

    force: bool = False  # pods that nothing would start again
    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False


class DrainPlan(NamedTuple):
    """Nothing may be ended while there are `refusals`."""

    evict: list[Obj]
    refusals: list[str]
    warnings: list[str]


def plan_drain(pods: Iterable[Obj], rules: Rules) -> DrainPlan:
    evict: list[Obj] = []
    refused: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    for pod in pods:
        if _MIRROR in (pod["metadata"].get("annotations") or {}):
            continue
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        owner = _controller(pod)
        over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if owner == "DaemonSet" and not over:
            if rules.ignore_daemonsets:
                warned.setdefault("ignoring DaemonSet-managed Pods", []).append(name)
            else:
                refused.setdefault("cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", []).append(name)  # fmt: skip
            continue
        has_data = any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ())
        if has_data and not over and not rules.delete_emptydir_data:
            refused.setdefault("cannot delete Pods with local storage (use --delete-emptydir-data to override)", []).append(name)  # fmt: skip
            continue
        if not owner and not over:
            if not rules.force:
                refused.setdefault("cannot delete Pods that declare no controller (use --force to override)", []).append(name)  # fmt: skip
                continue
            warned.setdefault("deleting Pods that declare no controller", []).append(name)
        evict.append(pod)
    return DrainPlan(
        evict,
        [f"{why}: {', '.join(names)}" for why, names in refused.items()],
        [f"{what}: {', '.join(names)}" for what, names in warned.items()],
    )


def _controller(pod: Obj) -> str:
    """The kind of the pod's controller."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["kind"]) for owner in owners if owner.get("controller")), "")

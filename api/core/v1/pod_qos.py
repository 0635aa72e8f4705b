"""A pod's quality of service class, from the requests and limits of its containers.

Source: Kubernetes "Pod Quality of Service Classes".
"""

from __future__ import annotations

from typing import Any

from machinery import quantity

Obj = dict[str, Any]

_COUNTED = ("cpu", "memory")


def qos_class(spec: Obj) -> str:
    """Guaranteed: every container's cpu and memory limits equal its requests. BestEffort: none has any."""
    pod_level = spec.get("resources")
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    each = [pod_level] if pod_level else [c.get("resources") for c in containers]
    anything = False
    guaranteed = True
    for resources in each:
        limits = _counted((resources or {}).get("limits"))
        requests = _counted((resources or {}).get("requests"))
        anything = anything or bool(limits or requests)
        if len(limits) < len(_COUNTED) or any(requests.get(n, limits[n]) != limits[n] for n in limits):
            guaranteed = False
    if not anything:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _counted(amounts: Obj | None) -> dict[str, int]:
    """cpu and memory in thousandths; zeros count as absent."""
    milli = {name: quantity.milli_value((amounts or {}).get(name, 0)) for name in _COUNTED}
    return {name: value for name, value in milli.items() if value > 0}

"""A pod's quality of service class, from the requests and limits of its containers.

Source: Kubernetes "Pod Quality of Service Classes".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from machinery import quantity

Obj = dict[str, Any]

# Of cpu and of memory, as the wire says them.
_Amounts = tuple[str | int | float, str | int | float]
_MOST = 32  # containers of a pod whose class is remembered


def qos_class(spec: Obj) -> str:
    """Guaranteed: every container's cpu and memory limits equal its requests. BestEffort: none has any."""
    pod_level = spec.get("resources")
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    each = [pod_level] if pod_level else [c.get("resources") for c in containers]
    said = tuple([_said(resources or {}) for resources in each])
    return _class_of(said) if len(said) <= _MOST else _judged(said)


def _said(resources: Obj) -> tuple[_Amounts, _Amounts]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return (limits.get("cpu", 0), limits.get("memory", 0)), (
        requests.get("cpu", 0),
        requests.get("memory", 0),
    )


@lru_cache(maxsize=1024)
def _class_of(said: Sequence[tuple[_Amounts, _Amounts]]) -> str:
    """Most pods ask for what others ask for."""
    return _judged(said)


def _judged(said: Sequence[tuple[_Amounts, _Amounts]]) -> str:
    anything = False
    guaranteed = True
    for limits, requests in said:
        limited, requested = _counted(limits), _counted(requests)
        anything = anything or any(limited) or any(requested)
        if not all(limited) or any(n and n != m for n, m in zip(requested, limited, strict=True)):
            guaranteed = False
    if not anything:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _counted(amounts: _Amounts) -> list[int]:
    """cpu and memory in thousandths; what is below nothing counts as nothing."""
    return [max(0, quantity.milli_value(amount)) for amount in amounts]

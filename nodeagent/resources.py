"""Quantities as numbers, and what a pod and its containers ask for. Pure.

CPU is counted in thousandths of a core, everything else in units (bytes). Amounts round up.
Source: Kubernetes "Resource Management for Pods and Containers", KEP-753 for sidecars.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from machinery import quantity
from nodeagent import podspec
from nodeagent.podspec import Obj

Amounts = dict[str, int]


def milli(text: Any) -> int:
    """`250m` → 250, `1` → 1000. QuantityError (a ValueError) for what is no quantity."""
    return quantity.milli_value(text)


def whole(text: Any) -> int:
    """`1Ki` → 1024, `1500m` → 2."""
    return quantity.value(text)


def divide(text: Any, divisor: Any) -> int:
    """How many divisors the quantity holds, rounded up: the value of a resourceFieldRef."""
    by = quantity.parse(divisor or "1") or quantity.parse("1")
    return math.ceil(Fraction(quantity.parse(text).nano, by.nano))


def amount(resource: str, text: Any) -> int:
    return milli(text) if resource == "cpu" else whole(text)


def amounts(resources: Mapping[str, Any] | None) -> Amounts:
    return {name: amount(name, text) for name, text in (resources or {}).items()}


def requests_of(container: Obj) -> Amounts:
    """The container's requests; a limit stands in for a request that is missing."""
    resources = container.get("resources") or {}
    return {**amounts(resources.get("limits")), **amounts(resources.get("requests"))}


def limits_of(container: Obj) -> Amounts:
    return amounts((container.get("resources") or {}).get("limits"))


def pod_requests(pod: Obj) -> Amounts:
    """What the node must set aside: the larger of the running sum and of each init step, plus overhead."""
    running: Amounts = {}
    for container in podspec.containers(pod):
        _add(running, requests_of(container))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in podspec.init_containers(pod):
        step = requests_of(container)
        if podspec.is_sidecar(container):
            _add(sidecars, step)
            _raise_to(peak, sidecars)
        else:
            _add(step, sidecars)
            _raise_to(peak, step)
    _add(running, sidecars)
    _raise_to(running, peak)
    pod_level = (podspec.spec_of(pod).get("resources") or {}).get("requests")
    running.update(amounts(pod_level))
    _add(running, amounts(podspec.spec_of(pod).get("overhead")))
    return running


def pod_limits(pod: Obj) -> Amounts:
    """Only of resources that every container limits; others are without limit."""
    running: Amounts = {}
    unlimited: set[str] = set()
    long_lived = [
        *podspec.containers(pod),
        *(c for c in podspec.init_containers(pod) if podspec.is_sidecar(c)),
    ]
    known = [limits_of(c) for c in long_lived]
    for resource in ("cpu", "memory"):
        if all(resource in limits for limits in known) and known:
            running[resource] = sum(limits[resource] for limits in known)
        else:
            unlimited.add(resource)
    for container in podspec.init_containers(pod):
        limits = limits_of(container)
        for resource in list(running):
            if resource not in limits:
                unlimited.add(resource)
            else:
                running[resource] = max(running[resource], limits[resource])
    pod_level = (podspec.spec_of(pod).get("resources") or {}).get("limits")
    result = {name: value for name, value in running.items() if name not in unlimited}
    result.update(amounts(pod_level))
    overhead = amounts(podspec.spec_of(pod).get("overhead"))
    return {name: value + overhead.get(name, 0) for name, value in result.items()}


def _add(into: Amounts, more: Mapping[str, int]) -> None:
    for name, value in more.items():
        into[name] = into.get(name, 0) + value


def _raise_to(into: Amounts, floor: Mapping[str, int]) -> None:
    for name, value in floor.items():
        into[name] = max(into.get(name, 0), value)

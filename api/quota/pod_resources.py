"""What a pod asks for as a whole, in exact quantities.

Containers and sidecars together, or an init container (with the sidecars that run beside it) where that is more;
pod-level amounts win over the sum; the overhead of the runtime comes on top.

Source: KEP-753 (sidecars), KEP-2837 (pod-level resources), KEP-688 (overhead); component-helpers resource/helpers.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from api.quota.amounts import Amounts, add, raise_to, read

Obj = dict[str, Any]
Side = Literal["requests", "limits"]


def pod_requests(spec: Obj) -> Amounts:
    total = _total(spec, "requests")
    add(total, read(spec.get("overhead")))
    return total


def pod_limits(spec: Obj) -> Amounts:
    """Overhead is added only where there is a limit at all."""
    total = _total(spec, "limits")
    add(total, {name: amount for name, amount in read(spec.get("overhead")).items() if total.get(name)})
    return total


def is_pod_level(name: str) -> bool:
    """Whether a pod may ask for the resource as a whole."""
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def containers(spec: Obj) -> Iterator[Obj]:
    """Containers, then init containers."""
    yield from spec.get("containers") or ()
    yield from spec.get("initContainers") or ()


def amounts_of(thing: Obj, side: Side) -> Amounts:
    return read((thing.get("resources") or {}).get(side))


def of_containers(spec: Obj, side: Side) -> Amounts:
    """What the containers come to, whatever the pod as a whole says."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        add(total, amounts_of(container, side))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        wants = amounts_of(container, side)
        if container.get("restartPolicy") == "Always":
            add(total, wants)
            add(sidecars, wants)
            wants = dict(sidecars)
        else:
            add(wants, sidecars)
        raise_to(peak, wants)
    raise_to(total, peak)
    return total


def _total(spec: Obj, side: Side) -> Amounts:
    total = of_containers(spec, side)
    total.update({name: amount for name, amount in amounts_of(spec, side).items() if is_pod_level(name)})
    return total

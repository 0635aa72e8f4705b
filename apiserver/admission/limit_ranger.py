"""LimitRanger: what containers, pods and claims of a namespace get by default, and between which bounds they stay.

Defaults are set where a container says nothing of a resource; then every bound of every LimitRange is judged, and
all that are broken are told at once. Resizing a pod is judged too; other updates cannot change what was judged.

Source: Kubernetes "Limit Ranges"; plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.quota.amounts import Amounts
from api.quota.pod_resources import amounts_of, containers, pod_limits, pod_requests
from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.collection import Collection
from apiserver.admission.lookup import Plugin, forbidden, is_resource
from machinery.quantity import Quantity, parse

ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(Plugin):
    name = "LimitRanger"

    def __init__(self, limit_ranges: Collection) -> None:
        self._limit_ranges = limit_ranges

    def handles(self, request: AdmissionRequest) -> bool:
        if is_resource(request, "", "pods"):
            if request.operation == "CREATE":
                return not request.subresource
            return request.operation == "UPDATE" and request.subresource == "resize"
        return (
            is_resource(request, "", "persistentvolumeclaims")
            and request.operation in ("CREATE", "UPDATE")
            and not request.subresource
        )

    async def admit(self, request: AdmissionRequest) -> bool:
        if request.obj is None or request.operation != "CREATE" or not is_resource(request, "", "pods"):
            return False
        limit_ranges = await self._limit_ranges.within(request.namespace)
        for limit_range in limit_ranges:
            set_defaults(request.obj, limit_range)
        return bool(limit_ranges)

    async def validate(self, request: AdmissionRequest) -> None:
        obj = request.obj
        if obj is None or _is_leaving_claim(request):
            return
        for limit_range in await self._limit_ranges.within(request.namespace):
            items = (limit_range.get("spec") or {}).get("limits") or ()
            judge = pod_violations if is_resource(request, "", "pods") else claim_violations
            found = [text for item in items for text in judge(obj, item)]
            if found:
                raise forbidden(request, found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _is_leaving_claim(request: AdmissionRequest) -> bool:
    """A claim that is being deleted is let go, whatever it asks for."""
    return is_resource(request, "", "persistentvolumeclaims") and bool(
        (request.old or {}).get("metadata", {}).get("deletionTimestamp")
    )


def set_defaults(pod: Obj, limit_range: Obj) -> None:
    """Sets what containers leave out, and notes it in an annotation."""
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for item in (limit_range.get("spec") or {}).get("limits") or ():
        if item.get("type") == "Container":
            requests.update(item.get("defaultRequest") or {})
            limits.update(item.get("default") or {})
    spec = pod.setdefault("spec", {})
    notes = [
        note
        for what, field in (("container", "containers"), ("init container", "initContainers"))
        for container in spec.get(field) or ()
        for note in _fill(container, what, requests, limits)
    ]
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _fill(container: Obj, what: str, requests: Mapping[str, Any], limits: Mapping[str, Any]) -> Iterator[str]:
    resources = container.get("resources") or {}
    for side, wanted in (("requests", requests), ("limits", limits)):
        lacking = sorted(wanted.keys() - (resources.get(side) or {}).keys())
        if lacking:
            container.setdefault("resources", {}).setdefault(side, {}).update(
                {name: wanted[name] for name in lacking}
            )
            yield f"{', '.join(lacking)} {side[:-1]} for {what} {container.get('name', '')}"


def pod_violations(pod: Obj, item: Obj) -> Iterator[str]:
    """What breaks one item of a LimitRange."""
    spec = pod.get("spec") or {}
    if item.get("type") == "Container":
        for container in containers(spec):
            yield from _broken(item, amounts_of(container, "requests"), amounts_of(container, "limits"))
    elif item.get("type") == "Pod":
        yield from _broken(item, pod_requests(spec), pod_limits(spec))


def claim_violations(claim: Obj, item: Obj) -> Iterator[str]:
    """A claim has requests only."""
    if item.get("type") != "PersistentVolumeClaim":
        return
    requests = amounts_of(claim.get("spec") or {}, "requests")
    for name, bound in sorted((item.get("min") or {}).items()):
        yield from _below(name, "PersistentVolumeClaim", parse(bound), requests.get(name), None)
    for name, bound in sorted((item.get("max") or {}).items()):
        said = f"maximum {name} usage per PersistentVolumeClaim is {parse(bound)}"
        asked = requests.get(name)
        if asked is None:
            yield f"{said}.  No request is specified"
        elif asked > parse(bound):
            yield f"{said}, but request is {asked}"


def _broken(item: Obj, requests: Amounts, limits: Amounts) -> Iterator[str]:
    type_ = item["type"]
    for name, bound in sorted((item.get("min") or {}).items()):
        yield from _below(name, type_, parse(bound), requests.get(name), limits.get(name))
    for name, bound in sorted((item.get("max") or {}).items()):
        yield from _above(name, type_, parse(bound), requests.get(name), limits.get(name))
    for name, bound in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        yield from _beyond_ratio(name, type_, parse(bound), requests.get(name), limits.get(name))


def _below(
    name: str, type_: str, bound: Quantity, request: Quantity | None, limit: Quantity | None
) -> Iterator[str]:
    said = f"minimum {name} usage per {type_} is {bound}"
    if request is None:
        yield f"{said}.  No request is specified"
    elif request < bound:
        yield f"{said}, but request is {request}"
    elif limit is not None and limit < bound:
        yield f"{said}, but limit is {limit}"


def _above(
    name: str, type_: str, bound: Quantity, request: Quantity | None, limit: Quantity | None
) -> Iterator[str]:
    said = f"maximum {name} usage per {type_} is {bound}"
    if limit is None:
        yield f"{said}.  No limit is specified"
    elif limit > bound:
        yield f"{said}, but limit is {limit}"
    elif request is not None and request > bound:
        yield f"{said}, but request is {request}"


def _beyond_ratio(
    name: str, type_: str, bound: Quantity, request: Quantity | None, limit: Quantity | None
) -> Iterator[str]:
    said = f"{name} max limit to request ratio per {type_} is {bound}, but"
    if not request:
        yield f"{said} no request is specified or request is 0"
    elif not limit:
        yield f"{said} no limit is specified or limit is 0"
    elif limit.nano * 10**9 > request.nano * bound.nano:
        yield f"{said} provided ratio is {limit.nano / request.nano:f}"

"""RuntimeClass: a pod's class must exist; what it costs and where it runs is written into the pod.

Source: Kubernetes "Runtime Class", KEP-688 (pod overhead); plugin/pkg/admission/runtimeclass.
"""

from __future__ import annotations

from api.quota.amounts import read
from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.collection import Collection
from apiserver.admission.lookup import Plugin, forbidden, is_resource
from machinery.objects import deep_copy

_MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


class RuntimeClass(Plugin):
    name = "RuntimeClass"

    def __init__(self, classes: Collection) -> None:
        self._classes = classes

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and is_resource(request, "", "pods") and not request.subresource

    async def admit(self, request: AdmissionRequest) -> bool:
        spec = (request.obj or {}).get("spec") or {}
        chosen = await self._chosen(request, spec)
        if chosen is None:
            return False
        fixed = (chosen.get("overhead") or {}).get("podFixed")
        if fixed:
            if spec.get("overhead") and read(spec["overhead"]) != read(fixed):
                raise forbidden(request, _MISMATCH)
            spec["overhead"] = dict(fixed)
        scheduling = chosen.get("scheduling") or {}
        _select_nodes(request, spec, scheduling.get("nodeSelector") or {})
        if scheduling.get("tolerations"):
            spec["tolerations"] = _united(spec.get("tolerations") or [], scheduling["tolerations"])
        return True

    async def validate(self, request: AdmissionRequest) -> None:
        spec = (request.obj or {}).get("spec") or {}
        chosen = await self._chosen(request, spec)
        fixed = ((chosen or {}).get("overhead") or {}).get("podFixed")
        if fixed:
            if read(spec.get("overhead")) != read(fixed):
                raise forbidden(request, _MISMATCH)
        elif spec.get("overhead"):
            raise forbidden(
                request, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )

    async def _chosen(self, request: AdmissionRequest, spec: Obj) -> Obj | None:
        name = spec.get("runtimeClassName")
        if not name:
            return None
        chosen = await self._classes.named(name)
        if chosen is None:
            raise forbidden(request, f'pod rejected: RuntimeClass "{name}" not found')
        return chosen


def _select_nodes(request: AdmissionRequest, spec: Obj, wanted: Obj) -> None:
    if not wanted:
        return
    selector = spec.setdefault("nodeSelector", {})
    for key, value in wanted.items():
        if selector.get(key, value) != value:
            raise forbidden(
                request,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}",
            )
        selector[key] = value


def _united(own: list[Obj], wanted: list[Obj]) -> list[Obj]:
    """Both, without those that are there already."""
    return own + [deep_copy(each) for each in wanted if each not in own]

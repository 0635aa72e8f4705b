"""Priority: a pod's priority is that of its PriorityClass, never what it says itself; one class may be the default."""

from __future__ import annotations

from collections.abc import Sequence

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.collection import Collection
from apiserver.admission.lookup import Plugin, forbidden, is_resource

GROUP = "scheduling.k8s.io"
HIGHEST_USER = 1_000_000_000
# name → (value, description); they are always there.
SYSTEM = {
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}


def builtin_classes() -> list[Obj]:
    return [
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": description,
            "preemptionPolicy": "PreemptLowerPriority",
        }
        for name, (value, description) in SYSTEM.items()
    ]


class Priority(Plugin):
    name = "Priority"

    def __init__(self, classes: Collection) -> None:
        self._classes = classes

    def handles(self, request: AdmissionRequest) -> bool:
        if request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return False
        return is_resource(request, "", "pods") or is_resource(request, GROUP, "priorityclasses")

    async def admit(self, request: AdmissionRequest) -> bool:
        pod = request.obj
        if pod is None or not is_resource(request, "", "pods"):
            return False
        spec = pod.setdefault("spec", {})
        if request.operation == "UPDATE":
            old = (request.old or {}).get("spec") or {}
            for field in ("priority", "preemptionPolicy"):
                if spec.get(field) is None and old.get(field) is not None:
                    spec[field] = old[field]
        else:
            await self._set_priority(request, spec)
        return False

    async def _set_priority(self, request: AdmissionRequest, spec: Obj) -> None:
        name = spec.get("priorityClassName") or ""
        value, policy = 0, "PreemptLowerPriority"
        if name in SYSTEM:
            value = SYSTEM[name][0]
        else:
            chosen = _choose(await self._classes.all(), name)
            if chosen is None and name:
                raise forbidden(request, f"no PriorityClass with name {name} was found")
            if chosen is not None:
                spec["priorityClassName"] = name = chosen["metadata"]["name"]
                value = int(chosen.get("value") or 0)
                policy = chosen.get("preemptionPolicy") or policy
        for field, wanted in (("priority", value), ("preemptionPolicy", policy)):
            said = spec.get(field)
            if said is not None and said != wanted:
                what = (
                    "integer value of priority" if field == "priority" else "string value of PreemptionPolicy"
                )
                raise forbidden(
                    request,
                    f"the {what} ({said}) must not be provided in pod spec; "
                    f"priority admission controller computed {wanted} from the given PriorityClass name",
                )
            spec[field] = wanted

    async def validate(self, request: AdmissionRequest) -> None:
        new = request.obj
        if new is None or not is_resource(request, GROUP, "priorityclasses") or not new.get("globalDefault"):
            return
        for other in await self._classes.all():
            name = other["metadata"]["name"]
            if other.get("globalDefault") and name != new["metadata"].get("name"):
                raise forbidden(
                    request, f"PriorityClass {name} is already marked as default. Only one default can exist"
                )


def _choose(classes: Sequence[Obj], name: str) -> Obj | None:
    """The named class; without a name the default, of several (which a race may leave) the lowest."""
    if name:
        return next((each for each in classes if each["metadata"]["name"] == name), None)
    defaults = [each for each in classes if each.get("globalDefault")]
    return min(defaults, key=lambda each: int(each.get("value") or 0), default=None)

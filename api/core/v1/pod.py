"""Pod: containers that share one node, one address and their volumes.

A pod's spec is nearly immutable: see `api.validation.pod_update` for what may change, and the subresources
`ephemeralcontainers` and `resize` for the rest. Its deletion is graceful: the object stays, with a deletion
timestamp, until the node has stopped the containers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from api.annotations import In, Proto
from api.builtin import STATUS_VERBS, builtin, status_of
from api.core.v1.label_keys import merge_label_keys
from api.core.v1.pod_apparmor import make_fields
from api.core.v1.pod_columns import COLUMNS
from api.core.v1.pod_defaults import default_pod, default_pod_spec
from api.core.v1.pod_gates import drop_disabled
from api.core.v1.pod_qos import qos_class
from api.meta.v1 import ObjectMeta
from api.resource import Strategy, Subresource
from api.strategy import SpecStatusStrategy, restore
from api.validation import pod_resize, pod_status, pod_update
from api.validation.pod_warnings import status_warnings
from api.validation.podspec import advise_on_pod, validate_pod
from machinery.errors import Cause
from machinery.gvk import PODS

if TYPE_CHECKING:
    from api.core.v1.pod_status import PodStatus
    from api.core.v1.podspec import PodSpec


class Pod(TypedDict, total=False):
    """Containers that run together on one node, with one address and shared volumes."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated["PodSpec", Proto(2), In("api.core.v1.podspec"), "What is wanted."]
    status: Annotated["PodStatus", Proto(3), In("api.core.v1.pod_status"), "What is; written by the system."]


Obj = dict[str, Any]


class PodStrategy(SpecStatusStrategy):
    default_grace_s = 30

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        default_pod(spec)
        default_pod_spec(spec)
        if "status" in obj:
            for one, all_of_them in (("podIP", "podIPs"), ("hostIP", "hostIPs")):
                _sync_addresses(obj["status"], one, all_of_them)

    def prepare_create(self, obj: Obj) -> Sequence[str]:
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
        drop_disabled(obj["spec"])
        merge_label_keys(obj["spec"], obj["metadata"].get("labels") or {})
        if obj["spec"].get("schedulingGates"):
            message = "Scheduling is blocked due to non-empty scheduling gates"
            condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
            obj["status"]["conditions"] = [{**condition, "message": message}]
        return tuple(make_fields(obj)) if obj["metadata"].get("annotations") else ()

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_update(obj, old)
        drop_disabled(obj["spec"], old["spec"])

    def prepare_status_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_status_update(obj, old)
        for key in ("ownerReferences", "deletionTimestamp"):
            restore(obj["metadata"], old["metadata"], key)
        status, was = obj.setdefault("status", {}), old.get("status") or {}
        for key in ("qosClass", "observedGeneration"):
            if not status.get(key):
                restore(status, was, key)
        _keep_generations(status.get("conditions") or (), was.get("conditions") or ())

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_pod(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return pod_update.validate_update(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return pod_status.validate_status_update(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        if old is None:
            return advise_on_pod(obj)
        changed = obj.get("status") != old.get("status")  # only through pods/status
        return status_warnings(obj["status"]) if changed else ()

    def grace_s(self, obj: Obj, requested_s: int | None) -> int:
        if not obj["spec"].get("nodeName") or (obj.get("status") or {}).get("phase") in (
            "Succeeded",
            "Failed",
        ):
            return 0
        seconds = obj["spec"].get("terminationGracePeriodSeconds", 30) if requested_s is None else requested_s
        return 1 if seconds < 0 else int(seconds)


def _sync_addresses(status: Obj, one: str, all_of_them: str) -> None:
    """The first address stands twice; where the two disagree, its old field is right."""
    first, several = status.get(one), status.get(all_of_them) or []
    if first and (not several or several[0].get("ip") != first):
        status[all_of_them] = [{"ip": first}]
    elif several and not first:
        status[one] = several[0].get("ip", "")


def _keep_generations(conditions: Sequence[Obj], old: Sequence[Obj]) -> None:
    """A condition that does not say of which generation it speaks, speaks of the one it spoke of."""
    known: dict[str, list[int]] = {}
    for each in old:
        known.setdefault(each.get("type", ""), []).append(each.get("observedGeneration", 0))
    for each in conditions:
        had = known.get(each.get("type", ""))
        generation = had.pop(0) if had else 0
        if generation and not each.get("observedGeneration"):
            each["observedGeneration"] = generation


class EphemeralContainersStrategy(Strategy):
    """pods/ephemeralcontainers: adds debugging containers, changes nothing else."""

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        wanted, obj["spec"] = obj["spec"], {**old["spec"]}
        restore(obj["spec"], wanted, "ephemeralContainers")
        restore(obj, old, "status")

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return pod_update.validate_ephemeral_update(obj, old)


class ResizeStrategy(Strategy):
    """pods/resize: changes the resources of containers, and nothing else."""

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        obj["spec"] = pod_resize.with_resources_of(old["spec"], obj["spec"])
        restore(obj, old, "status")

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return pod_resize.validate_resize(obj, old)


_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")

POD = builtin(
    PODS,
    Pod,
    strategy=PodStrategy(),
    columns=COLUMNS,
    short_names=("po",),
    categories=("all",),
    subresources=(
        Subresource("attach", "PodAttachOptions", _CONNECT),
        Subresource("binding", "Binding", ("create",)),
        Subresource("ephemeralcontainers", "Pod", STATUS_VERBS, strategy=EphemeralContainersStrategy()),
        Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
        Subresource("exec", "PodExecOptions", _CONNECT),
        Subresource("log", "Pod", ("get",)),
        Subresource("portforward", "PodPortForwardOptions", _CONNECT),
        Subresource("proxy", "PodProxyOptions", _PROXY),
        Subresource("resize", "Pod", STATUS_VERBS, strategy=ResizeStrategy()),
        status_of("Pod"),
    ),
    selectable_fields={
        "spec.nodeName": ".spec.nodeName",
        "spec.restartPolicy": ".spec.restartPolicy",
        "spec.schedulerName": ".spec.schedulerName",
        "spec.serviceAccountName": ".spec.serviceAccountName",
        "spec.hostNetwork": ".spec.hostNetwork|=false",
        "status.phase": ".status.phase",
        "status.podIP": ".status.podIP",
        "status.podIPs": ".status.podIPs[*].ip",
        "status.nominatedNodeName": ".status.nominatedNodeName",
    },
    returns_deleted=True,
)

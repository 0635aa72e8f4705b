"""Node: a machine that runs pods."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, SET, In, Patch, Proto, Time
from api.builtin import builtin, status_of
from api.columns import AGE, NAME, NONE, UNKNOWN
from api.core.v1.amounts import round_up_in
from api.core.v1.node_status import NodeConfigSource
from api.meta.v1 import ObjectMeta
from api.resource import Column, Subresource
from api.strategy import SpecStatusStrategy
from api.validation.node import node_warnings, validate_change, validate_node, validate_node_update
from machinery.errors import Cause
from machinery.gvk import NODES

if TYPE_CHECKING:
    from api.core.v1.node_status import NodeStatus


class Taint(TypedDict, total=False):
    """Keeps pods away that do not tolerate it."""

    key: Required[Annotated[str, Proto(1), "Its name."]]
    value: Annotated[str, Proto(2), "Its value."]
    effect: Required[
        Annotated[str, Proto(3), "NoSchedule, PreferNoSchedule, or NoExecute, which also evicts."]
    ]
    timeAdded: Annotated[Time, Proto(4), "When it was added."]


class NodeSpec(TypedDict, total=False):
    """What the cluster decides about a node."""

    podCIDR: Annotated[str, Proto(1), "The range its pods' addresses come from."]
    externalID: Annotated[str, Proto(2), "No longer used."]
    providerID: Annotated[str, Proto(3), "Its id at a cloud provider."]
    unschedulable: Annotated[bool, Proto(4), "Take no new pods (cordon)."]
    taints: Annotated[list[Taint], Proto(5), ATOMIC, "Which pods stay away."]
    configSource: Annotated[NodeConfigSource, Proto(6), "No longer used."]
    podCIDRs: Annotated[
        list[str], Proto(7), SET, Patch("merge"), "The ranges its pods' addresses come from, one a family."
    ]


class Node(TypedDict, total=False):
    """A machine that runs pods."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[NodeSpec, Proto(2), "What is wanted."]
    status: Annotated[
        "NodeStatus", Proto(3), In("api.core.v1.node_status"), "What is; written by the system."
    ]


Obj = dict[str, Any]

_PROXY = ("create", "delete", "get", "patch", "update")
_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


class NodeStrategy(SpecStatusStrategy):
    """A node registers with its status, so that creation keeps it."""

    has_generation = False

    def default(self, obj: Obj) -> None:
        _sync_ranges(obj.setdefault("spec", {}))
        status = obj.setdefault("status", {})
        if "capacity" in status:
            status.setdefault("allocatable", dict(status["capacity"]))
        round_up_in(status, "capacity", "allocatable")

    def prepare_create(self, obj: Obj) -> None:
        _forget_config(obj, {})

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_update(obj, old)
        _forget_config(obj, old)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_node(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_node_update(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_change(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        return node_warnings(obj)


def _sync_ranges(spec: Obj) -> None:
    """The first range stands twice; where the two disagree, its old field is right."""
    first, several = spec.get("podCIDR"), spec.get("podCIDRs") or []
    if first and (not several or several[0] != first):
        spec["podCIDRs"] = [first]
    elif several and not first:
        spec["podCIDR"] = several[0]


def _forget_config(obj: Obj, old: Obj) -> None:
    """No kubelet takes its configuration from here any more; who said so before may go on saying so."""
    if (old.get("spec") or {}).get("configSource") is None:
        obj["spec"].pop("configSource", None)


def _status(obj: Obj, now: float) -> str:
    conditions = {c.get("type"): c for c in (obj.get("status") or {}).get("conditions") or ()}
    ready = conditions.get("Ready")
    shown = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return shown + (",SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else "")


def _roles(obj: Obj, now: float) -> str:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX) and len(key) > len(_ROLE_PREFIX):
            found.add(key.removeprefix(_ROLE_PREFIX))
        elif key == _ROLE_LABEL and value:
            found.add(value)
    return ",".join(sorted(found)) or NONE


def _address(kind: str) -> Any:
    def cell(obj: Obj, now: float) -> str:
        for each in (obj.get("status") or {}).get("addresses") or ():
            if each.get("type") == kind:
                return str(each.get("address"))
        return NONE

    return cell


def _info(field: str, absent: str = UNKNOWN) -> Any:
    return lambda obj, now: ((obj.get("status") or {}).get("nodeInfo") or {}).get(field) or absent


NODE = builtin(
    NODES,
    Node,
    strategy=NodeStrategy(),
    columns=(
        NAME,
        Column("Status", _status, description="Whether it takes and runs pods."),
        Column("Roles", _roles, description="From labels node-role.kubernetes.io/ROLE."),
        AGE,
        Column("Version", _info("kubeletVersion", ""), description="Version of its agent."),
        Column("Internal-IP", _address("InternalIP"), priority=1, description="Address within the cluster."),
        Column("External-IP", _address("ExternalIP"), priority=1, description="Address from outside."),
        Column("OS-Image", _info("osImage"), priority=1, description="Operating system, as it calls itself."),
        Column("Kernel-Version", _info("kernelVersion"), priority=1, description="Version of its kernel."),
        Column(
            "Container-Runtime",
            _info("containerRuntimeVersion"),
            priority=1,
            description="Container runtime and its version.",
        ),
    ),
    short_names=("no",),
    subresources=(Subresource("proxy", "NodeProxyOptions", _PROXY), status_of("Node")),
    selectable_fields={"spec.unschedulable": ".spec.unschedulable|=false"},
)

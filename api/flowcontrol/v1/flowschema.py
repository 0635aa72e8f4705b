"""FlowSchema: sorts requests into priority levels."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, NONE, field, number, text
from api.resource import Column
from api.strategy import ALL_METADATA, SpecStatusStrategy
from api.validation.flowcontrol import validate_conditions, validate_flow_schema
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class FlowSchemaStrategy(SpecStatusStrategy):
    status_keeps = ALL_METADATA

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = 1000

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_flow_schema(obj)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_conditions(obj)


def _missing(obj: Obj, now: float) -> str:
    for each in field(obj, "status", "conditions") or ():
        if each.get("type") == "Dangling":
            return str(each.get("status", "?"))
    return "?"


FLOWSCHEMA = builtin(
    GVR("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", namespaced=False, kind="FlowSchema"),
    "api.flowcontrol.v1.flowschema_types:FlowSchema",
    strategy=FlowSchemaStrategy(),
    columns=(
        NAME,
        Column(
            "PriorityLevel",
            text("spec", "priorityLevelConfiguration", "name", absent=""),
            description="The priority level of its requests.",
        ),
        Column(
            "MatchingPrecedence",
            number("spec", "matchingPrecedence"),
            description="Which schema goes first; the lowest number does.",
        ),
        Column(
            "DistinguisherMethod",
            text("spec", "distinguisherMethod", "type", absent=NONE),
            description="How its requests are told apart.",
        ),
        AGE,
        Column("MissingPL", _missing, description="Whether its priority level does not exist."),
    ),
    subresources=(status_of("FlowSchema"),),
)

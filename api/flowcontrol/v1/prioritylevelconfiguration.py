"""PriorityLevelConfiguration: how many requests of a kind are served at the same time."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, NONE, field, text
from api.resource import Column
from api.strategy import ALL_METADATA, SpecStatusStrategy
from api.validation.flowcontrol import validate_conditions
from api.validation.priority_level import default_priority_level, validate_priority_level
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class PriorityLevelConfigurationStrategy(SpecStatusStrategy):
    status_keeps = ALL_METADATA

    def default(self, obj: Obj) -> None:
        default_priority_level(obj.setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_priority_level(obj)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_conditions(obj)


def _shares(obj: Obj, now: float) -> str:
    for part in ("limited", "exempt"):
        shares = (field(obj, "spec", part) or {}).get("nominalConcurrencyShares")
        if shares is not None:
            return str(shares)
    return NONE


def _queuing(name: str, key: str, description: str) -> Column:
    at = ("spec", "limited", "limitResponse", "queuing", key)
    return Column(name, text(*at), description=description)


PRIORITYLEVELCONFIGURATION = builtin(
    GVR(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "prioritylevelconfigurations",
        namespaced=False,
        kind="PriorityLevelConfiguration",
    ),
    "api.flowcontrol.v1.prioritylevelconfiguration_types:PriorityLevelConfiguration",
    strategy=PriorityLevelConfigurationStrategy(),
    columns=(
        NAME,
        Column("Type", text("spec", "type", absent=""), description="Exempt or Limited."),
        Column("NominalConcurrencyShares", _shares, description="Its share of the server's seats."),
        _queuing("Queues", "queues", "How many queues there are."),
        _queuing("HandSize", "handSize", "How many queues a flow is spread over."),
        _queuing("QueueLengthLimit", "queueLengthLimit", "How many requests a queue holds."),
        AGE,
    ),
    subresources=(status_of("PriorityLevelConfiguration"),),
)

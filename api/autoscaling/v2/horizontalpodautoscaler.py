"""autoscaling/v2 HorizontalPodAutoscaler: scales something by what its pods use, or by other metrics.

This is the form that is stored; autoscaling/v1 is a view of it.
"""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, NONE, UNKNOWN, field, number
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.autoscaler import default_autoscaler, validate_autoscaler, validate_autoscaler_status
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

PREFIX = "autoscaling/horizontalpodautoscalers"
_SHOWN = 2


class AutoscalerStrategy(SpecStatusStrategy):
    has_generation = False

    def default(self, obj: Obj) -> None:
        default_autoscaler(obj.setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"desiredReplicas": 0}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_autoscaler(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_autoscaler(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_autoscaler_status(obj)


def targets(obj: Obj, now: float) -> str:
    """`cpu: 20%/80%, 3/10`: what was found of each metric, and what it should be."""
    metrics = field(obj, "spec", "metrics") or []
    found = field(obj, "status", "currentMetrics") or []
    shown = []
    for index, metric in enumerate(metrics):
        shown.append(_target(metric, found[index] if index < len(found) else {}))
    if len(shown) > _SHOWN:
        return ", ".join(shown[:_SHOWN]) + f" + {len(shown) - _SHOWN} more..."
    return ", ".join(shown) or NONE


def _target(metric: Obj, found: Obj) -> str:
    kind = metric.get("type", "")
    source = kind[:1].lower() + kind[1:]
    wanted = field(metric, source, "target") or {}
    current = field(found, source, "current") or {}
    if source in ("resource", "containerResource"):
        name = field(metric, source, "name") or ""
        if wanted.get("averageValue") is not None:
            return f"{name}: {current.get('averageValue', UNKNOWN)}/{wanted['averageValue']}"
        share, most = current.get("averageUtilization"), wanted.get("averageUtilization")
        have = UNKNOWN if share is None else f"{share}%"
        return f"{name}: {have}/{'<auto>' if most is None else f'{most}%'}"
    if source == "pods":
        return f"{current.get('averageValue', UNKNOWN)}/{wanted.get('averageValue', UNKNOWN)}"
    if wanted.get("averageValue") is not None:
        return f"{current.get('averageValue', UNKNOWN)}/{wanted['averageValue']} (avg)"
    return f"{current.get('value', UNKNOWN)}/{wanted.get('value', UNKNOWN)}"


def _reference(obj: Obj, now: float) -> str:
    ref = obj["spec"].get("scaleTargetRef") or {}
    return f"{ref.get('kind', '')}/{ref.get('name', '')}"


def _least(obj: Obj, now: float) -> str:
    least = obj["spec"].get("minReplicas")
    return "<unset>" if least is None else str(least)


COLUMNS = (
    NAME,
    Column("Reference", _reference, description="What it scales."),
    Column("Targets", targets, description="What its metrics are, and should be."),
    Column("MinPods", _least, description="The fewest pods."),
    Column("MaxPods", number("spec", "maxReplicas"), description="The most pods."),
    Column("Replicas", number("status", "currentReplicas"), description="Pods that there are."),
    AGE,
)

HORIZONTALPODAUTOSCALER = builtin(
    GVR("autoscaling", "v2", "horizontalpodautoscalers", kind="HorizontalPodAutoscaler"),
    "api.autoscaling.v2.horizontalpodautoscaler_types:HorizontalPodAutoscaler",
    strategy=AutoscalerStrategy(),
    columns=COLUMNS,
    short_names=("hpa",),
    categories=("all",),
    subresources=(status_of("HorizontalPodAutoscaler"),),
    storage_prefix=PREFIX,
)

"""autoscaling/v1 HorizontalPodAutoscaler: the view of an autoscaler that knows cpu alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from api.autoscaling.v1.autoscaler_view import to_v1, to_v2
from api.autoscaling.v2.horizontalpodautoscaler import COLUMNS, PREFIX, AutoscalerStrategy, targets
from api.builtin import builtin, status_of
from api.validation.autoscaler import validate_autoscaler
from machinery.errors import Cause
from machinery.gvk import GVR
from machinery.objects import deep_copy

Obj = dict[str, Any]


class AutoscalerV1Strategy(AutoscalerStrategy):
    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {}).setdefault("minReplicas", 1)

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_autoscaler(to_v2(deep_copy(obj)))

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_autoscaler(to_v2(deep_copy(obj)), to_v2(deep_copy(old)))


HORIZONTALPODAUTOSCALER = builtin(
    GVR("autoscaling", "v1", "horizontalpodautoscalers", kind="HorizontalPodAutoscaler"),
    "api.autoscaling.v1.horizontalpodautoscaler_types:HorizontalPodAutoscaler",
    strategy=AutoscalerV1Strategy(),
    columns=tuple(
        replace(column, path=lambda obj, now: targets(to_v2(deep_copy(obj)), now))
        if column.name == "Targets"
        else column
        for column in COLUMNS
    ),
    short_names=("hpa",),
    categories=("all",),
    subresources=(status_of("HorizontalPodAutoscaler"),),
    storage_prefix=PREFIX,
    from_storage=to_v1,
    to_storage=to_v2,
)

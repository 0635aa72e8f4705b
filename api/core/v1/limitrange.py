"""LimitRange: bounds and defaults for the resources of each object of a namespace."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import CREATED_AT, NAME
from api.core.v1.amounts import round_up_in
from api.resource import Strategy
from api.validation.quota import default_limit_item, validate_limit_range
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class LimitRangeStrategy(Strategy):
    has_generation = False
    allow_create_on_update = True

    def default(self, obj: Obj) -> None:
        for item in (obj.get("spec") or {}).get("limits") or ():
            default_limit_item(item)
            round_up_in(item, "min", "max", "default", "defaultRequest", "maxLimitRequestRatio")

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_limit_range(obj)


LIMITRANGE = builtin(
    GVR("", "v1", "limitranges", kind="LimitRange"),
    "api.core.v1.limitrange_types:LimitRange",
    strategy=LimitRangeStrategy(),
    columns=(NAME, CREATED_AT),
    short_names=("limits",),
)

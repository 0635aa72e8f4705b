"""PodDisruptionBudget: how many pods of a kind may be taken away at the same time."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, number
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.conditions import validate_conditions
from api.validation.errors import Errors
from api.validation.selectors import has_odd_values, validate_selector
from api.validation.workload import validate_at_most_all, validate_int_or_percent
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


class PodDisruptionBudgetStrategy(SpecStatusStrategy):
    allow_unconditional_update = False

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = dict.fromkeys(_COUNTS, 0)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return _validate_spec(obj.get("spec") or {}, None)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return _validate_spec(obj.get("spec") or {}, old.get("spec") or {})

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        status = obj.get("status") or {}
        validate_conditions(errors, status.get("conditions") or (), "status.conditions")
        for each in _COUNTS:
            errors.non_negative(f"status.{each}", status.get(each))
        return errors.causes


def _validate_spec(spec: Obj, old: Obj | None) -> Sequence[Cause]:
    errors = Errors()
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        errors.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for bound in ("minAvailable", "maxUnavailable"):
        if spec.get(bound) is not None:
            validate_int_or_percent(errors, f"spec.{bound}", spec[bound])
            validate_at_most_all(errors, f"spec.{bound}", spec[bound])
    odd = old is not None and has_odd_values(old.get("selector"))
    validate_selector(errors, spec.get("selector"), "spec.selector", odd_values=odd)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES)
    return errors.causes


def _bound(key: str) -> Any:
    def cell(obj: Obj, now: float) -> str:
        value = (obj.get("spec") or {}).get(key)
        return "N/A" if value is None else str(value)

    return cell


PODDISRUPTIONBUDGET = builtin(
    GVR("policy", "v1", "poddisruptionbudgets", kind="PodDisruptionBudget"),
    "api.policy.v1.poddisruptionbudget_types:PodDisruptionBudget",
    strategy=PodDisruptionBudgetStrategy(),
    columns=(
        NAME,
        Column("Min Available", _bound("minAvailable"), description="How many pods must stay."),
        Column("Max Unavailable", _bound("maxUnavailable"), description="How many pods may go."),
        Column(
            "Allowed Disruptions",
            number("status", "disruptionsAllowed"),
            type="integer",
            description="How many pods may go now.",
        ),
        AGE,
    ),
    short_names=("pdb",),
    subresources=(status_of("PodDisruptionBudget"),),
)

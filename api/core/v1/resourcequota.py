"""ResourceQuota: the most that all objects of a namespace together may use."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field
from api.core.v1.amounts import round_up_in
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.errors import IMMUTABLE, Errors
from api.validation.quota import validate_quota, validate_quota_status
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class ResourceQuotaStrategy(SpecStatusStrategy):
    has_generation = False

    def default(self, obj: Obj) -> None:
        round_up_in(obj.get("spec"), "hard")
        round_up_in(obj.get("status"), "hard", "used")

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_quota(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += validate_quota(obj)
        before, after = (field(each, "spec", "scopes") or [] for each in (old, obj))
        if set(before) != set(after):
            errors.invalid("spec.scopes", after, IMMUTABLE)
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_quota_status(obj)


def _used(obj: Obj, *, limits: bool) -> str:
    hard, used = field(obj, "status", "hard") or {}, field(obj, "status", "used") or {}
    names = sorted(name for name in hard if name.startswith("limits") == limits)
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


RESOURCEQUOTA = builtin(
    GVR("", "v1", "resourcequotas", kind="ResourceQuota"),
    "api.core.v1.resourcequota_types:ResourceQuota",
    strategy=ResourceQuotaStrategy(),
    columns=(
        NAME,
        Column(
            "Request",
            lambda obj, now: _used(obj, limits=False),
            description="What there is of what may be requested.",
        ),
        Column(
            "Limit",
            lambda obj, now: _used(obj, limits=True),
            description="What there is of what limits may add up to.",
        ),
        AGE,
    ),
    short_names=("quota",),
    subresources=(status_of("ResourceQuota"),),
    returns_deleted=True,
)

"""Bodies of the meta group: what a DELETE may say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.builtin import body
from api.meta.v1 import DeleteOptions
from api.validation.errors import Errors
from machinery.errors import Cause

Obj = dict[str, Any]

_POLICIES = ("Foreground", "Background", "Orphan")


def _validate(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    policy = obj.get("propagationPolicy")
    if policy is not None and obj.get("orphanDependents") is not None:
        message = "orphanDependents and deletionPropagation cannot be both set"
        errors.invalid("propagationPolicy", policy, message)
    if policy is not None and policy not in _POLICIES:
        errors.not_supported("propagationPolicy", policy, (*_POLICIES, "nil"))
    dry_run = obj.get("dryRun") or []
    if set(dry_run) - {"All"}:
        errors.not_supported("dryRun", dry_run, ("All",))
    return errors.causes


DELETEOPTIONS = body("meta.k8s.io", "v1", DeleteOptions, validate=_validate)

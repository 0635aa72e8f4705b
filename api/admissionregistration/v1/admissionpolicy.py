"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy: conditions on objects, and changes of them, in CEL."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field
from api.resource import Column, Strategy
from api.strategy import ALL_METADATA, SpecStatusStrategy
from api.validation.admission_policy import (
    validate_mutating_policy,
    validate_policy_status,
    validate_validating_policy,
)
from api.validation.admission_rule import default_match_resources
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class ValidatingAdmissionPolicyStrategy(SpecStatusStrategy):
    status_keeps = ALL_METADATA
    allow_unconditional_update = False

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("failurePolicy", "Fail")
        default_match_resources(spec.get("matchConstraints"))

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_validating_policy(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_validating_policy(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_policy_status(obj)


class MutatingAdmissionPolicyStrategy(Strategy):
    allow_unconditional_update = False

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("failurePolicy", "Fail")
        spec.setdefault("reinvocationPolicy", "Never")
        default_match_resources(spec.get("matchConstraints"))

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_mutating_policy(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_mutating_policy(obj, old)


def _param_kind(obj: Obj, now: float) -> str:
    kind = field(obj, "spec", "paramKind")
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"


_PARAM_KIND = Column("ParamKind", _param_kind, description="The kind of its parameters.")

VALIDATINGADMISSIONPOLICY = builtin(
    GVR(
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicies",
        namespaced=False,
        kind="ValidatingAdmissionPolicy",
    ),
    "api.admissionregistration.v1.validatingadmissionpolicy_types:ValidatingAdmissionPolicy",
    strategy=ValidatingAdmissionPolicyStrategy(),
    columns=(
        NAME,
        Column(
            "Validations",
            lambda obj, now: len(field(obj, "spec", "validations") or ()),
            type="integer",
            description="How many conditions there are.",
        ),
        _PARAM_KIND,
        AGE,
    ),
    categories=("api-extensions",),
    subresources=(status_of("ValidatingAdmissionPolicy"),),
)

MUTATINGADMISSIONPOLICY = builtin(
    GVR(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingadmissionpolicies",
        namespaced=False,
        kind="MutatingAdmissionPolicy",
    ),
    "api.admissionregistration.v1.mutatingadmissionpolicy_types:MutatingAdmissionPolicy",
    strategy=MutatingAdmissionPolicyStrategy(),
    columns=(
        NAME,
        Column(
            "Mutations",
            lambda obj, now: len(field(obj, "spec", "mutations") or ()),
            type="integer",
            description="How many changes there are.",
        ),
        _PARAM_KIND,
        AGE,
    ),
    categories=("api-extensions",),
)

"""ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding: put a policy into force."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, field, text
from api.resource import Column, Resource, Strategy
from api.validation.admission_policy import validate_binding
from api.validation.admission_rule import default_match_resources
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class PolicyBindingStrategy(Strategy):
    allow_unconditional_update = False

    def __init__(self, *, validating: bool) -> None:
        self._validating = validating

    def default(self, obj: Obj) -> None:
        default_match_resources((obj.get("spec") or {}).get("matchResources"))

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_binding(obj, validating=self._validating)


def _parameters(obj: Obj, now: float) -> str:
    ref = field(obj, "spec", "paramRef")
    if not ref:
        return "<unset>"
    if ref.get("name"):
        return f"{ref.get('namespace') or '*'}/{ref['name']}"
    return "*"


def _binding(kind: str, types: str, *, validating: bool) -> Resource:
    plural = f"{kind.lower()}s"
    return builtin(
        GVR("admissionregistration.k8s.io", "v1", plural, namespaced=False, kind=kind),
        f"api.admissionregistration.v1.{types}:{kind}",
        strategy=PolicyBindingStrategy(validating=validating),
        columns=(
            NAME,
            Column("PolicyName", text("spec", "policyName", absent=""), description="The policy."),
            Column("ParamRef", _parameters, description="Its parameters."),
            AGE,
        ),
        categories=("api-extensions",),
    )


VALIDATINGADMISSIONPOLICYBINDING = _binding(
    "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicy_types", validating=True
)
MUTATINGADMISSIONPOLICYBINDING = _binding(
    "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicy_types", validating=False
)

"""ValidatingAdmissionPolicy: conditions in CEL that must hold for what is stored.

Every policy in force is evaluated; the first refusal is the answer. What a violation leads to (Deny, Warn, Audit) is
said by the binding; what an error in an expression leads to, by the policy's failurePolicy.

Source: Kubernetes "Validating Admission Policy"; apiserver pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, forbidden
from apiserver.admission.matching import is_exempt
from apiserver.admission.policy import Applicable, PolicySet
from machinery.cel import CelError, Environment
from machinery.errors import ApiError, Cause, Forbidden, Invalid, TooLarge, Unauthorized

FAILURE_NOTE = "validation.policy.admission.k8s.io/validation_failure"
_MAX_MESSAGE = 5 * 1024
_MAX_NOTE = 10 * 1024
_REASONS: dict[str, type[ApiError]] = {
    "Forbidden": Forbidden,
    "Unauthorized": Unauthorized,
    "RequestEntityTooLarge": TooLarge,
}


@dataclass(frozen=True, slots=True)
class Violation:
    """`index` is the validation's place in the policy, -1 where it is the policy itself that failed."""

    message: str
    reason: str = ""
    index: int = -1
    is_error: bool = False


class ValidatingAdmissionPolicy(Plugin):
    name = "ValidatingAdmissionPolicy"

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation != "CONNECT" and not is_exempt(request)

    async def validate(self, request: AdmissionRequest) -> None:
        if not await self._policies.bound():
            return
        refusal: ApiError | None = None
        failures: list[Obj] = []
        async for applicable in self._policies.applicable(request):
            for violation in self._violations(request, applicable):
                denied = act(request, applicable, violation, failures)
                refusal = refusal or denied
        if failures:
            request.annotations[FAILURE_NOTE] = orjson.dumps(failures).decode()
        if refusal is not None:
            raise refusal

    def _violations(self, request: AdmissionRequest, applicable: Applicable) -> Iterator[Violation]:
        policy, environment = applicable.policy, self._policies.environment
        if applicable.problem:
            if policy.fails_closed:
                yield Violation(applicable.problem, is_error=True)
            return
        for index, validation in enumerate(policy.spec.get("validations") or ()):
            try:
                holds = _evaluated(applicable, environment, validation["expression"])
            except CelError as error:
                if policy.fails_closed:
                    yield Violation(str(error), is_error=True)
                continue
            if holds is not True:
                message = message_of(applicable, environment, validation)
                yield Violation(message, validation.get("reason") or "", index)
        yield from _annotate(request, applicable, environment)


def _evaluated(applicable: Applicable, environment: Environment, text: str) -> Any:
    try:
        program = applicable.policy.program(environment, text)
    except CelError as error:
        raise CelError(f"compilation error: compilation failed: {error}") from None
    try:
        return program(applicable.values)
    except CelError as error:
        raise CelError(f"expression '{text}' resulted in error: {error}") from None


def message_of(applicable: Applicable, environment: Environment, validation: Obj) -> str:
    """What messageExpression gives if it is a usable line; else the fixed message; else the expression itself."""
    dynamic = validation.get("messageExpression")
    if dynamic:
        try:
            text = _evaluated(applicable, environment, dynamic)
        except CelError:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text and len(text) <= _MAX_MESSAGE:
            return text.strip()
    if validation.get("message"):
        return str(validation["message"]).strip()
    return f"failed expression: {validation['expression'].strip()}"


def _annotate(
    request: AdmissionRequest, applicable: Applicable, environment: Environment
) -> Iterator[Violation]:
    policy = applicable.policy
    for note in policy.spec.get("auditAnnotations") or ():
        try:
            value = _evaluated(applicable, environment, note["valueExpression"])
        except CelError as error:
            if policy.fails_closed:
                yield Violation(str(error), is_error=True)
            continue
        if isinstance(value, str) and value.strip():
            key = f"{policy.name}/{note['key']}"
            text = value.strip()[:_MAX_NOTE]
            standing = request.annotations.get(key)
            request.annotations[key] = text if standing in (None, text) else f"{standing}, {text}"


def act(
    request: AdmissionRequest, applicable: Applicable, violation: Violation, failures: list[Obj]
) -> ApiError | None:
    """Warns and notes as the binding says; gives the refusal where it says Deny."""
    policy, binding = applicable.policy, applicable.binding
    bound_by = binding.name if binding is not None else ""
    # What could not be evaluated is refused whatever the binding says.
    actions = (
        ["Deny"] if violation.is_error or binding is None else binding.spec.get("validationActions") or []
    )
    refusal = None
    if "Deny" in actions:
        refusal = refuse(request, policy.name, bound_by, violation)
    if "Warn" in actions:
        request.warnings.append(
            f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding '{bound_by}': "
            f"{violation.message}"
        )
    if "Audit" in actions:
        failures.append(
            {
                "message": violation.message,
                "policy": policy.name,
                "binding": bound_by,
                "expressionIndex": violation.index,
                "validationActions": actions,
            }
        )
    return refusal


def refuse(request: AdmissionRequest, policy: str, binding: str, violation: Violation) -> ApiError:
    message = (
        f"ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {violation.message}"
    )
    base = forbidden(request, message)
    kind = _REASONS.get(violation.reason, Invalid)
    return kind(base.message, group=base.group, kind=base.kind, name=base.name, causes=[Cause("", message)])

"""The wire form of ValidatingAdmissionPolicy and its binding."""

from typing import Annotated, Required, TypedDict

from api.admissionregistration.v1.policy_parts import ParamKind, ParamRef, Variable
from api.admissionregistration.v1.rule import MatchCondition, MatchResources
from api.annotations import ATOMIC, SET, Enum, Int64, ListMap, Patch, Proto
from api.meta.v1 import Condition, ObjectMeta


class Validation(TypedDict, total=False):
    """A condition in CEL that an object must meet."""

    expression: Required[Annotated[str, Proto(1), "The condition."]]
    message: Annotated[str, Proto(2), "What to say if it does not hold."]
    reason: Annotated[
        str,
        Proto(3),
        "The reason to give if it does not hold: Unauthorized, Forbidden, Invalid or RequestEntityTooLarge.",
    ]
    messageExpression: Annotated[str, Proto(4), "What to say, in CEL."]


class AuditAnnotation(TypedDict, total=False):
    """A note in CEL for the audit log."""

    key: Required[Annotated[str, Proto(1), "Its name."]]
    valueExpression: Required[Annotated[str, Proto(2), "Its value, or null for no note."]]


class ValidatingAdmissionPolicySpec(TypedDict, total=False):
    """What a policy demands."""

    paramKind: Annotated[ParamKind, Proto(1), "The kind of its parameters."]
    matchConstraints: Annotated[MatchResources, Proto(2), "Which requests it is about."]
    validations: Annotated[list[Validation], Proto(3), ATOMIC, "Conditions that must hold."]
    failurePolicy: Annotated[
        str, Proto(4), Enum("Fail", "Ignore"), "What an error in it means: Ignore or Fail."
    ]
    auditAnnotations: Annotated[list[AuditAnnotation], Proto(5), ATOMIC, "Notes for the audit log."]
    matchConditions: Annotated[
        list[MatchCondition],
        Proto(6),
        ListMap("name"),
        Patch("merge", "name"),
        "Conditions that a request must meet for the policy to apply.",
    ]
    variables: Annotated[
        list[Variable],
        Proto(7),
        ListMap("name"),
        Patch("merge", "name"),
        "Values that its expressions may use.",
    ]


class ExpressionWarning(TypedDict, total=False):
    """What is wrong with the types of an expression."""

    fieldRef: Required[Annotated[str, Proto(2), "Where the expression is."]]
    warning: Required[Annotated[str, Proto(3), "What is wrong."]]


class TypeChecking(TypedDict, total=False):
    """What checking the types of expressions found."""

    expressionWarnings: Annotated[
        list[ExpressionWarning], Proto(1), ATOMIC, "What is wrong with which expressions."
    ]


class ValidatingAdmissionPolicyStatus(TypedDict, total=False):
    """What the system found of a policy."""

    observedGeneration: Annotated[Int64, Proto(1), "The generation that this was seen of."]
    typeChecking: Annotated[TypeChecking, Proto(2), "What checking the types of its expressions found."]
    conditions: Annotated[
        list[Condition], Proto(3), ListMap("type"), "Aspects of its state, one of each type."
    ]


class ValidatingAdmissionPolicy(TypedDict, total=False):
    """Conditions in CEL that objects must meet to be stored."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[ValidatingAdmissionPolicySpec, Proto(2), "What is wanted."]
    status: Annotated[ValidatingAdmissionPolicyStatus, Proto(3), "What is; written by the system."]


class ValidatingAdmissionPolicyBindingSpec(TypedDict, total=False):
    """Where a policy applies, and with which parameters."""

    policyName: Required[Annotated[str, Proto(1), "The policy."]]
    paramRef: Annotated[ParamRef, Proto(2), "Its parameters."]
    matchResources: Annotated[
        MatchResources, Proto(3), "Which requests it is about here, of those that the policy is about."
    ]
    validationActions: Required[
        Annotated[list[str], Proto(4), SET, "What a violation leads to: Deny, Warn, Audit."]
    ]


class ValidatingAdmissionPolicyBinding(TypedDict, total=False):
    """Puts a policy into force."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[ValidatingAdmissionPolicyBindingSpec, Proto(2), "What is wanted."]]

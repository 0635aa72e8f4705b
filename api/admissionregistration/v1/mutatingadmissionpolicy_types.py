"""The wire form of MutatingAdmissionPolicy and its binding."""

from typing import Annotated, Required, TypedDict

from api.admissionregistration.v1.policy_parts import ParamKind, ParamRef, Variable
from api.admissionregistration.v1.rule import MatchCondition, MatchResources
from api.annotations import ATOMIC, Enum, ListMap, Patch, Proto
from api.meta.v1 import ObjectMeta


class ApplyConfiguration(TypedDict, total=False):
    """A change in the form of an applied object."""

    expression: Annotated[str, Proto(1), "The object, in CEL."]


class JSONPatch(TypedDict, total=False):
    """A change in the form of a JSON patch."""

    expression: Annotated[str, Proto(1), "The patch, in CEL."]


class Mutation(TypedDict, total=False):
    """One change."""

    patchType: Required[
        Annotated[str, Proto(2), Enum("ApplyConfiguration", "JSONPatch"), "ApplyConfiguration or JSONPatch."]
    ]
    applyConfiguration: Annotated[ApplyConfiguration, Proto(3), "The change as an applied object."]
    jsonPatch: Annotated[JSONPatch, Proto(4), "The change as a JSON patch."]


class MutatingAdmissionPolicySpec(TypedDict, total=False):
    """What a policy changes."""

    paramKind: Annotated[ParamKind, Proto(1), "The kind of its parameters."]
    matchConstraints: Annotated[MatchResources, Proto(2), "Which requests it is about."]
    variables: Annotated[list[Variable], Proto(3), ATOMIC, "Values that its expressions may use."]
    mutations: Annotated[list[Mutation], Proto(4), ATOMIC, "The changes, in order."]
    failurePolicy: Annotated[
        str, Proto(5), Enum("Fail", "Ignore"), "What an error in it means: Ignore or Fail."
    ]
    matchConditions: Annotated[
        list[MatchCondition],
        Proto(6),
        ListMap("name"),
        Patch("merge", "name"),
        "Conditions that a request must meet for the policy to apply.",
    ]
    reinvocationPolicy: Annotated[
        str,
        Proto(7),
        Enum("IfNeeded", "Never"),
        "Whether it runs again after others changed the object: Never or IfNeeded.",
    ]


class MutatingAdmissionPolicy(TypedDict, total=False):
    """Changes in CEL that objects get before they are stored."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[MutatingAdmissionPolicySpec, Proto(2), "What is wanted."]


class MutatingAdmissionPolicyBindingSpec(TypedDict, total=False):
    """Where a policy applies, and with which parameters."""

    policyName: Annotated[str, Proto(1), "The policy."]
    paramRef: Annotated[ParamRef, Proto(2), "Its parameters."]
    matchResources: Annotated[
        MatchResources, Proto(3), "Which requests it is about here, of those that the policy is about."
    ]


class MutatingAdmissionPolicyBinding(TypedDict, total=False):
    """Puts a policy into force."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[MutatingAdmissionPolicyBindingSpec, Proto(2), "What is wanted."]

"""The wire form of ResourceQuota."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Proto, Quantity, atomic
from api.meta.v1 import ObjectMeta


class ScopedResourceSelectorRequirement(TypedDict, total=False):
    """A condition on the scope of an object."""

    scopeName: Required[Annotated[str, Proto(1), "The scope, such as PriorityClass."]]
    operator: Required[
        Annotated[
            str, Proto(2), Enum("DoesNotExist", "Exists", "In", "NotIn"), "In, NotIn, Exists or DoesNotExist."
        ]
    ]
    values: Annotated[list[str], Proto(3), ATOMIC, "The values for In and NotIn; none for the others."]


@atomic
class ScopeSelector(TypedDict, total=False):
    """Selects objects by scope; all its conditions must hold."""

    matchExpressions: Annotated[
        list[ScopedResourceSelectorRequirement], Proto(1), ATOMIC, "Conditions on scopes."
    ]


class ResourceQuotaSpec(TypedDict, total=False):
    """The most that a namespace may have."""

    hard: Annotated[dict[str, Quantity], Proto(1), "The most, by resource."]
    scopes: Annotated[list[str], Proto(2), ATOMIC, "Scopes that an object must be in to count."]
    scopeSelector: Annotated[ScopeSelector, Proto(3), "Conditions that an object must meet to count."]


class ResourceQuotaStatus(TypedDict, total=False):
    """What a namespace has, and may have."""

    hard: Annotated[dict[str, Quantity], Proto(1), "The most, by resource."]
    used: Annotated[dict[str, Quantity], Proto(2), "What it has, by resource."]


class ResourceQuota(TypedDict, total=False):
    """The most that all objects of a namespace together may use."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[ResourceQuotaSpec, Proto(2), "What is wanted."]
    status: Annotated[ResourceQuotaStatus, Proto(3), "What is; written by the system."]

"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.meta.v1 import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta


class FieldSelectorAttributes(TypedDict, total=False):
    """TODO FieldSelectorAttributes"""

    rawSelector: Annotated[str, Proto(1)]
    requirements: Annotated[list[FieldSelectorRequirement], Proto(2), ATOMIC]


class LabelSelectorAttributes(TypedDict, total=False):
    """TODO LabelSelectorAttributes"""

    rawSelector: Annotated[str, Proto(1)]
    requirements: Annotated[list[LabelSelectorRequirement], Proto(2), ATOMIC]


class ResourceAttributes(TypedDict, total=False):
    """TODO ResourceAttributes"""

    namespace: Annotated[str, Proto(1)]
    verb: Annotated[str, Proto(2)]
    group: Annotated[str, Proto(3)]
    version: Annotated[str, Proto(4)]
    resource: Annotated[str, Proto(5)]
    subresource: Annotated[str, Proto(6)]
    name: Annotated[str, Proto(7)]
    fieldSelector: Annotated[FieldSelectorAttributes, Proto(8)]
    labelSelector: Annotated[LabelSelectorAttributes, Proto(9)]


class NonResourceAttributes(TypedDict, total=False):
    """TODO NonResourceAttributes"""

    path: Annotated[str, Proto(1)]
    verb: Annotated[str, Proto(2)]


class SubjectAccessReviewSpec(TypedDict, total=False):
    """TODO SubjectAccessReviewSpec"""

    resourceAttributes: Annotated[ResourceAttributes, Proto(1)]
    nonResourceAttributes: Annotated[NonResourceAttributes, Proto(2)]
    user: Annotated[str, Proto(3)]
    groups: Annotated[list[str], Proto(4), ATOMIC]
    extra: Annotated[dict[str, list[str]], Proto(5)]
    uid: Annotated[str, Proto(6)]


class SubjectAccessReviewStatus(TypedDict, total=False):
    """TODO SubjectAccessReviewStatus"""

    allowed: Required[Annotated[bool, Proto(1)]]
    reason: Annotated[str, Proto(2)]
    evaluationError: Annotated[str, Proto(3)]
    denied: Annotated[bool, Proto(4)]


class SubjectAccessReview(TypedDict, total=False):
    """TODO SubjectAccessReview"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Required[Annotated[SubjectAccessReviewSpec, Proto(2)]]
    status: Annotated[SubjectAccessReviewStatus, Proto(3)]


class LocalSubjectAccessReview(TypedDict, total=False):
    """TODO LocalSubjectAccessReview"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Required[Annotated[SubjectAccessReviewSpec, Proto(2)]]
    status: Annotated[SubjectAccessReviewStatus, Proto(3)]


class SelfSubjectAccessReviewSpec(TypedDict, total=False):
    """TODO SelfSubjectAccessReviewSpec"""

    resourceAttributes: Annotated[ResourceAttributes, Proto(1)]
    nonResourceAttributes: Annotated[NonResourceAttributes, Proto(2)]


class SelfSubjectAccessReview(TypedDict, total=False):
    """TODO SelfSubjectAccessReview"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Required[Annotated[SelfSubjectAccessReviewSpec, Proto(2)]]
    status: Annotated[SubjectAccessReviewStatus, Proto(3)]

"""TODO module"""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta
from api.resource import Resource, Strategy
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR


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


Obj = dict[str, Any]


class AccessReviewStrategy(Strategy):
    """May USER do this? `names_user`: the review says whom it is about, else it is about the asker."""

    has_generation = False

    def __init__(self, *, names_user: bool, local: bool = False) -> None:
        self._names_user = names_user
        self._local = local

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec = obj.get("spec") or {}
        resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if resource is not None and other is not None:
            message = "cannot be specified in combination with resourceAttributes"
            errors.invalid("spec.nonResourceAttributes", other, message)
        elif resource is None and other is None:
            message = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            errors.invalid("spec.resourceAttributes", None, message)
        if self._names_user and not spec.get("user") and not spec.get("groups"):
            errors.invalid("spec.user", "", "at least one of user or group must be specified")
        if self._local:
            namespace = obj["metadata"].get("namespace", "")
            asked = (resource or {}).get("namespace", "")
            if asked != namespace:
                errors.invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace")
            if other is not None:
                errors.invalid("spec.nonResourceAttributes", other, "disallowed on this kind of request")
        return errors.causes


def _review(plural: str, cls: type, strategy: Strategy, *, namespaced: bool = False) -> Resource:
    return builtin(
        GVR("authorization.k8s.io", "v1", plural, namespaced=namespaced, kind=cls.__name__),
        cls,
        strategy=strategy,
        columns=(NAME, AGE),
        verbs=("create",),
    )


SUBJECTACCESSREVIEW = _review(
    "subjectaccessreviews", SubjectAccessReview, AccessReviewStrategy(names_user=True)
)
LOCALSUBJECTACCESSREVIEW = _review(
    "localsubjectaccessreviews",
    LocalSubjectAccessReview,
    AccessReviewStrategy(names_user=True, local=True),
    namespaced=True,
)
SELFSUBJECTACCESSREVIEW = _review(
    "selfsubjectaccessreviews", SelfSubjectAccessReview, AccessReviewStrategy(names_user=False)
)

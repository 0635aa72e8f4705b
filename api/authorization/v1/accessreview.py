"""Access reviews: ask whether somebody may do something."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta
from api.resource import Resource, Strategy
from api.validation.access_review import validate_access_review
from machinery.errors import Cause
from machinery.gvk import GVR


class FieldSelectorAttributes(TypedDict, total=False):
    """The fields to which a request is limited."""

    rawSelector: Annotated[str, Proto(1)]
    requirements: Annotated[list[FieldSelectorRequirement], Proto(2), ATOMIC]


class LabelSelectorAttributes(TypedDict, total=False):
    """The labels to which a request is limited."""

    rawSelector: Annotated[str, Proto(1)]
    requirements: Annotated[list[LabelSelectorRequirement], Proto(2), ATOMIC]


class ResourceAttributes(TypedDict, total=False):
    """A request for a resource."""

    namespace: Annotated[str, Proto(1), "The namespace; empty for all of them, or for none."]
    verb: Annotated[str, Proto(2), "What is to be done: get, list, create..."]
    group: Annotated[str, Proto(3)]
    version: Annotated[str, Proto(4)]
    resource: Annotated[str, Proto(5)]
    subresource: Annotated[str, Proto(6)]
    name: Annotated[str, Proto(7)]
    fieldSelector: Annotated[FieldSelectorAttributes, Proto(8)]
    labelSelector: Annotated[LabelSelectorAttributes, Proto(9), "Which pods it is about, by their labels."]


class NonResourceAttributes(TypedDict, total=False):
    """A request for a path that is no resource."""

    path: Annotated[str, Proto(1)]
    verb: Annotated[str, Proto(2), "What is to be done: get, list, create..."]


class SubjectAccessReviewSpec(TypedDict, total=False):
    """Who wants to do what."""

    resourceAttributes: Annotated[ResourceAttributes, Proto(1), "A request for a resource."]
    nonResourceAttributes: Annotated[NonResourceAttributes, Proto(2), "A request for another path."]
    user: Annotated[str, Proto(3), "The user."]
    groups: Annotated[list[str], Proto(4), ATOMIC, "The user's groups."]
    extra: Annotated[dict[str, list[str]], Proto(5)]
    uid: Annotated[str, Proto(6), "Its unique id."]


class SubjectAccessReviewStatus(TypedDict, total=False):
    """Whether it is allowed, and why."""

    allowed: Required[Annotated[bool, Proto(1), "Whether it is allowed."]]
    reason: Annotated[str, Proto(2), "Why, in a word for machines."]
    evaluationError: Annotated[str, Proto(3), "What went wrong while this was found out."]
    denied: Annotated[bool, Proto(4), "Whether it is forbidden outright."]


class SubjectAccessReview(TypedDict, total=False):
    """Asks whether somebody may do something."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[SubjectAccessReviewSpec, Proto(2), "What is wanted."]]
    status: Annotated[SubjectAccessReviewStatus, Proto(3), "What is; written by the system."]


class LocalSubjectAccessReview(TypedDict, total=False):
    """Asks whether somebody may do something in one namespace."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[SubjectAccessReviewSpec, Proto(2), "What is wanted."]]
    status: Annotated[SubjectAccessReviewStatus, Proto(3), "What is; written by the system."]


class SelfSubjectAccessReviewSpec(TypedDict, total=False):
    """What the asker wants to do."""

    resourceAttributes: Annotated[ResourceAttributes, Proto(1), "A request for a resource."]
    nonResourceAttributes: Annotated[NonResourceAttributes, Proto(2), "A request for another path."]


class SelfSubjectAccessReview(TypedDict, total=False):
    """Asks "may I do this?"."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[SelfSubjectAccessReviewSpec, Proto(2), "What is wanted."]]
    status: Annotated[SubjectAccessReviewStatus, Proto(3), "What is; written by the system."]


Obj = dict[str, Any]


class AccessReviewStrategy(Strategy):
    """May USER do this? `names_user`: the review says whom it is about, else it is about the asker."""

    has_generation = False

    def __init__(self, *, names_user: bool, local: bool = False) -> None:
        self._names_user = names_user
        self._local = local

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_access_review(obj, names_user=self._names_user, local=self._local)


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

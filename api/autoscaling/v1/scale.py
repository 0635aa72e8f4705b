"""Scale: the one thing that everything scalable has in common. Served as a subresource."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import Int32, Proto
from api.builtin import body
from api.meta.v1 import ObjectMeta
from api.validation.errors import Errors
from machinery.errors import Cause


class ScaleSpec(TypedDict, total=False):
    """How many replicas are wanted."""

    replicas: Annotated[Int32, Proto(1), "How many replicas are wanted."]


class ScaleStatus(TypedDict, total=False):
    """How many replicas there are."""

    replicas: Required[Annotated[Int32, Proto(1), "How many replicas there are."]]
    selector: Annotated[str, Proto(2), "Which pods they are, as a selector in text form."]


class Scale(TypedDict, total=False):
    """The replicas of anything that can be scaled."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[ScaleSpec, Proto(2), "What is wanted."]
    status: Annotated[ScaleStatus, Proto(3), "What is; written by the system."]


Obj = dict[str, Any]


def _validate(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.non_negative("spec.replicas", (obj.get("spec") or {}).get("replicas"))
    return errors.causes


SCALE = body("autoscaling", "v1", Scale, validate=_validate)

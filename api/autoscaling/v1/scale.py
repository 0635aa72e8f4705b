"""TODO module"""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import Int32, Proto
from api.builtin import body
from api.meta.v1 import ObjectMeta
from api.validation.errors import Errors
from machinery.errors import Cause


class ScaleSpec(TypedDict, total=False):
    """TODO ScaleSpec"""

    replicas: Annotated[Int32, Proto(1)]


class ScaleStatus(TypedDict, total=False):
    """TODO ScaleStatus"""

    replicas: Required[Annotated[Int32, Proto(1)]]
    selector: Annotated[str, Proto(2)]


class Scale(TypedDict, total=False):
    """TODO Scale"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[ScaleSpec, Proto(2)]
    status: Annotated[ScaleStatus, Proto(3)]


Obj = dict[str, Any]


def _validate(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.non_negative("spec.replicas", (obj.get("spec") or {}).get("replicas"))
    return errors.causes


SCALE = body("autoscaling", "v1", Scale, validate=_validate)

"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import Int32, Proto
from api.meta.v1 import ObjectMeta


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

"""The wire form of ComponentStatus."""

from typing import Annotated, Required, TypedDict

from api.annotations import ListMap, Patch, Proto
from api.meta.v1 import ObjectMeta


class ComponentCondition(TypedDict, total=False):
    """Whether a component is well."""

    type: Required[Annotated[str, Proto(1), "Healthy."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    message: Annotated[str, Proto(3), "Why, in words for people."]
    error: Annotated[str, Proto(4), "What went wrong in asking."]


class ComponentStatus(TypedDict, total=False):
    """Whether a component of the control plane is well; deprecated."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    conditions: Annotated[
        list[ComponentCondition], Proto(2), ListMap("type"), Patch("merge", "type"), "What was found."
    ]

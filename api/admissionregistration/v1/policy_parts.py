"""What validating and mutating admission policies share, and their bindings."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto, atomic
from api.meta.v1 import LabelSelector


@atomic
class ParamKind(TypedDict, total=False):
    """The kind of a policy's parameters."""

    apiVersion: Annotated[str, Proto(1), "Group and version."]
    kind: Annotated[str, Proto(2), "The kind."]


@atomic
class ParamRef(TypedDict, total=False):
    """The objects that are a policy's parameters."""

    name: Annotated[str, Proto(1), "One object by name."]
    namespace: Annotated[str, Proto(2), "Their namespace."]
    selector: Annotated[LabelSelector, Proto(3), "Objects by their labels."]
    parameterNotFoundAction: Annotated[str, Proto(4), "What it means if there are none: Allow or Deny."]


@atomic
class Variable(TypedDict, total=False):
    """A value in CEL that other expressions may use."""

    name: Required[Annotated[str, Proto(1), "Its name."]]
    expression: Required[Annotated[str, Proto(2), "Its value."]]

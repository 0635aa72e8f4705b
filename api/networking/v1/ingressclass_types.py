"""The wire form of IngressClass."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto
from api.meta.v1 import ObjectMeta


class IngressClassParametersReference(TypedDict, total=False):
    """An object with further settings of a class."""

    apiGroup: Annotated[str, Proto(1), "Its group; empty for the core group."]
    kind: Required[Annotated[str, Proto(2), "Its kind."]]
    name: Required[Annotated[str, Proto(3), "Its name."]]
    scope: Annotated[str, Proto(4), "Cluster or Namespace; Cluster where unset."]
    namespace: Annotated[str, Proto(5), "Its namespace, for scope Namespace."]


class IngressClassSpec(TypedDict, total=False):
    """Who serves the ingresses of a class."""

    controller: Annotated[
        str, Proto(1), "The controller's name, such as example.com/ingress; cannot be changed."
    ]
    parameters: Annotated[IngressClassParametersReference, Proto(2), "An object with further settings."]


class IngressClass(TypedDict, total=False):
    """A name for a way to serve ingresses."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[IngressClassSpec, Proto(2), "What is wanted."]

"""The wire form of PodTemplate."""

from typing import Annotated, TypedDict

from api.annotations import Proto
from api.core.v1.podspec import PodTemplateSpec
from api.meta.v1 import ObjectMeta


class PodTemplate(TypedDict, total=False):
    """A pod's description, kept for later use."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    template: Annotated[PodTemplateSpec, Proto(2), "The pod."]

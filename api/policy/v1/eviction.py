"""Eviction: a polite deletion of a pod, sent to pods/NAME/eviction."""

from typing import Annotated, TypedDict

from api.annotations import Proto
from api.builtin import body
from api.meta.v1 import DeleteOptions, ObjectMeta


class Eviction(TypedDict, total=False):
    """Asks for the removal of a pod, if budgets allow it."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    deleteOptions: Annotated[DeleteOptions, Proto(2), "How the pod is to be deleted."]


EVICTION = body("policy", "v1", Eviction, older=("v1beta1",))  # kubectl before 1.22 drains with it

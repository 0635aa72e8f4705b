"""ServiceAccount: who a pod is to the API server."""

from typing import Annotated, Any, TypedDict

from api.annotations import ATOMIC, ListMap, Patch, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.core.v1.reference import LocalObjectReference, ObjectReference
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy, Subresource
from machinery.gvk import SERVICEACCOUNTS


class ServiceAccount(TypedDict, total=False):
    """Who a pod is to the API server."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    secrets: Annotated[
        list[ObjectReference],
        Proto(2),
        ListMap("name"),
        Patch("merge", "name"),
        "Secrets that its pods may use.",
    ]
    imagePullSecrets: Annotated[
        list[LocalObjectReference], Proto(3), ATOMIC, "Secrets with which to pull its pods' images."
    ]
    automountServiceAccountToken: Annotated[bool, Proto(4), "Whether a token is mounted into its pods."]


Obj = dict[str, Any]


class ServiceAccountStrategy(Strategy):
    has_generation = False


SERVICEACCOUNT = builtin(
    SERVICEACCOUNTS,
    ServiceAccount,
    strategy=ServiceAccountStrategy(),
    columns=(
        NAME,
        Column("Secrets", lambda obj, now: len(obj.get("secrets") or ()), description="Secrets it may use."),
        AGE,
    ),
    short_names=("sa",),
    subresources=(Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1"),),
    returns_deleted=True,
)

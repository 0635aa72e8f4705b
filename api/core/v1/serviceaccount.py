"""ServiceAccount: who a pod is to the API server."""

from collections.abc import Sequence
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


ENFORCE_MOUNTABLE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
_DEPRECATED = f"metadata.annotations[{ENFORCE_MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def limits_secrets(account: Obj) -> bool:
    """Whether its pods may use no Secrets but those it names."""
    return (account["metadata"].get("annotations") or {}).get(ENFORCE_MOUNTABLE_SECRETS) in _TRUE


class ServiceAccountStrategy(Strategy):
    has_generation = False

    def prepare_create(self, obj: Obj) -> None:
        _keep_names(obj)

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        _keep_names(obj)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        said, before = (
            ENFORCE_MOUNTABLE_SECRETS in ((each or {}).get("metadata", {}).get("annotations") or {})
            for each in (obj, old)
        )
        return [*super().warnings(obj, old), *((_DEPRECATED,) if said and not before else ())]


def _keep_names(obj: Obj) -> None:
    """Secrets are of the account's namespace: nothing but a reference's name says anything."""
    if obj.get("secrets"):
        obj["secrets"] = [{key: each[key] for key in ("name",) if key in each} for each in obj["secrets"]]


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

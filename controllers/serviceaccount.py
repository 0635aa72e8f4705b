"""The service account controller: every living namespace has a ServiceAccount `default`.

Owns     the account named `default` of each namespace, its existence only.
Woken by changes of namespaces, and by the end of a ServiceAccount.

Invariant: nothing is created in a namespace that is being deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers.framework import Context, Key, Watch, reconciler
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.gvk import NAMESPACES, SERVICEACCOUNTS
from machinery.objects import is_being_deleted

Obj = dict[str, Any]

_NAME = "default"


def account_to_namespace(ctx: Context, account: Obj) -> Iterable[Key]:
    meta = account["metadata"]
    return (Key("", meta["namespace"]),) if meta["name"] == _NAME else ()


@reconciler(
    NAMESPACES,
    name="serviceaccount",
    watches=(Watch(SERVICEACCOUNTS, account_to_namespace, relevant=lambda old, new: False),),
    event_source="service-account-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    namespace = ctx.get(key)
    if namespace is None or is_being_deleted(namespace):
        return None
    if ctx.lister(SERVICEACCOUNTS).get(key.name, _NAME) is None:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": _NAME, "namespace": key.name},
        }
        await create_unless_terminating(ctx, account)
    return None


async def create_unless_terminating(ctx: Context, account: Obj) -> None:
    """Already there, or a namespace on its way out: both are fine."""
    try:
        await ctx.client.create(SERVICEACCOUNTS, account)
    except (AlreadyExists, NotFound):
        return
    except ApiError as error:
        if not any(cause.reason == "NamespaceTerminating" for cause in error.causes):
            raise

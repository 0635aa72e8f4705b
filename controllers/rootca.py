"""The root CA publisher: every living namespace has a ConfigMap `kube-root-ca.crt` with the CA bundle.

Owns     that ConfigMap's data; pods verify the API server by it.
Woken by changes of namespaces and of ConfigMaps of that name.

Invariant: the bundle comes from outside and is the same in every namespace; a changed one is put right.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers.framework import Context, Key, Reconciler, Watch, reconciler
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.gvk import CONFIGMAPS, NAMESPACES
from machinery.objects import is_being_deleted

Obj = dict[str, Any]

NAME = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints "
    "such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
)


def plan(namespace: str, ca_bundle: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "annotations": {"kubernetes.io/description": _DESCRIPTION},
        },
        "data": {"ca.crt": ca_bundle},
    }


def configmap_to_namespace(ctx: Context, configmap: Obj) -> Iterable[Key]:
    meta = configmap["metadata"]
    return (Key("", meta["namespace"]),) if meta["name"] == NAME else ()


def root_ca_publisher(ca_bundle: str) -> Reconciler:
    """The reconciler for one bundle (PEM)."""

    @reconciler(
        NAMESPACES,
        name="rootca",
        watches=(Watch(CONFIGMAPS, configmap_to_namespace),),
        event_source="root-ca-cert-publisher",
    )
    async def reconcile(ctx: Context, key: Key) -> float | None:
        namespace = ctx.get(key)
        if namespace is None or is_being_deleted(namespace):
            return None
        wanted = plan(key.name, ca_bundle)
        present = ctx.lister(CONFIGMAPS).get(key.name, NAME)
        if present is None:
            await _create(ctx, wanted)
        elif present.get("data") != wanted["data"]:
            await ctx.client.update(CONFIGMAPS, {**present, "data": wanted["data"]})
        return None

    return reconcile


async def _create(ctx: Context, configmap: Obj) -> None:
    try:
        await ctx.client.create(CONFIGMAPS, configmap)
    except (AlreadyExists, NotFound):
        return
    except ApiError as error:
        if not any(cause.reason == "NamespaceTerminating" for cause in error.causes):
            raise

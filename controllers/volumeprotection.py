"""Storage that is in use stays: claims until no pod uses them, volumes until no claim holds them.

Owns     the finalizers kubernetes.io/pvc-protection and kubernetes.io/pv-protection, which admission puts on new
         claims and volumes; both are also put on older ones that lack them.
Woken by changes of claims, volumes, and pods that let go of a claim.

Invariant: a claim's finalizer goes only after the server itself shows no pod that uses it.

Source: Kubernetes "Persistent Volumes", Storage Object in Use Protection; pkg/controller/volume/{pvc,pv}protection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from controllers.framework import Context, Key, Watch, reconciler
from controllers.podstate import is_terminated
from machinery.errors import NotFound
from machinery.gvk import GVR, PODS
from machinery.objects import add_finalizer, deep_copy, finalizers, is_being_deleted, remove_finalizer

Obj = dict[str, Any]

PERSISTENTVOLUMECLAIMS = GVR("", "v1", "persistentvolumeclaims", kind="PersistentVolumeClaim")
PERSISTENTVOLUMES = GVR("", "v1", "persistentvolumes", namespaced=False, kind="PersistentVolume")
CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


def claims_of(pod: Obj) -> Iterator[str]:
    """Names of the claims that a pod mounts, those made for its ephemeral volumes included."""
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"]
        elif "ephemeral" in volume:
            yield f"{pod['metadata']['name']}-{volume['name']}"


def is_used(claim: Obj, pods: Iterable[Obj]) -> bool:
    """By a pod that may run: one that ended, or was never bound to a node and is going, holds nothing."""
    name = claim["metadata"]["name"]
    return any(name in claims_of(pod) and _may_run(pod) for pod in pods)


def _may_run(pod: Obj) -> bool:
    return not is_terminated(pod) and bool((pod.get("spec") or {}).get("nodeName"))


def pod_to_claims(ctx: Context, pod: Obj) -> Iterable[Key]:
    return [Key(pod["metadata"]["namespace"], name) for name in claims_of(pod)]


@reconciler(
    PERSISTENTVOLUMECLAIMS,
    watches=(Watch(PODS, pod_to_claims, relevant=lambda old, new: _may_run(old) != _may_run(new)),),
    name="pvc-protection",
    event_source="pvc-protection-controller",
)
async def protect_claims(ctx: Context, key: Key) -> float | None:
    claim = ctx.get(key)
    if claim is None:
        return None
    if not is_being_deleted(claim):
        await _add(ctx, PERSISTENTVOLUMECLAIMS, claim, CLAIM_FINALIZER)
    elif CLAIM_FINALIZER in finalizers(claim) and not is_used(claim, ctx.lister(PODS).list(key.namespace)):
        live = (await ctx.client.list(PODS, key.namespace)).get("items") or []
        if not is_used(claim, live):
            await _remove(ctx, PERSISTENTVOLUMECLAIMS, claim, CLAIM_FINALIZER)
    return None


@reconciler(PERSISTENTVOLUMES, name="pv-protection", event_source="pv-protection-controller")
async def protect_volumes(ctx: Context, key: Key) -> float | None:
    volume = ctx.get(key)
    if volume is None:
        return None
    if not is_being_deleted(volume):
        await _add(ctx, PERSISTENTVOLUMES, volume, VOLUME_FINALIZER)
    elif (volume.get("status") or {}).get("phase") != "Bound":
        await _remove(ctx, PERSISTENTVOLUMES, volume, VOLUME_FINALIZER)
    return None


async def _add(ctx: Context, gvr: GVR, obj: Obj, finalizer: str) -> None:
    if finalizer not in finalizers(obj):
        changed = deep_copy(obj)
        add_finalizer(changed, finalizer)
        with contextlib.suppress(NotFound):
            await ctx.client.update(gvr, changed)


async def _remove(ctx: Context, gvr: GVR, obj: Obj, finalizer: str) -> None:
    changed = deep_copy(obj)
    if remove_finalizer(changed, finalizer):
        with contextlib.suppress(NotFound):
            await ctx.client.update(gvr, changed)

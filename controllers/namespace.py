"""The namespace controller: empties a namespace that is being deleted, then lets it go.

Owns     the content of terminating namespaces, their conditions, the finalizer `kubernetes`.
Woken by changes of namespaces and by the end of pods in terminating ones; else it looks again.
Order    pods first, and nothing else while one is left: what pods need (network policies, secrets)
         outlives them. Then every other kind that discovery knows.

Invariants: the finalizer goes only after a pass in which every kind could be asked and was empty;
a kind that cannot be asked is named in a condition and keeps the namespace.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/, KEP-5080
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from client.client import Client
from client.discovery import discover
from client.transport import TransportError
from controllers.framework import Context, Key, Watch, reconciler
from machinery.errors import ApiError, MethodNotAllowed, NotFound
from machinery.gvk import GVR, NAMESPACES, PODS
from machinery.objects import deep_copy, finalizers, is_being_deleted, set_condition

Obj = dict[str, Any]

_FINALIZER = "kubernetes"
_LOOK_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(slots=True)
class Content:
    """What one pass found left in a namespace."""

    remaining: dict[str, int] = field(default_factory=dict)  # resource → objects
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    undiscovered: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.remaining and not self.failures and not self.undiscovered


def plan_conditions(content: Content) -> list[Obj]:
    """The five conditions of a terminating namespace; True means trouble or something left."""

    def condition(type_: str, bad: str, bad_reason: str, good_reason: str, good: str) -> Obj:
        return {
            "type": type_,
            "status": "True" if bad else "False",
            "reason": bad_reason if bad else good_reason,
            "message": bad or good,
        }

    undiscovered = ", ".join(content.undiscovered)
    counts = [f"{name} has {count} resource instances" for name, count in sorted(content.remaining.items())]
    waiting = [f"{name} in {count} resource instances" for name, count in sorted(content.finalizers.items())]
    return [
        condition(
            "NamespaceDeletionDiscoveryFailure",
            undiscovered and f"Discovery failed for some groups, {undiscovered}",
            "DiscoveryFailed",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            "GroupVersionParsingFailed",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        condition(
            "NamespaceDeletionContentFailure",
            (content.failures and f"Failed to delete all resource types, {'; '.join(content.failures)}")
            or "",
            "ContentDeletionFailed",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        condition(
            "NamespaceContentRemaining",
            (counts and f"Some resources are remaining: {', '.join(counts)}") or "",
            "SomeResourcesRemain",
            "ContentRemoved",
            "All content successfully removed",
        ),
        condition(
            "NamespaceFinalizersRemaining",
            (waiting and f"Some content in the namespace has finalizers remaining: {', '.join(waiting)}")
            or "",
            "SomeFinalizersRemain",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ]


def pod_to_namespace(ctx: Context, pod: Obj) -> Iterable[Key]:
    namespace = ctx.get(Key("", pod["metadata"]["namespace"]))
    return (Key("", namespace["metadata"]["name"]),) if namespace and is_being_deleted(namespace) else ()


@reconciler(
    NAMESPACES,
    watches=(Watch(PODS, pod_to_namespace, relevant=lambda old, new: False),),
    workers=5,
    event_source="namespace-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    namespace = ctx.get(key)
    if namespace is None or not is_being_deleted(namespace):
        ctx.memory.pop(key, None)
        return None
    if _FINALIZER not in ((namespace.get("spec") or {}).get("finalizers") or ()):
        return None
    content = await _empty(ctx.client, key.name)
    await _update_status(ctx, namespace, content)
    if content.is_empty:
        await _finalize(ctx, key.name)
        return None
    tries = ctx.memory[key] = ctx.memory.get(key, -1) + 1
    return _LOOK_AGAIN_S[min(tries, len(_LOOK_AGAIN_S) - 1)]


async def _empty(client: Client, namespace: str) -> Content:
    """One pass over everything: delete, then count what is left."""
    content = Content()
    resources, content.undiscovered = await discover(client, ("delete", "list"))
    ordered = sorted((gvr for gvr in resources if gvr.namespaced), key=lambda gvr: gvr.path() != PODS.path())
    for gvr in ordered:
        try:
            await _empty_kind(client, gvr, namespace, content)
        except (ApiError, TransportError) as error:
            content.failures.append(f"{gvr}: {error}")
        if gvr.path() == PODS.path() and (content.remaining or content.failures):
            break
    return content


async def _empty_kind(client: Client, gvr: GVR, namespace: str, content: Content) -> None:
    items = await _metadata_of(client, gvr, namespace)
    if not any(not is_being_deleted(item) for item in items):
        _count(gvr, items, content)
        return
    try:
        await client.delete_collection(gvr, namespace, propagation_policy="Background")
    except (MethodNotAllowed, NotFound):
        for item in items:
            with contextlib.suppress(NotFound):
                name = item["metadata"]["name"]
                await client.delete(gvr, name, namespace, propagation_policy="Background")
    _count(gvr, await _metadata_of(client, gvr, namespace), content)


async def _metadata_of(client: Client, gvr: GVR, namespace: str) -> list[Obj]:
    try:
        return (await client.list(gvr, namespace, metadata_only=True)).get("items") or []
    except (MethodNotAllowed, NotFound):
        return []


def _count(gvr: GVR, items: list[Obj], content: Content) -> None:
    if items:
        content.remaining[f"{gvr.resource}.{gvr.group}"] = len(items)
    for item in items:
        content.finalizers.update(finalizers(item))


async def _update_status(ctx: Context, namespace: Obj, content: Content) -> None:
    status = deep_copy(namespace.get("status") or {})
    conditions = status.setdefault("conditions", [])
    changed = status.get("phase") != "Terminating"
    status["phase"] = "Terminating"
    for condition in plan_conditions(content):
        changed |= set_condition(conditions, condition, ctx.now)
    if changed:
        with contextlib.suppress(NotFound):
            await ctx.client.update(NAMESPACES, {**namespace, "status": status}, subresource="status")


async def _finalize(ctx: Context, name: str) -> None:
    with contextlib.suppress(NotFound):
        live = await ctx.client.get(NAMESPACES, name)
        kept = [each for each in (live.get("spec") or {}).get("finalizers") or () if each != _FINALIZER]
        spec = {**(live.get("spec") or {}), "finalizers": kept}
        await ctx.client.update(NAMESPACES, {**live, "spec": spec}, subresource="finalize")

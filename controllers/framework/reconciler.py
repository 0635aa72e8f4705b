"""What a reconciler is: an async function for one kind, and a declaration of what wakes it.

    @reconciler(DEPLOYMENTS, owns=(REPLICASETS,), watches=(Watch(PODS, pod_to_deployment),), workers=4)
    async def reconcile(ctx: Context, key: Key) -> float | None:
        deployment = ctx.get(key)        # None when it is gone
        ...
        return None                      # done; a number asks to be called again after so many seconds

It is called with the key of an object that may have changed, never with an event: the same code
serves creation, change, deletion and restart. It raises what it cannot mend; the Runner logs that,
counts it and calls again, each time after a longer wait.

The decorator registers nothing anywhere: a Runner is given its reconcilers as a list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from machinery.gvk import GVR, Key
from machinery.objects import controller_of

if TYPE_CHECKING:
    from controllers.framework.context import Context

Obj = dict[str, Any]
Reconcile = Callable[["Context", Key], Awaitable[float | None]]
MapToKeys = Callable[["Context", Obj], Iterable[Key]]
IsRelevant = Callable[[Obj, Obj], bool]
IndexFunction = Callable[[Obj], Iterable[str]]

CONTROLLER_INDEX = "controller"


@dataclass(frozen=True, slots=True)
class Watch:
    """Another kind whose objects wake this reconciler, for the keys that `map_to_keys` names.

    It is asked about the old and the new state of a changed object. `relevant(old, new)` may spare
    it changes that cannot matter.
    """

    gvr: GVR
    map_to_keys: MapToKeys
    relevant: IsRelevant | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index on a cache: `ctx.lister(gvr).by_index(name, value)`."""

    gvr: GVR
    name: str
    function: IndexFunction


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Made by `@reconciler`; still callable as the function it holds."""

    name: str
    gvr: GVR
    function: Reconcile
    owns: Sequence[GVR] = ()
    watches: Sequence[Watch] = ()
    reads: Sequence[GVR] = ()
    indexes: Sequence[Index] = ()
    workers: int = 1
    relevant: IsRelevant | None = None
    event_source: str = ""
    fields: Mapping[GVR, str] = field(default_factory=dict)  # caches only what such a field selector selects

    async def __call__(self, ctx: Context, key: Key) -> float | None:
        return await self.function(ctx, key)

    def resources(self) -> list[GVR]:
        """Every kind it needs a cache of, its own first."""
        named = [self.gvr, *self.owns, *(w.gvr for w in self.watches), *self.reads]
        named += [index.gvr for index in self.indexes]
        return list(dict.fromkeys(named))


def reconciler(
    gvr: GVR,
    *,
    owns: Sequence[GVR] = (),
    watches: Sequence[Watch] = (),
    reads: Sequence[GVR] = (),
    indexes: Sequence[Index] = (),
    workers: int = 1,
    relevant: IsRelevant | None = None,
    name: str = "",
    event_source: str = "",
    fields: Mapping[GVR, str] | None = None,
) -> Callable[[Reconcile], Reconciler]:
    """`owns`: objects of these kinds wake their controlling owner. `reads`: cached, but wake nobody.

    `workers` keys are reconciled at once, never one key twice. `event_source` is the component
    named in events (default: the name). `fields` narrows the cache of a kind by a field selector, such as Secrets of
    one type.
    """

    def decorate(function: Reconcile) -> Reconciler:
        chosen = name or getattr(function, "__module__", "").rpartition(".")[2] or str(gvr)
        return Reconciler(
            chosen,
            gvr,
            function,
            tuple(owns),
            tuple(watches),
            tuple(reads),
            tuple(indexes),
            workers,
            relevant,
            event_source or chosen,
            fields or {},
        )

    return decorate


def controller_keys(owner: GVR, obj: Obj) -> Iterable[Key]:
    """The key of the object's controller if that is of the kind `owner`."""
    ref = controller_of(obj)
    if ref is None or ref["kind"] != owner.kind or ref["apiVersion"].rpartition("/")[0] != owner.group:
        return ()
    return (Key(obj["metadata"].get("namespace", "") if owner.namespaced else "", ref["name"]),)


def controller_index(obj: Obj) -> Iterable[str]:
    """The controller's uid; for an object without controller, a value per namespace (see orphans_of)."""
    ref = controller_of(obj)
    return (ref["uid"],) if ref is not None else (f"orphans/{obj['metadata'].get('namespace', '')}",)

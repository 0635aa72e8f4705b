"""Read your own writes: a reconciler must not decide on a cache older than what it wrote itself.

Every write that a reconciler makes through `ctx.client` is noted under the key it worked on. Until
the cache shows the write - by resourceVersion, not by counting or sleeping - the key is not
reconciled; the very event that brings the write wakes it.

Source: KEP-5647 (stale controllers), which replaces the counting expectations of older controllers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from client.client import Client, PatchType, Propagation
from client.informer import Informer
from machinery.gvk import GVR, Key, key_of
from machinery.objects import is_being_deleted, uid

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """`revision` 0 stands for a deletion, whose revision the answer need not tell."""

    gvr: GVR
    key: Key
    uid: str
    revision: int


def is_seen(write: Write, informer: Informer) -> bool:
    """Whether the cache already shows the write, or something newer."""
    cached = informer.lister.get(*write.key)
    if write.revision == 0:
        return cached is None or uid(cached) != write.uid or is_being_deleted(cached)
    if cached is not None and _revision(cached["metadata"].get("resourceVersion")) >= write.revision:
        return True
    return _revision(informer.reflector.resource_version) >= write.revision


def _revision(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


class Expectations:
    """The writes per key that the caches have not shown yet. They expire: a lost event must not stall a key."""

    def __init__(self, limit_s: float = 300.0) -> None:
        self._limit_s = limit_s
        self._writes: dict[Key, tuple[float, list[Write]]] = {}

    def note(self, key: Key, writes: Sequence[Write], now: float) -> None:
        if writes:
            pending = self._writes.get(key, (now, []))[1]
            self._writes[key] = (now, [*pending, *writes])

    def unseen(self, key: Key, informer_of: Callable[[GVR], Informer | None], now: float) -> list[Write]:
        entry = self._writes.get(key)
        if entry is None:
            return []
        since, writes = entry
        unseen = []
        for write in writes:
            informer = informer_of(write.gvr)
            if informer is not None and not is_seen(write, informer):
                unseen.append(write)
        if not unseen or now - since > self._limit_s:
            del self._writes[key]
            return []
        self._writes[key] = (since, unseen)
        return unseen


class NotingClient(Client):
    """A Client that notes what was written, for one reconcile."""

    def __init__(self, client: Client) -> None:
        self.__dict__.update(client.__dict__)
        self.writes: list[Write] = []

    async def create(
        self, gvr: GVR, obj: Obj, namespace: str = "", *, subresource: str = "", name: str = ""
    ) -> Obj:
        answer = await super().create(gvr, obj, namespace, subresource=subresource, name=name)
        if not subresource:
            self._note(gvr, answer)
        return answer

    async def update(self, gvr: GVR, obj: Obj, *, subresource: str = "") -> Obj:
        answer = await super().update(gvr, obj, subresource=subresource)
        self._note(gvr, answer)
        return answer

    async def patch(
        self,
        gvr: GVR,
        name: str,
        patch: Obj | Sequence[Obj],
        namespace: str = "",
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Obj:
        answer = await super().patch(
            gvr,
            name,
            patch,
            namespace,
            type=type,
            subresource=subresource,
            field_manager=field_manager,
            force=force,
        )
        self._note(gvr, answer)
        return answer

    async def delete(
        self,
        gvr: GVR,
        name: str,
        namespace: str = "",
        *,
        grace_period_s: int | None = None,
        propagation_policy: Propagation | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Obj:
        answer = await super().delete(
            gvr,
            name,
            namespace,
            grace_period_s=grace_period_s,
            propagation_policy=propagation_policy,
            uid=uid,
            resource_version=resource_version,
        )
        if uid:
            self.writes.append(Write(gvr, Key(namespace, name), uid, 0))
        return answer

    def _note(self, gvr: GVR, answer: Obj) -> None:
        meta = answer.get("metadata") or {}
        revision = _revision(meta.get("resourceVersion"))
        if revision and meta.get("name"):
            self.writes.append(Write(gvr, key_of(answer), meta.get("uid", ""), revision))

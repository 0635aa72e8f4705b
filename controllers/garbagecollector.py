"""The garbage collector: deletes what all of whose owners are gone, and carries out deletion policies.

Watches the metadata of every kind that can be listed, watched and deleted (found by discovery, again
when a CustomResourceDefinition changes), keeps the OwnerGraph, and looks at one object at a time:

* all owners absent → delete it (with its own policy: its orphan or foreground finalizer counts);
* some owner there → take the references to absent owners away;
* being deleted in the foreground → delete its dependents, and let it go when none blocks;
* being deleted as orphaning → take its references out of its dependents, then let it go.

Invariants: nothing is deleted without asking the server for the object and for each owner that
justifies it, just before; every delete carries the uid; what cannot be looked up is not deleted.

Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/, KEP-2336 (bad references)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Any, Literal

from client.client import Client, Propagation
from client.discovery import discover
from client.informer import Informer, InformerFactory
from client.logs import get_logger
from client.transport import TransportError
from controllers.ownergraph import FOREGROUND, ORPHAN, Node, OwnerGraph, Reference, references_of
from machinery.clock import Clock
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import CRDS, EVENTS, EVENTS_V1, GVR
from machinery.objects import finalizers, is_being_deleted, owners, uid
from machinery.workqueue import WorkQueue

Obj = dict[str, Any]
OwnerState = Literal["solid", "waiting", "absent"]

_VERBS = ("delete", "list", "watch")
_IGNORED = frozenset({(EVENTS.group, "events"), (EVENTS_V1.group, "events")})
_DISCOVERY_S = 30.0
_SYNC_LIMIT_S = 30.0
_WORKERS = 10

log = get_logger("controllers.garbagecollector")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with one object whose owners have been looked up."""

    delete: Propagation | None = None
    drop_owners: tuple[str, ...] = ()  # uids of references to take away
    unblock: bool = False  # its own references block nobody any more (a circle would never end)


def plan_item(states: dict[str, OwnerState], own_finalizers: list[str], dependents: list[Node]) -> Verdict:
    """`states` of its owners by uid; `dependents` of the object itself."""
    if not states:
        return Verdict()
    absent = tuple(each for each, state in states.items() if state == "absent")
    waiting = tuple(each for each, state in states.items() if state == "waiting")
    if len(absent) + len(waiting) < len(states):
        return Verdict(drop_owners=absent + waiting)
    if waiting and dependents:
        circle = any(each.waits_for_dependents for each in dependents)
        return Verdict(delete="Foreground", unblock=circle)
    if ORPHAN in own_finalizers:
        return Verdict(delete="Orphan")
    if FOREGROUND in own_finalizers:
        return Verdict(delete="Foreground")
    return Verdict(delete="Background")


class GarbageCollector:
    name = "garbagecollector"

    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self.graph = OwnerGraph()
        self.queue: WorkQueue[str] = WorkQueue(clock, name=self.name)
        self._client = client
        self._clock = clock
        self._informers = InformerFactory(client, clock, rng)
        self._watched: dict[GVR, Informer] = {}
        self._kinds: dict[tuple[str, str], GVR] = {}  # (group, kind) → resource
        self._rediscover = asyncio.Event()
        self._discovered = asyncio.Event()

    def has_synced(self) -> bool:
        return self._discovered.is_set() and all(each.has_synced() for each in self._watched.values())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run(), name="metadata informers")
            group.create_task(self._keep_discovering(), name="discovery")
            await self._discovered.wait()
            with contextlib.suppress(TimeoutError):  # one kind that cannot be listed must not stop all
                async with asyncio.timeout(_SYNC_LIMIT_S):
                    await self._informers.wait_synced()
            for number in range(_WORKERS):
                group.create_task(self._work(), name=f"garbage collector {number}")

    # Watching

    async def _keep_discovering(self) -> None:
        while True:
            self._rediscover.clear()
            try:
                self._follow(*await discover(self._client, _VERBS))
                self._discovered.set()
                wait_s = _DISCOVERY_S
            except (ApiError, TransportError) as error:
                log.info("discovery failed, trying again", why=str(error))
                wait_s = 1.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._rediscover.wait()

    def _follow(self, resources: list[GVR], failed: list[str]) -> None:
        """Watches new kinds and forgets removed ones (not those of groups that did not answer)."""
        wanted = {gvr: None for gvr in resources if (gvr.group, gvr.resource) not in _IGNORED}
        self._kinds = {(gvr.group, gvr.kind): gvr for gvr in resources}
        for gvr in wanted:
            if gvr not in self._watched:
                self._watched[gvr] = self._watch(gvr)
        for gvr in [each for each in self._watched if each not in wanted]:
            if gvr.api_version not in failed:
                self._informers.forget(self._watched.pop(gvr))
                for node in self.graph.of_resource(gvr):
                    self._removed(node.uid)

    def _watch(self, gvr: GVR) -> Informer:
        informer = self._informers.informer(gvr, metadata_only=True)
        informer.add_handler(
            on_add=lambda obj: self._observed(gvr, obj),
            on_update=lambda old, new: self._observed(gvr, new),
            on_delete=lambda obj: self._removed(uid(obj)),
        )
        if (gvr.group, gvr.resource) == (CRDS.group, CRDS.resource):
            informer.add_handler(
                on_add=lambda obj: self._rediscover.set(),
                on_update=lambda old, new: self._rediscover.set(),
                on_delete=lambda obj: self._rediscover.set(),
            )
        return informer

    def _observed(self, gvr: GVR, obj: Obj) -> None:
        for each in self.graph.observe(gvr, obj):
            self.queue.add(each)

    def _removed(self, id_: str) -> None:
        for each in self.graph.remove(id_):
            self.queue.add(each)

    # Working

    async def _work(self) -> None:
        while True:
            id_ = await self.queue.get()
            try:
                await self._look_at(id_)
            except Conflict:
                self.queue.add_rate_limited(id_)
            except (ApiError, TransportError) as error:
                log.warning("an object could not be handled, trying again", uid=id_, why=str(error))
                self.queue.add_rate_limited(id_)
            except Exception:
                log.exception("an object could not be handled, trying again", uid=id_)
                self.queue.add_rate_limited(id_)
            else:
                self.queue.forget(id_)
            finally:
                self.queue.done(id_)

    async def _look_at(self, id_: str) -> None:
        node = self.graph.nodes.get(id_)
        if node is None or node.is_virtual:
            return
        if node.orphans_dependents:
            await self._orphan_dependents(node)
        elif node.waits_for_dependents:
            await self._delete_dependents(node)
        elif not node.deleting and not self.graph.has_solid_owners(node):
            await self._judge(node)

    async def _judge(self, node: Node) -> None:
        live = await self._get(node)
        if live is None:
            self._removed(node.uid)
            return
        if is_being_deleted(live):
            return  # its own event is on the way
        states: dict[str, OwnerState] = {}
        for ref in references_of(live):
            state = await self._state_of(node, ref)
            if state is None:
                return
            states[ref.uid] = state
        verdict = plan_item(states, list(finalizers(live)), self.graph.dependents(node.uid))
        if verdict.unblock:
            freed = [{**ref, "blockOwnerDeletion": False} for ref in owners(live)]
            live = await self._patch(node, live, {"ownerReferences": freed})
        if verdict.drop_owners:
            kept = [ref for ref in owners(live) if ref["uid"] not in verdict.drop_owners]
            await self._patch(node, live, {"ownerReferences": kept})
        if verdict.delete is not None:
            log.debug("deleting", object=f"{node.gvr} {node.key}", policy=verdict.delete)
            assert node.gvr is not None
            with contextlib.suppress(NotFound):
                await self._client.delete(
                    node.gvr,
                    node.key.name,
                    node.key.namespace,
                    propagation_policy=verdict.delete,
                    uid=node.uid,
                    resource_version=live["metadata"]["resourceVersion"],
                )

    async def _state_of(self, node: Node, ref: Reference) -> OwnerState | None:
        """None where it cannot be told: then nothing may be decided."""
        gvr = self._kinds.get((ref.group, ref.kind))
        if gvr is None:
            log.info("an owner's kind is unknown, leaving the object", object=str(node.key), owner=str(ref))
            raise NotFound(f"owner kind {ref.kind} of group {ref.group!r} is not served")
        if gvr.namespaced and not node.key.namespace:
            log.warning("a cluster-scoped object names a namespaced owner", object=str(node.key))
            return None
        namespace = node.key.namespace if gvr.namespaced else ""
        known = self.graph.owner_of(node, ref)
        if known is not None:
            return "waiting" if known.waits_for_dependents else "solid"
        try:
            live = await self._client.get(gvr, ref.name, namespace)
        except NotFound:
            return "absent"
        if uid(live) != ref.uid:
            return "absent"
        return "waiting" if is_being_deleted(live) and FOREGROUND in finalizers(live) else "solid"

    async def _delete_dependents(self, node: Node) -> None:
        """Foreground: dependents are looked at by themselves; the last that blocks wakes us again."""
        blocking = self.graph.blocking_dependents(node.uid)
        for each in blocking:
            if not each.deleting:
                self.queue.add(each.uid)
        if not blocking:
            await self._drop_finalizer(node, FOREGROUND)

    async def _orphan_dependents(self, node: Node) -> None:
        for each in self.graph.dependents(node.uid):
            live = await self._get(each)
            if live is not None:
                kept = [ref for ref in owners(live) if ref["uid"] != node.uid]
                if len(kept) != len(owners(live)):
                    await self._patch(each, live, {"ownerReferences": kept})
        await self._drop_finalizer(node, ORPHAN)

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        live = await self._get(node)
        if live is not None and finalizer in finalizers(live):
            kept = [each for each in finalizers(live) if each != finalizer]
            await self._patch(node, live, {"finalizers": kept})

    async def _get(self, node: Node) -> Obj | None:
        """The object as the server has it; None if it is gone or another one has its name."""
        assert node.gvr is not None
        try:
            live = await self._client.get(node.gvr, node.key.name, node.key.namespace)
        except NotFound:
            return None
        return live if uid(live) == node.uid else None

    async def _patch(self, node: Node, live: Obj, metadata: Obj) -> Obj:
        """A merge patch that holds only for the state just read (Conflict otherwise)."""
        assert node.gvr is not None
        precondition = {"resourceVersion": live["metadata"]["resourceVersion"]}
        emptied = {name: value or None for name, value in metadata.items()}  # null takes the key away
        patch = {"metadata": {**emptied, **precondition}}
        try:
            return await self._client.patch(node.gvr, node.key.name, patch, node.key.namespace)
        except NotFound:
            return live

"""The resource quota controller: recounts what a namespace has, and gives back what is gone.

Owns     the status of every ResourceQuota: `hard` as the spec says, `used` as counted.
Woken by changes of a quota's spec, by the end of an object of a kind that some quota counts, by changes that free
         something (a pod that ended, a Service that is no load balancer any more); every five minutes besides.
Watches  a kind only while a quota counts it: pods, services and claims whole, of all others the metadata.

Invariants: a name is written only after its kind was listed once; what cannot be counted keeps its last number.
Admission charges before it stores, so an object that appears needs no recount.

Source: Kubernetes "Resource Quotas"; pkg/controller/resourcequota.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

from api.quota.amounts import NONE, Amounts, add, masked, read, written
from api.quota.scopes import is_in_scope
from api.quota.usage import CLAIMS, PODS, SERVICES, kind_of, usage_of
from client.client import Client
from client.discovery import discover
from client.informer import Informer, InformerFactory
from client.logs import get_logger
from client.transport import TransportError
from machinery.clock import Clock
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import GVR, Key, key_of
from machinery.workqueue import WorkQueue

Obj = dict[str, Any]
Kind = tuple[str, str]  # group and plural

RESOURCE_QUOTAS = GVR("", "v1", "resourcequotas", kind="ResourceQuota")
_RECOUNT_S = 300.0
_SYNC_LIMIT_S = 10.0
_WORKERS = 5
_WHOLE = (PODS, SERVICES, CLAIMS)

log = get_logger("controllers.resourcequota")


def plan_status(quota: Obj, counted: Mapping[Kind, Sequence[Obj]], now: float) -> Obj | None:
    """The status as it should be, None where it is so. `counted` has the namespace's objects of the kinds that
    could be listed; names about other kinds keep what is known of them."""
    hard = read((quota.get("spec") or {}).get("hard"))
    status = quota.get("status") or {}
    used: Amounts = read(status.get("used"))
    for kind, objects in counted.items():
        group, plural = kind
        names = [name for name in hard if kind_of(name) == kind]
        total: Amounts = dict.fromkeys(names, NONE)
        for obj in objects:
            if is_in_scope(quota, plural if not group else "", obj):
                add(total, masked(usage_of(group, plural, obj, now), names))
        used.update(total)
    used = masked(used, hard)
    if read(status.get("hard")) == hard and read(status.get("used")) == used and "hard" in status:
        return None
    return {"hard": written(hard), "used": written(used)}


def kinds_of(quota: Obj) -> list[Kind]:
    """What a quota counts, in the order of its names."""
    named = (kind_of(name) for name in (quota.get("spec") or {}).get("hard") or ())
    return list(dict.fromkeys(kind for kind in named if kind is not None))


def frees(kind: Kind, old: Obj, new: Obj, now: float) -> bool:
    """Whether the change leaves something to others."""
    before, after = usage_of(*kind, old, now), usage_of(*kind, new, now)
    return any(after.get(name, NONE) < amount for name, amount in before.items())


class ResourceQuotas:
    name = "resourcequota"

    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(clock, name=self.name)
        self._client = client
        self._clock = clock
        self._informers = InformerFactory(client, clock, rng)
        self._quotas = self._informers.informer(RESOURCE_QUOTAS)
        self._served: dict[Kind, GVR] = {}
        self._counted: dict[Kind, Informer] = {}

    def has_synced(self) -> bool:
        return self._quotas.has_synced()

    async def run(self) -> None:
        self._quotas.add_handler(
            on_add=lambda quota: self.queue.add(key_of(quota)),
            on_update=self._quota_changed,
            on_delete=lambda quota: self._forget_uncounted(),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run(), name="quota informers")
            for number in range(_WORKERS):
                group.create_task(self._work(), name=f"resource quota {number}")

    def _quota_changed(self, old: Obj, new: Obj) -> None:
        # Its status is charged with every create: only a new spec, or a status that was reset, needs a recount.
        if old.get("spec") != new.get("spec") or "hard" not in (new.get("status") or {}):
            self.queue.add(key_of(new))
            self._forget_uncounted()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._recount(key)
            except Conflict:
                self.queue.add_rate_limited(key)
            except (ApiError, TransportError) as error:
                log.warning("a quota could not be recounted, trying again", quota=str(key), why=str(error))
                self.queue.add_rate_limited(key)
            else:
                self.queue.forget(key)
                if self._quotas.lister.get(*key) is not None:
                    self.queue.add_after(key, _RECOUNT_S)
            finally:
                self.queue.done(key)

    async def _recount(self, key: Key) -> None:
        quota = self._quotas.lister.get(*key)
        if quota is None:
            return
        counted: dict[Kind, Sequence[Obj]] = {}
        for kind in kinds_of(quota):
            informer = await self._counting(kind)
            if informer is not None:
                counted[kind] = informer.lister.list(key.namespace)
        quota = self._quotas.lister.get(*key)
        status = plan_status(quota, counted, self._clock.now()) if quota is not None else None
        if quota is not None and status is not None:
            with contextlib.suppress(NotFound):
                await self._client.update(RESOURCE_QUOTAS, {**quota, "status": status}, subresource="status")

    # What is watched

    async def _counting(self, kind: Kind) -> Informer | None:
        """The synced cache of a kind; None where it is not served, or could not be listed in time."""
        if kind not in self._served:
            resources, _ = await discover(self._client, ("list", "watch"))
            self._served = {(each.group, each.resource): each for each in resources if each.namespaced}
        gvr = self._served.get(kind)
        if gvr is None:
            return None
        informer = self._counted.get(kind)
        if informer is None:
            informer = self._counted[kind] = self._watch(kind, gvr)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SYNC_LIMIT_S):
                await informer.wait_synced()
        return informer if informer.has_synced() else None

    def _watch(self, kind: Kind, gvr: GVR) -> Informer:
        whole = kind in _WHOLE
        informer = self._informers.informer(gvr, metadata_only=not whole)

        def updated(old: Obj, new: Obj) -> None:
            if frees(kind, old, new, self._clock.now()):
                self._freed(kind, new)

        informer.add_handler(
            on_update=updated if whole else None, on_delete=lambda obj: self._freed(kind, obj)
        )
        return informer

    def _freed(self, kind: Kind, obj: Obj) -> None:
        for quota in self._quotas.lister.list(obj["metadata"]["namespace"]):
            if kind in kinds_of(quota):
                self.queue.add(key_of(quota))

    def _forget_uncounted(self) -> None:
        wanted = {kind for quota in self._quotas.lister.list() for kind in kinds_of(quota)}
        for kind in [each for each in self._counted if each not in wanted]:
            self._informers.forget(self._counted.pop(kind))

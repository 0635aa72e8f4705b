"""What a reconciler has in its hands for one call: caches, a client, time, chance, events, a log."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from client.client import Client
from client.events import EventRecorder
from client.indexer import Lister
from client.informer import Informer
from client.logs import Logger
from controllers.framework.reconciler import CONTROLLER_INDEX, Reconciler
from machinery.clock import Clock
from machinery.gvk import GVR, Key
from machinery.objects import owner_reference, uid

Obj = dict[str, Any]


class Context:
    """`client` reads and writes the server, `lister` reads the cache (shared objects: copy to change).

    `memory` belongs to the reconciler, lives as long as its Runner and starts empty after a restart:
    nothing may be lost with it but time.
    """

    __slots__ = ("_informers", "client", "clock", "events", "log", "memory", "reconciler", "rng")

    def __init__(
        self,
        reconciler: Reconciler,
        informers: Mapping[GVR, Informer],
        client: Client,
        clock: Clock,
        rng: random.Random,
        events: EventRecorder,
        log: Logger,
        memory: dict[Any, Any],
    ) -> None:
        self.reconciler = reconciler
        self._informers = informers
        self.client = client
        self.clock = clock
        self.rng = rng
        self.events = events
        self.log = log
        self.memory = memory

    @property
    def now(self) -> float:
        """Wall time in seconds."""
        return self.clock.now()

    def lister(self, gvr: GVR) -> Lister:
        """The cache of a kind that the reconciler has declared (as its own, owns, watches or reads)."""
        informer = self._informers.get(gvr)
        if informer is None:
            raise LookupError(
                f"reconciler {self.reconciler.name} reads {gvr} without declaring it: add it to reads=(...)"
            )
        return informer.lister

    def get(self, key: Key) -> Obj | None:
        """The reconciler's own object, from the cache."""
        return self.lister(self.reconciler.gvr).get(*key)

    def owned(self, gvr: GVR, owner: Obj) -> list[Obj]:
        """The objects of an owned kind whose controller is `owner`, by uid."""
        return self.lister(gvr).by_index(CONTROLLER_INDEX, uid(owner))

    def orphans(self, gvr: GVR, namespace: str) -> list[Obj]:
        """The objects of an owned kind in a namespace that have no controller."""
        return self.lister(gvr).by_index(CONTROLLER_INDEX, f"orphans/{namespace}")

    async def apply(self, gvr: GVR, obj: Obj, *, owner: Obj | None = None) -> Obj:
        """Makes the object be as said, by server-side apply under the reconciler's name; gives what it is now.

        `obj` may leave out apiVersion and kind; with `owner` it belongs to that object, goes with it,
        and takes its name and namespace where it has none. Applying the same again changes nothing.
        """
        metadata = dict(obj.get("metadata") or {})
        if owner is not None:
            own = self.reconciler.gvr
            reference = owner_reference(owner, api_version=own.api_version, kind=own.kind)
            metadata["ownerReferences"] = [reference]
            metadata.setdefault("name", owner["metadata"]["name"])
            if gvr.namespaced and owner["metadata"].get("namespace"):
                metadata.setdefault("namespace", owner["metadata"]["namespace"])
        whole = {"apiVersion": gvr.api_version, "kind": gvr.kind, **obj, "metadata": metadata}
        return await self.client.patch(
            gvr,
            metadata["name"],
            whole,
            metadata.get("namespace", ""),
            type="apply",
            field_manager=self.reconciler.name,
            force=True,
        )

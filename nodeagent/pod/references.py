"""The ConfigMaps and Secrets that this node's pods refer to, each watched by name and nothing else.

A node may read only what its pods name (the Node authorizer), so every object has an informer of its own,
shared by all pods that name it and dropped a while after the last one is gone. Who refers to an object is
woken when it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from client.informer import Informer, InformerFactory
from machinery.gvk import CONFIGMAPS, GVR, SECRETS
from nodeagent.hooks.hook import ObjectRef
from nodeagent.podspec import Obj

GVRS: dict[str, GVR] = {"configmap": CONFIGMAPS, "secret": SECRETS}
FETCH_TIMEOUT_S = 10.0


@dataclass(slots=True)
class _Watched:
    informer: Informer
    users: dict[str, Callable[[], None]] = field(default_factory=dict)  # by pod uid

    def changed(self, *_: Obj) -> None:
        for wake in list(self.users.values()):
            wake()


class References:
    def __init__(self, informers: InformerFactory) -> None:
        self._informers = informers
        self._watched: dict[tuple[str, ObjectRef], _Watched] = {}
        self._held: dict[str, set[tuple[str, ObjectRef]]] = {}

    def hold(self, uid: str, namespace: str, refs: Iterable[ObjectRef], wake: Callable[[], None]) -> None:
        """From now on the pod holds exactly these."""
        wanted = {(namespace, ref) for ref in refs}
        before = self._held.get(uid, set())
        for key in sorted(before - wanted):
            self._release(uid, key)
        for key in sorted(wanted - before):
            self._acquire(uid, key, wake)
        if wanted:
            self._held[uid] = wanted
        else:
            self._held.pop(uid, None)

    def drop(self, uid: str) -> None:
        for key in sorted(self._held.pop(uid, set())):
            self._release(uid, key)

    async def ready(self, uid: str) -> None:
        """Returns once all that the pod holds has been read. TimeoutError when the server does not answer."""
        pending = [
            self._watched[key].informer
            for key in sorted(self._held.get(uid, set()))
            if not self._watched[key].informer.has_synced()
        ]
        if pending:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                for informer in pending:
                    await informer.wait_synced()

    def get(self, namespace: str, ref: ObjectRef) -> Obj | None:
        watched = self._watched.get((namespace, ref))
        return watched.informer.lister.get(namespace, ref.name) if watched else None

    def _acquire(self, uid: str, key: tuple[str, ObjectRef], wake: Callable[[], None]) -> None:
        watched = self._watched.get(key)
        if watched is None:
            namespace, ref = key
            informer = self._informers.informer(
                GVRS[ref.kind], namespace, field_selector=f"metadata.name={ref.name}"
            )
            watched = self._watched[key] = _Watched(informer)
            informer.add_handler(on_add=watched.changed, on_update=watched.changed, on_delete=watched.changed)
        watched.users[uid] = wake

    def _release(self, uid: str, key: tuple[str, ObjectRef]) -> None:
        watched = self._watched.get(key)
        if watched is None:
            return
        watched.users.pop(uid, None)
        if not watched.users:
            del self._watched[key]
            self._informers.forget(watched.informer)

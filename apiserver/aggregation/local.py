"""The APIService objects of what this server serves itself: made, kept, and taken away with the custom resources.

Built-in groups' are made at the start ("onstart": later changes are left alone); those of custom resources come and
go with them ("true": kept in step). Objects that nobody labelled so are never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

from api.resource import Obj
from apiserver.aggregation.priorities import OWN_GROUP, priority_of
from apiserver.aggregation.remote import Remotes
from apiserver.engine.bootstrap import SELF
from apiserver.engine.catalog import Catalog, Served
from apiserver.engine.create import create
from apiserver.engine.delete import delete
from apiserver.engine.delete_options import DeleteOptions
from apiserver.engine.engine import Call, Engine, WriteOptions
from apiserver.engine.keeping import keep
from apiserver.engine.update import update
from machinery.errors import AlreadyExists, Conflict, NotFound

AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
_OPTIONS = WriteOptions(field_manager="kube-apiserver")


def wanted_services(catalog: Catalog) -> dict[str, Obj]:
    found: dict[str, Obj] = {}
    for served in catalog.all():
        gvr = served.resource.gvr
        if gvr.group == OWN_GROUP:
            continue
        name = f"{gvr.version}.{gvr.group}"
        if name in found:
            continue
        place = priority_of(gvr.group, gvr.version)
        spec = {"version": gvr.version, "groupPriorityMinimum": place.group, "versionPriority": place.version}
        if gvr.group:
            spec["group"] = gvr.group
        label = "true" if served.resource.custom else "onstart"
        found[name] = {"metadata": {"name": name, "labels": {AUTOMANAGED: label}}, "spec": spec}
    return found


def plan_local(wanted: Mapping[str, Obj], there: Mapping[str, Obj]) -> tuple[list[Obj], list[Obj], list[str]]:
    """(to create, to update, to delete)"""
    missing = [obj for name, obj in wanted.items() if name not in there]
    changed, gone = [], []
    for name, obj in there.items():
        label = (obj["metadata"].get("labels") or {}).get(AUTOMANAGED)
        if label != "true":
            continue
        want = wanted.get(name)
        if want is None:
            gone.append(name)
        elif want["spec"] != obj["spec"]:
            changed.append({**obj, "spec": want["spec"]})
    return missing, changed, gone


class LocalServices:
    def __init__(self, engine: Engine, remotes: Remotes) -> None:
        self._engine = engine
        self._remotes = remotes
        self.settled = asyncio.Event()
        self._news = asyncio.Event()
        self._listening = False

    async def run(self) -> None:
        """Until cancelled. The APIServices must be followed by `remotes`."""
        catalog = self._engine.catalog
        served = catalog.find(OWN_GROUP, "apiservices")
        if served is None:
            self.settled.set()
            return
        if not self._listening:
            self._listening = True
            catalog.listeners.append(self._news.set)
            self._remotes.listeners.append(self._news.set)

        async def once() -> None:
            await self._apply(served, *plan_local(wanted_services(catalog), self._remotes.objects))
            self.settled.set()

        await keep("own API services", once, self._news)

    async def _apply(
        self, served: Served, missing: Iterable[Obj], changed: Iterable[Obj], gone: Iterable[str]
    ) -> None:
        resource = served.resource
        calls = []
        for obj in missing:
            whole = {"apiVersion": resource.gvr.api_version, "kind": resource.kind, **obj}
            calls.append(create(self._engine, Call(served, SELF, options=_OPTIONS), whole))
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, AlreadyExists):
                raise answer
        for obj in changed:
            with suppress(Conflict, NotFound):
                call = Call(served, SELF, "", obj["metadata"]["name"], options=_OPTIONS)
                await update(self._engine, call, obj)
        for name in gone:
            with suppress(NotFound):
                call = Call(served, SELF, "", name, options=_OPTIONS)
                await delete(self._engine, call, DeleteOptions())

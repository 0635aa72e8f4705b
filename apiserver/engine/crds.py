"""Serves CustomResourceDefinitions: stored, and the very next request finds the resource.

    create/update of a definition → names judged, status set (before it is stored)
                                  → its versions put into the catalog (before the write is answered)
    delete                        → marked, with a finalizer → instances deleted one by one → finalizer taken → gone

A new server process loads what is stored, and takes up deletions that were under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from api.apiextensions.v1.conditions import CLEANUP, set_terminating
from api.resource import Obj, Resource
from apiserver.backends.backend import StoreUnavailable
from apiserver.engine.bootstrap import SELF
from apiserver.engine.catalog import Served, version_priority
from apiserver.engine.conversion import CustomForm
from apiserver.engine.crd_status import has_its_names, is_established, plan_status
from apiserver.engine.delete import delete
from apiserver.engine.delete_options import DeleteOptions
from apiserver.engine.engine import Call, Engine, Undo, WriteHook
from apiserver.engine.stores import Stores
from apiserver.engine.write import Change, Scope, guaranteed_update
from apiserver.storage.extract import extractor
from apiserver.storage.store import Entry
from apiserver.storage.view import View
from client.logs import get_logger
from machinery.clock import rfc3339
from machinery.errors import ApiError, NotFound

# Every version of the definition, the storage version (which needs no conversion) among them.
ResourcesOf = Callable[[Obj], Sequence[Resource]]
log = get_logger("definitions")

_LOOK_AGAIN_S = 0.1
_LOOK_AGAIN_AT_MOST_S = 5.0


class CustomResources(WriteHook):
    def __init__(self, engine: Engine, stores: Stores, resources_of: ResourcesOf) -> None:
        self._engine = engine
        self._stores = stores
        self._resources_of = resources_of
        self._definitions: dict[str, Obj] = {}
        self._serving: dict[str, list[Resource]] = {}
        self._stored: dict[str, Served] = {}  # the storage version, served or not
        self._cleaning: dict[str, asyncio.Task[None]] = {}
        self._due: asyncio.Queue[tuple[Literal["clean", "judge"], str]] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()

    async def load(self, definitions: Sequence[Obj]) -> None:
        """Serve what is stored, at start."""
        for crd in definitions:
            await self._take(crd)

    async def run(self) -> None:
        """Owns the deletions under way, until cancelled; gives names that became free to who waits for them.
        May be called again when it failed: what was under way is found anew."""
        for name, crd in self._definitions.items():
            if crd["metadata"].get("deletionTimestamp") and CLEANUP in (
                crd["metadata"].get("finalizers") or ()
            ):
                self._due.put_nowait(("clean", name))
            if not has_its_names(crd):
                self._due.put_nowait(("judge", name))
        async with asyncio.TaskGroup() as group:
            while True:
                work, name = await self._due.get()
                running = self._cleaning.get(name)
                if work == "judge":
                    group.create_task(self._write(name, self._judge), name=f"judge {name}")
                elif running is None or running.done():
                    self._cleaning[name] = group.create_task(self._clean(name), name=f"clean {name}")

    async def before_create(self, call: Call, obj: Obj) -> Undo | None:
        self._judge(obj)
        return None

    async def before_update(self, call: Call, obj: Obj, old: Obj) -> Undo | None:
        if obj.get("spec") != old.get("spec"):
            self._judge(obj)
        return None

    def _judge(self, obj: Obj) -> None:
        try:
            group, name = obj["spec"]["group"], obj["metadata"]["name"]
            others = [
                each
                for other, each in self._definitions.items()
                if other != name and each["spec"]["group"] == group
            ]
            obj["status"] = plan_status(obj, others, rfc3339(self._engine.clock.now()))
        except (KeyError, TypeError):
            return  # not a whole definition: validation says so next

    async def after_write(self, call: Call, obj: Obj, old: Obj | None) -> None:
        await self._take(obj)

    async def after_delete(self, call: Call, obj: Obj) -> None:
        await self._drop(obj["metadata"]["name"])

    async def follow(self, name: str, crd: Obj | None) -> None:
        """What the store's watch tells, where other servers write to it too. Our own writes change nothing here."""
        standing = self._definitions.get(name)
        if crd is None:
            if standing is not None:
                await self._drop(name)
        elif standing is None or _revision(standing) < _revision(crd):
            await self._take(crd)

    async def _take(self, crd: Obj) -> None:
        async with self._one_at_a_time:
            await self._take_one(crd)

    async def _take_one(self, crd: Obj) -> None:
        name = crd["metadata"]["name"]
        standing = self._definitions.get(name)
        self._definitions[name] = crd
        terminating = bool(crd["metadata"].get("deletionTimestamp"))
        if is_established(crd) and (
            standing is None
            or name not in self._serving
            or standing["spec"] != crd["spec"]
            or bool(standing["metadata"].get("deletionTimestamp")) != terminating
        ):
            try:
                await self._serve(name, crd, terminating)
            except BaseException:  # it is taken again
                self._definitions.pop(name)
                if standing is not None:
                    self._definitions[name] = standing
                raise
        if terminating and CLEANUP in (crd["metadata"].get("finalizers") or ()):
            self._due.put_nowait(("clean", name))

    async def _serve(self, name: str, crd: Obj, terminating: bool) -> None:
        resources = list(self._resources_of(crd))
        versions = {each["name"]: each for each in crd["spec"]["versions"]}
        base = next(each for each in resources if versions[each.gvr.version].get("storage"))
        before = self._serving.get(name) or []
        store, _ = await self._stores.open(base)
        served = [each for each in resources if versions[each.gvr.version].get("served", True)]
        catalog = self._engine.catalog
        unserved = {each.gvr.api_version: each for each in resources if each not in served}
        forms = {each.gvr.api_version: each for each in resources}
        for resource in served:
            form = CustomForm(self._engine.conversions, resource, base, forms)
            extract = extractor(resource.selectable_fields, namespaced=resource.namespaced)
            former = catalog.get(resource.gvr.group, resource.gvr.version, resource.gvr.resource)
            if former is not None and isinstance(former.store, View):
                former.store.replace()
            entry = catalog.add(resource, View(store, form, extract), base)
            entry.creatable = not terminating
            entry.unserved = unserved
            version = versions[resource.gvr.version]
            if version.get("deprecated"):
                entry.deprecation = version.get("deprecationWarning") or default_warning(crd["spec"], version)
        now_served = {each.gvr.version for each in served}
        for resource in before:
            if resource.gvr.version not in now_served:
                catalog.remove(resource.gvr.group, resource.gvr.version, resource.gvr.resource)
        self._serving[name] = resources
        self._stored[name] = Served(base, store, base)

    async def _drop(self, name: str) -> None:
        async with self._one_at_a_time:
            gone = self._definitions.pop(name, None)
            self._stored.pop(name, None)
            for resource in self._serving.pop(name, ()):
                gvr = resource.gvr
                self._engine.catalog.remove(gvr.group, gvr.version, gvr.resource)
                await self._stores.close(resource.storage_prefix)
            for other, crd in self._definitions.items():
                # Its names are free: somebody may have waited for them.
                if gone and crd["spec"]["group"] == gone["spec"]["group"] and not has_its_names(crd):
                    self._due.put_nowait(("judge", other))

    async def _clean(self, name: str) -> None:
        """Delete every instance, wait until their finalizers are through, then let the definition go."""
        await self._write(name, self._tell_terminating)
        delay_s = _LOOK_AGAIN_S
        while name in self._definitions and not await self._has_no_instances(name):
            await self._engine.clock.sleep(delay_s)
            delay_s = min(delay_s * 2, _LOOK_AGAIN_AT_MOST_S)
        await self._write(name, self._let_go)

    def _tell_terminating(self, crd: Obj) -> None:
        set_terminating(crd, rfc3339(self._engine.clock.now()), done=False)

    def _let_go(self, crd: Obj) -> None:
        meta = crd["metadata"]
        meta["finalizers"] = [each for each in meta.get("finalizers") or () if each != CLEANUP]
        if not meta["finalizers"]:
            meta.pop("finalizers")
        set_terminating(crd, rfc3339(self._engine.clock.now()), done=True)

    async def _write(self, name: str, change: Callable[[Obj], None]) -> None:
        """Change a definition as the server itself."""
        definitions = self._engine.catalog.find("apiextensions.k8s.io", "customresourcedefinitions")
        if definitions is None:
            return

        def changer(old: Obj, entry: Entry) -> Change:
            change(old)
            return Change(old, manager_op="")

        call = Call(definitions, SELF, "", name)
        told = ""
        while True:
            try:
                await guaranteed_update(self._engine, call, changer, Scope(_keep, _no_causes, False))
                return
            except NotFound:
                await self._drop(name)
                return
            except (
                ApiError,
                StoreUnavailable,
            ) as error:  # somebody's policy or webhook may refuse it, for now
                if str(error) != told:
                    told = str(error)
                    log.warning("a definition cannot be written, is tried again", name=name, error=told)
                await self._engine.clock.sleep(_LOOK_AGAIN_AT_MOST_S)

    async def _has_no_instances(self, name: str) -> bool:
        try:
            return await self._delete_instances(name)
        except StoreUnavailable:
            return False

    async def _delete_instances(self, name: str) -> bool:
        """One round; True when nothing is left."""
        served = self._stored.get(name)
        if served is None:
            return True
        result = await served.store.list()
        for entry in result.entries:
            try:
                call = Call(served, SELF, entry.namespace, entry.name)
                await delete(self._engine, call, DeleteOptions(), entry=entry)
            except ApiError:
                continue
        return not (await served.store.list(limit=1)).entries


def default_warning(spec: Obj, version: Obj) -> str:
    """Of a deprecated version; it names the newest one to use instead, where there is one."""
    group, kind, priority = spec["group"], spec["names"]["kind"], version_priority(version["name"])
    better = [
        each["name"]
        for each in spec["versions"]
        if each.get("served") and not each.get("deprecated") and version_priority(each["name"]) > priority
    ]
    said = f"{group}/{version['name']} {kind} is deprecated"
    return f"{said}; use {group}/{max(better, key=version_priority)} {kind}" if better else said


def _revision(crd: Obj) -> int:
    return int(crd["metadata"].get("resourceVersion") or 0)


def _keep(obj: Obj, old: Obj) -> None:
    return None


def _no_causes(obj: Obj, old: Obj) -> tuple[()]:
    return ()

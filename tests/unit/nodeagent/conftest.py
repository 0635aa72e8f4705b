"""A node agent's pods in a world of its own: scripted API, fake runtime, memory files, virtual time."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from client.client import WatchEvent
from client.events import EventRecorder
from client.informer import InformerFactory
from client.logs import get_logger
from machinery.clock import LoopClock, rfc3339
from machinery.errors import Conflict, NotFound, not_found
from machinery.gvk import EVENTS, GVR, PODS, SERVICES
from machinery.selectors.fields import parse_field_selector
from machinery.virtual_loop import run
from nodeagent.config import AgentConfig
from nodeagent.files_memory import MemoryFiles
from nodeagent.network import SimulatedNetwork
from nodeagent.pod.deps import Deps, NodeFacts
from nodeagent.pod.events import PodEvents
from nodeagent.pod.images import ImagePuller
from nodeagent.pod.references import References
from nodeagent.pod.tokens import Tokens
from nodeagent.pods import PodSet
from runtime.fake import Delays, FakeImages, FakeRuntime

Obj = dict[str, Any]


class ScriptedApi:
    """The verbs of client.Client over a dict. Deletes as the API server does: a pod waits for its node."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.objects: dict[tuple[str, str, str], Obj] = {}
        self.history: list[tuple[GVR, str, Obj]] = []
        self.patches: list[Obj] = []
        self.version = 0
        self.watchers: list[tuple[GVR, str, Callable[[Obj], bool], asyncio.Queue[WatchEvent]]] = []
        self.token_requests: list[Obj] = []
        self.fail: Callable[[str, GVR, str], Exception | None] = lambda verb, gvr, name: None

    def _check(self, verb: str, gvr: GVR, name: str) -> None:
        if (error := self.fail(verb, gvr, name)) is not None:
            raise error

    def _store(self, type_: str, gvr: GVR, obj: Obj) -> Obj:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        obj["apiVersion"], obj["kind"] = gvr.api_version, gvr.kind
        key = gvr.resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        if type_ == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = obj
        for watched, namespace, wanted, queue in self.watchers:
            if watched.resource == gvr.resource and namespace in ("", key[1]) and wanted(obj):
                queue.put_nowait(WatchEvent(type_, copy.deepcopy(obj)))
        return copy.deepcopy(obj)

    async def get(self, gvr: GVR, name: str, namespace: str = "", **_: Any) -> Obj:
        self._check("get", gvr, name)
        try:
            return copy.deepcopy(self.objects[gvr.resource, namespace, name])
        except KeyError:
            raise not_found(gvr.group, gvr.resource, name) from None

    async def list(self, gvr: GVR, namespace: str = "", *, field_selector: str = "", **_: Any) -> Obj:
        self._check("list", gvr, "")
        wanted = _selector(field_selector)
        items = [
            copy.deepcopy(obj)
            for (resource, ns, _), obj in sorted(self.objects.items())
            if resource == gvr.resource and namespace in ("", ns) and wanted(obj)
        ]
        return {"items": items, "metadata": {"resourceVersion": str(self.version)}}

    async def create(self, gvr: GVR, obj: Obj, namespace: str = "", **more: Any) -> Obj:
        self._check("create", gvr, obj.get("metadata", {}).get("name", ""))
        if more.get("subresource") == "token":
            self.token_requests.append(obj)
            expires = self.clock.now() + obj["spec"]["expirationSeconds"]
            number = len(self.token_requests)
            return {"status": {"token": f"token-{number}", "expirationTimestamp": rfc3339(expires)}}
        made = copy.deepcopy(obj)
        meta = made.setdefault("metadata", {})
        if gvr.namespaced:
            meta.setdefault("namespace", namespace or "default")
        meta.setdefault("uid", f"uid-{meta['name']}-{self.version}")
        meta.setdefault("creationTimestamp", rfc3339(self.clock.now()))
        return self._store("ADDED", gvr, made)

    async def update(self, gvr: GVR, obj: Obj, **_: Any) -> Obj:
        await self.get(gvr, obj["metadata"]["name"], obj["metadata"].get("namespace", ""))
        return self._store("MODIFIED", gvr, copy.deepcopy(obj))

    async def patch(self, gvr: GVR, name: str, patch: Obj, namespace: str = "", **_: Any) -> Obj:
        self._check("patch", gvr, name)
        obj = await self.get(gvr, name, namespace)
        if patch.get("metadata", {}).get("uid", obj["metadata"]["uid"]) != obj["metadata"]["uid"]:
            raise Conflict("the uid differs")
        if gvr is PODS:
            self.patches.append(copy.deepcopy(patch))
        _merge(obj, copy.deepcopy(patch))
        return self._store("MODIFIED", gvr, obj)

    async def delete(
        self,
        gvr: GVR,
        name: str,
        namespace: str = "",
        *,
        grace_period_s: int | None = None,
        uid: str | None = None,
        **_: Any,
    ) -> Obj:
        self._check("delete", gvr, name)
        obj = await self.get(gvr, name, namespace)
        if uid is not None and uid != obj["metadata"]["uid"]:
            raise Conflict("the uid differs")
        grace = grace_period_s
        if gvr is PODS and grace is None:
            grace = obj["spec"].get("terminationGracePeriodSeconds", 30)
        if gvr is PODS and grace:
            obj["metadata"]["deletionTimestamp"] = rfc3339(self.clock.now() + grace)
            obj["metadata"]["deletionGracePeriodSeconds"] = grace
            return self._store("MODIFIED", gvr, obj)
        return self._store("DELETED", gvr, obj)

    @asynccontextmanager
    async def watch(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        field_selector: str = "",
        send_initial_events: bool = False,
        **_: Any,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        queue: asyncio.Queue[WatchEvent] = asyncio.Queue()
        wanted = _selector(field_selector)
        if send_initial_events:
            listed = await self.list(gvr, namespace, field_selector=field_selector)
            for obj in listed["items"]:
                queue.put_nowait(WatchEvent("ADDED", obj))
            mark = {
                "metadata": {
                    "resourceVersion": str(self.version),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                }
            }
            queue.put_nowait(WatchEvent("BOOKMARK", mark))
        entry = (gvr, namespace, wanted, queue)
        self.watchers.append(entry)

        async def events() -> AsyncIterator[WatchEvent]:
            while True:
                yield await queue.get()

        try:
            yield events()
        finally:
            self.watchers.remove(entry)


def _selector(text: str) -> Callable[[Obj], bool]:
    selector = parse_field_selector(text)

    def matches(obj: Obj) -> bool:
        fields = {
            "metadata.name": obj["metadata"]["name"],
            "spec.nodeName": obj.get("spec", {}).get("nodeName", ""),
        }
        return selector.matches(fields)

    return matches


def _merge(target: Obj, patch: Obj) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif key == "conditions":
            known = {c["type"]: c for c in target.get("conditions", [])}
            for entry in value:
                merged = {**known.get(entry["type"], {}), **entry}
                known[entry["type"]] = {k: v for k, v in merged.items() if v is not None}
            target["conditions"] = list(known.values())
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        elif isinstance(value, list):
            target[key] = [v for v in value if not (isinstance(v, dict) and "$patch" in v)]
        else:
            target[key] = value


class World:
    """What a test holds. `start_agent` and `stop_agent` may alternate; runtime and API live on."""

    def __init__(self, clock: LoopClock, group: asyncio.TaskGroup, **config: Any) -> None:
        self.clock = clock
        self.group = group
        self.api = ScriptedApi(clock)
        self.images = FakeImages(clock)
        self.images.preload("busybox:1", "web:1", "sidecar:1", "init:1")
        delays = Delays(0.002, 0.001, 0.002, 0.002, 0.0, 0.0)
        self.runtime = FakeRuntime(clock, random.Random(1), self.images, delays=delays)
        self.files = MemoryFiles()
        self.network = SimulatedNetwork()
        self.config = replace(AgentConfig("node-1", PurePosixPath("/data"), ("10.99.0.2",)), **config)
        self.node: Obj = {
            "metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "node-1"}},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
        }
        self.pods: PodSet | None = None
        self._task: asyncio.Task[None] | None = None

    async def start_agent(self) -> PodSet:
        client: Any = self.api
        rng = random.Random(7)
        informers = InformerFactory(client, self.clock, rng)
        self.recorder = recorder = EventRecorder(client, self.clock, rng, "kubelet", "node-1")
        events = PodEvents(recorder)
        services = informers.informer(SERVICES)
        self.deps = Deps(
            config=self.config,
            clock=self.clock,
            rng=rng,
            client=client,
            runtime=self.runtime,
            images=ImagePuller(self.images, self.clock, events),
            network=self.network,
            files=self.files,
            log_files=self.files,
            references=References(informers),
            tokens=Tokens(client, self.clock, rng),
            events=events,
            node=NodeFacts(
                allocatable={"cpu": "4", "memory": "8Gi"}, memory_bytes=8 << 30, host_ips=("10.99.0.2",)
            ),
            services=services.lister.list,
            log=get_logger("test"),
        )
        pods = informers.informer(PODS, field_selector="spec.nodeName=node-1")
        self.pods = PodSet(self.deps, pods, lambda: self.node)

        async def everything() -> None:
            async with asyncio.TaskGroup() as inner:
                inner.create_task(informers.run())
                inner.create_task(recorder.run())
                inner.create_task(self.pods.run())

        self._task = self.group.create_task(everything())
        await self.pods.started.wait()
        return self.pods

    async def stop_agent(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def pod(self, name: str = "web") -> Obj:
        return await self.api.get(PODS, name, "default")

    async def create(self, pod: Obj) -> Obj:
        return await self.api.create(PODS, pod)

    async def until(self, wanted: Callable[[Obj], Any], name: str = "web", limit_s: float = 60.0) -> Obj:
        """Virtual time passes until the pod is as wanted."""
        end = self.clock.now() + limit_s
        while True:
            try:
                pod = await self.pod(name)
            except NotFound:
                pod = {}
            if wanted(pod):
                return pod
            if self.clock.now() > end:
                raise AssertionError(f"after {limit_s} s the pod is {pod.get('status')}")
            await self.clock.sleep(0.001)

    def events(self, reason: str = "") -> list[str]:
        return [
            obj["message"]
            for (resource, _, _), obj in self.api.objects.items()
            if resource == EVENTS.resource and reason in ("", obj["reason"])
        ]


@pytest.fixture
def in_world() -> Callable[..., Any]:
    """`in_world(test)` runs an `async def test(world)` with an agent that has begun."""

    def go(test: Callable[[World], Coroutine[Any, Any, Any]], *, agent: bool = True, **config: Any) -> Any:
        async def main(clock: LoopClock) -> Any:
            async with asyncio.TaskGroup() as group:
                world = World(clock, group, **config)
                if agent:
                    await world.start_agent()
                result = await test(world)
                await world.stop_agent()
                return result

        return run(main)

    return go


@pytest.fixture
def make_pod() -> Callable[..., Obj]:
    def make(*containers: Obj, name: str = "web", **spec: Any) -> Obj:
        listed = list(containers) or [{"name": "main", "image": "web:1", "command": ["sleep", "infinity"]}]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1},
            "spec": {"nodeName": "node-1", "restartPolicy": "Always", "containers": listed, **spec},
        }

    return make

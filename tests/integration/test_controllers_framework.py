"""The public framework on the real API server in virtual time: what docs/operators.md promises.

The wire is made late or cut on purpose, to see that neither repeats a write nor loses an event.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_guard import open_guard

from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.informer import InformerFactory
from client.inprocess import InProcessTransport
from client.transport import TransportError
from controllers import replicaset
from controllers.framework import Context, Key, Reconciler, Runner, Watch, reconciler
from controllers.framework.metrics import Collector
from machinery import virtual_loop
from machinery.clock import LoopClock
from machinery.errors import NotFound
from machinery.gvk import CONFIGMAPS, NODES, PODS, REPLICASETS, SECRETS, key_of
from machinery.objects import owner_reference

Obj = dict


class FaultyTransport(InProcessTransport):
    """Streams come `lag_s` late, and break where the test says so."""

    lag_s = 0.0

    def __init__(self, app: object, user: User) -> None:
        super().__init__(app, user)
        self.cut = asyncio.Event()

    @asynccontextmanager
    async def stream(self, *args: object, **kwargs: object) -> AsyncIterator[object]:
        async with super().stream(*args, **kwargs) as stream:
            original, cut = stream._next_chunk, self.cut

            async def late() -> bytes:
                chunk = asyncio.ensure_future(original())
                broken = asyncio.ensure_future(cut.wait())
                try:
                    await asyncio.wait({chunk, broken}, return_when=asyncio.FIRST_COMPLETED)
                    if cut.is_set():
                        raise TransportError("cut on purpose")
                    await asyncio.sleep(self.lag_s)
                    return chunk.result()
                finally:
                    chunk.cancel()
                    broken.cancel()
                    await asyncio.wait({chunk, broken})

            stream._next_chunk = late
            yield stream

    def cut_streams(self) -> None:
        self.cut.set()
        self.cut = asyncio.Event()


class World:
    def __init__(self, client: Client, wire: FaultyTransport, clock: LoopClock) -> None:
        self.client = client
        self.wire = wire
        self.clock = clock
        self.run: Callable[..., Runner]

    async def configmap(self, name: str, **data: str) -> Obj:
        meta = {"name": name, "namespace": "default"}
        return await self.client.create(CONFIGMAPS, {"metadata": meta, "data": data})

    async def change(self, name: str, **data: str) -> None:
        await self.client.patch(CONFIGMAPS, name, {"data": data}, "default")


def scenario(body: Callable[[World], Awaitable[None]]) -> None:
    async def main(clock: LoopClock) -> None:
        rng, backend = random.Random(3), MemoryBackend(clock)
        parts = Parts(
            backend,
            clock,
            rng,
            make_store=lambda resource: make_cacher(backend, resource, clock, rng),
            make_guard=open_guard,
            connector=None,
            resources_of=resources_of,
        )
        server = ApiServer(parts)
        admin = User("admin", ("system:masters",))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(server.run())]
            await server.ready()
            wire = FaultyTransport(server.app, admin)
            world = World(Client(InProcessTransport(server.app, admin)), wire, clock)

            def run(*reconcilers: Reconciler) -> Runner:
                runner = Runner(Client(wire, field_manager="test"), clock, rng, reconcilers)
                tasks.append(group.create_task(runner.run()))
                return runner

            world.run = run
            await body(world)
            for task in reversed(tasks):
                task.cancel()

    virtual_loop.run(main, limit_s=100_000)


def test_key_changed_while_it_is_reconciled_is_reconciled_again_but_never_at_once() -> None:
    async def body(world: World) -> None:
        log: list[str] = []

        @reconciler(CONFIGMAPS, name="slow", workers=4)
        async def slow(ctx: Context, key: Key) -> None:
            if key.name != "a":
                return
            obj = ctx.get(key)
            log.append(f"begin {obj['data']['n']}")
            await ctx.clock.sleep(10)
            log.append("end")

        await world.configmap("a", n="1")
        world.run(slow)
        await world.clock.sleep(2)
        await world.change("a", n="2")
        await world.change("a", n="3")
        await world.clock.sleep(60)
        assert log == ["begin 1", "end", "begin 3", "end"]

    scenario(body)


def test_failing_key_is_tried_later_and_later_and_disturbs_no_other() -> None:
    async def body(world: World) -> None:
        tries: list[float] = []
        good: list[str] = []

        @reconciler(CONFIGMAPS, name="picky")
        async def picky(ctx: Context, key: Key) -> None:
            if key.name == "bad":
                tries.append(ctx.clock.monotonic())
                if len(tries) < 6:
                    raise RuntimeError("on purpose")
            else:
                good.append(key.name)

        await world.configmap("bad")
        await world.configmap("fine")
        runner = world.run(picky)
        await world.clock.sleep(30)
        waits = [after - before for before, after in itertools.pairwise(tries)]
        assert waits == pytest.approx([0.005, 0.01, 0.02, 0.04, 0.08])
        assert "fine" in good
        assert runner.metrics["picky"].results["error"] == 5
        exposed = {family.name: family for family in Collector(runner.metrics, runner.queues).collect()}
        errors = exposed["controller_runtime_reconcile_errors"].samples
        assert [(sample.labels, sample.value) for sample in errors] == [({"controller": "picky"}, 5)]

    scenario(body)


def test_number_asks_to_be_called_again_after_so_long() -> None:
    async def body(world: World) -> None:
        calls: list[float] = []

        @reconciler(CONFIGMAPS, name="ticking")
        async def ticking(ctx: Context, key: Key) -> float | None:
            if key.name != "a":
                return None
            calls.append(ctx.clock.monotonic())
            return 30.0 if len(calls) < 3 else None

        await world.configmap("a")
        world.run(ticking)
        await world.clock.sleep(600)
        assert [round(call - calls[0]) for call in calls] == [0, 30, 60]

    scenario(body)


def test_owned_and_watched_objects_wake_their_keys() -> None:
    async def body(world: World) -> None:
        woken: list[str] = []

        def named(ctx: Context, node: Obj) -> list[Key]:
            return [Key("default", node["metadata"].get("labels", {}).get("for", "nobody"))]

        @reconciler(CONFIGMAPS, name="parent", owns=(SECRETS,), watches=(Watch(NODES, named),))
        async def parent(ctx: Context, key: Key) -> None:
            woken.append(key.name)
            owner = ctx.get(key)
            if owner is not None:
                assert all(each["metadata"]["name"] == "child" for each in ctx.owned(SECRETS, owner))

        owner = await world.configmap("owner")
        world.run(parent)
        await world.clock.sleep(1)
        woken.clear()
        reference = owner_reference(owner, api_version="v1", kind="ConfigMap")
        meta = {"name": "child", "namespace": "default", "ownerReferences": [reference]}
        await world.client.create(SECRETS, {"metadata": meta})
        await world.clock.sleep(1)
        assert woken == ["owner"]
        woken.clear()
        await world.client.create(NODES, {"metadata": {"name": "n", "labels": {"for": "x"}}})
        await world.clock.sleep(1)
        await world.client.patch(NODES, "n", {"metadata": {"labels": {"for": "y"}}})
        await world.clock.sleep(1)
        assert woken == ["x", "x", "y"]  # the new state wakes as well as the old
        woken.clear()
        await world.client.delete(SECRETS, "child", "default")
        await world.clock.sleep(1)
        assert woken == ["owner"]

    scenario(body)


def test_undeclared_kind_is_refused_with_the_remedy() -> None:
    async def body(world: World) -> None:
        said: list[str] = []

        @reconciler(CONFIGMAPS, name="careless")
        async def careless(ctx: Context, key: Key) -> None:
            try:
                ctx.lister(PODS)
            except LookupError as error:
                said.append(str(error))

        await world.configmap("a")
        world.run(careless)
        await world.clock.sleep(1)
        assert "reads pods without declaring it: add it to reads=(...)" in said[0]

    scenario(body)


@pytest.mark.parametrize("lag_s", [0.0, 0.3, 5.0])
def test_late_caches_never_make_a_replicaset_create_twice(lag_s: float) -> None:
    async def body(world: World) -> None:
        world.wire.lag_s = lag_s
        world.run(replicaset.reconcile)
        template = {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        spec = {"replicas": 5, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        meta = {"name": "web", "namespace": "default"}
        await world.client.create(REPLICASETS, {"metadata": meta, "spec": spec})
        for wanted in (5, 8, 3):
            patch = {"spec": {"replicas": wanted}}
            await world.client.patch(REPLICASETS, "web", patch, "default")
            most = least = None
            for _ in range(600):
                await world.clock.sleep(0.1)
                pods = (await world.client.list(PODS, "default"))["items"]
                count = sum(not pod["metadata"].get("deletionTimestamp") for pod in pods)
                most, least = max(most or count, count), min(least or count, count)
            assert count == wanted
            assert most <= 8
        live = await world.client.get(REPLICASETS, "web", "default")
        assert (live["status"]["replicas"], live["status"]["observedGeneration"]) == (
            3,
            live["metadata"]["generation"],
        )

    scenario(body)


NAMES = st.sampled_from(["a", "b", "c", "d"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "delete"]), NAMES),
        st.tuples(st.sampled_from(["cut", "pause"]), st.just("")),
    ),
    min_size=3,
    max_size=30,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_informer_replays_the_servers_history_over_a_wire_that_is_cut(steps: list[tuple[str, str]]) -> None:
    async def body(world: World) -> None:
        factory = InformerFactory(Client(world.wire), world.clock, random.Random(1))
        informer = factory.informer(CONFIGMAPS, label_selector="mine=yes")
        seen: dict[Key, Obj] = {}
        faults: list[object] = []

        def on_add(obj: Obj) -> None:
            if key_of(obj) in seen:
                faults.append(("added twice", obj))
            seen[key_of(obj)] = obj

        def on_update(old: Obj, new: Obj) -> None:
            if seen.get(key_of(new)) != old:
                faults.append(("updated from another state", old, new))
            seen[key_of(new)] = new

        def on_delete(obj: Obj) -> None:
            if seen.pop(key_of(obj), None) is None:
                faults.append(("deleted twice", obj))

        informer.add_handler(on_add=on_add, on_update=on_update, on_delete=on_delete)
        task = asyncio.create_task(factory.run())
        for count, (step, name) in enumerate(steps, 1):
            if step == "put":
                labels = {"mine": "yes" if count % 4 else "no"}  # leaves the selection now and then
                obj = {"metadata": {"name": name, "labels": labels}, "data": {"n": str(count)}}
                try:
                    await world.client.patch(CONFIGMAPS, name, obj, "default")
                except NotFound:
                    await world.client.create(CONFIGMAPS, obj, "default")
            elif step == "delete":
                with suppress(NotFound):
                    await world.client.delete(CONFIGMAPS, name, "default")
            elif step == "cut":
                world.wire.cut_streams()
            else:
                await world.clock.sleep(1)
        await world.clock.sleep(60)
        items = (await world.client.list(CONFIGMAPS, label_selector="mine=yes"))["items"]
        expected = {key_of(obj): obj["data"] for obj in items}
        assert not faults
        assert {key_of(obj): obj["data"] for obj in informer.lister.list()} == expected
        assert {key: obj["data"] for key, obj in seen.items()} == expected
        task.cancel()
        await asyncio.wait({task})

    scenario(body)

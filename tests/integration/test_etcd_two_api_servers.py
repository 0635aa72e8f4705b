"""Two API servers on one real etcd: whatever is written through one is there when the other is asked next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
import uvloop
from etcd_server import EtcdServer, fresh_prefix, shared_etcd
from open_guard import open_guard

from apiserver.auth.user import User
from apiserver.backends.etcd import EtcdBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.inprocess import InProcessTransport
from machinery.clock import SystemClock
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import CONFIGMAPS, GVR, NAMESPACES, SERVICES

ADMIN = User("admin", ("system:masters",))
NS = "default"
WIDGETS = GVR("example.com", "v1", "widgets", kind="Widget")
DEFINITIONS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions", kind="CustomResourceDefinition")


def api_server(etcd: EtcdServer, prefix: str, seed: int, patience_s: float = 5.0) -> ApiServer:
    clock, rng = SystemClock(), random.Random(seed)
    backend = EtcdBackend([etcd.url], clock, rng, prefix=prefix, patience_s=patience_s)
    return ApiServer(
        Parts(
            backend,
            clock,
            rng,
            make_store=lambda resource: make_cacher(backend, resource, clock, rng),
            make_guard=open_guard,
            connector=object(),
            resources_of=resources_of,
        )
    )


def run_two(
    body: Callable[[Client, Client], Awaitable[None]],
    etcd: EtcdServer | None = None,
    patience_s: float = 5.0,
) -> None:
    async def main() -> None:
        prefix, clients, running = fresh_prefix(), [], []
        async with asyncio.TaskGroup() as group:
            servers = [api_server(etcd or shared_etcd(), prefix, seed, patience_s) for seed in (1, 2)]
            running = [group.create_task(server.run()) for server in servers]
            for server in servers:
                await server.ready()
                transport = InProcessTransport(server.app, ADMIN)
                clients.append(Client(transport, user_agent="tester/1"))
            await asyncio.wait_for(body(*clients), 40)
            for task in running:
                task.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": NS, "labels": {"app": "x"}}, "data": data}


def test_every_write_is_in_the_others_next_answer() -> None:
    async def body(one: Client, two: Client) -> None:
        for n in range(15):
            writer, reader = (one, two) if n % 2 else (two, one)
            name = f"c{n}"
            made = await writer.create(CONFIGMAPS, config_map(name, n="0"))
            assert (await reader.get(CONFIGMAPS, name, NS)) == made
            changed = await reader.update(CONFIGMAPS, {**made, "data": {"n": "1"}})
            listing = await writer.list(CONFIGMAPS, NS)
            assert {**changed, "kind": "", "apiVersion": ""} in [
                {**item, "kind": "", "apiVersion": ""} for item in listing["items"]
            ]
            assert int(listing["metadata"]["resourceVersion"]) >= int(changed["metadata"]["resourceVersion"])
            chosen = await writer.list(CONFIGMAPS, NS, label_selector="app=x", limit=500)
            assert [i["data"]["n"] for i in chosen["items"] if i["metadata"]["name"] == name] == ["1"]
            await writer.delete(CONFIGMAPS, name, NS)
            with pytest.raises(NotFound):
                await reader.get(CONFIGMAPS, name, NS)
            assert name not in [i["metadata"]["name"] for i in (await reader.list(CONFIGMAPS))["items"]]

    run_two(body)


def test_object_in_a_namespace_that_the_other_made_just_now_is_accepted() -> None:
    async def body(one: Client, two: Client) -> None:
        for n in range(5):
            await one.create(NAMESPACES, {"metadata": {"name": f"n{n}"}})
            await two.create(CONFIGMAPS, {"metadata": {"name": "c", "namespace": f"n{n}"}})

    run_two(body)


def test_watches_on_both_tell_the_same_story_of_writes_to_both() -> None:
    async def body(one: Client, two: Client) -> None:
        start = (await one.list(CONFIGMAPS, NS))["metadata"]["resourceVersion"]

        async def story(client: Client) -> list[tuple[str, str, str]]:
            told = []
            async with client.watch(CONFIGMAPS, NS, resource_version=start) as events:
                async for event in events:
                    meta = event.object["metadata"]
                    told.append((event.type, meta["name"], meta["resourceVersion"]))
                    if meta["name"] == "last":
                        return told
            raise AssertionError("the watch ended")

        async def write(client: Client, who: str) -> None:
            for n in range(25):
                made = await client.create(CONFIGMAPS, config_map(f"{who}{n}"))
                await client.patch(CONFIGMAPS, f"{who}{n}", {"data": {"a": "b"}}, NS)
                if n % 3 == 0:
                    await client.delete(CONFIGMAPS, made["metadata"]["name"], NS)

        async with asyncio.TaskGroup() as group:
            stories = [group.create_task(story(client)) for client in (one, two)]
            writing = [group.create_task(write(one, "a")), group.create_task(write(two, "b"))]
            await asyncio.gather(*writing)
            await two.create(CONFIGMAPS, config_map("last"))
        first, second = (task.result() for task in stories)
        assert first == second
        revisions = [int(revision) for _, _, revision in first]
        assert revisions == sorted(set(revisions))
        assert len(first) == 2 * (25 + 25 + 9) + 1

    run_two(body)


def test_writers_through_both_servers_lose_no_update() -> None:
    async def body(one: Client, two: Client) -> None:
        await one.create(CONFIGMAPS, config_map("count", n="0"))
        conflicts = 0

        async def count_up(client: Client) -> None:
            nonlocal conflicts
            for _ in range(10):
                while True:
                    there = await client.get(CONFIGMAPS, "count", NS)
                    there["data"]["n"] = str(int(there["data"]["n"]) + 1)
                    try:
                        await client.update(CONFIGMAPS, there)
                        break
                    except Conflict:
                        conflicts += 1

        await asyncio.gather(*(count_up(client) for client in (one, two) * 3))
        assert (await two.get(CONFIGMAPS, "count", NS))["data"]["n"] == "60"
        assert conflicts

    run_two(body)


def test_patches_through_both_servers_all_land_without_a_conflict() -> None:
    async def body(one: Client, two: Client) -> None:
        await one.create(CONFIGMAPS, config_map("c"))
        await asyncio.gather(
            *(
                client.patch(CONFIGMAPS, "c", {"data": {f"k{n}-{who}": "v"}}, NS)
                for n in range(10)
                for who, client in (("a", one), ("b", two))
            )
        )
        assert len((await one.get(CONFIGMAPS, "c", NS))["data"]) == 20

    run_two(body)


def test_custom_resource_defined_on_one_is_served_by_the_other_until_it_is_deleted() -> None:
    crd = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                            },
                        }
                    },
                }
            ],
        },
    }

    async def soon(ask: Callable[[], Awaitable[Any]], *, gone: bool = False) -> Any:
        for _ in range(200):
            try:
                answer = await ask()
                if not gone:
                    return answer
            except NotFound:
                if gone:
                    return None
            await asyncio.sleep(0.01)
        raise AssertionError("not in two seconds")

    async def body(one: Client, two: Client) -> None:
        await one.create(DEFINITIONS, crd)
        widget = {
            "apiVersion": "example.com/v1",
            "kind": "Widget",
            "metadata": {"name": "w", "namespace": NS},
            "spec": {"size": 3},
        }
        made = await soon(lambda: two.create(WIDGETS, widget))
        assert (await one.get(WIDGETS, "w", NS)) == made
        await two.delete(DEFINITIONS, "widgets.example.com")
        await soon(lambda: one.list(WIDGETS, NS), gone=True)
        await soon(lambda: two.list(WIDGETS, NS), gone=True)
        await soon(lambda: two.get(DEFINITIONS, "widgets.example.com"), gone=True)

    run_two(body)


def test_services_of_both_servers_have_addresses_of_their_own_that_are_free_again_for_either() -> None:
    def service(name: str, **spec: Any) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "namespace": NS},
            "spec": {"type": "NodePort", "ports": [{"port": 80}], **spec},
        }

    async def body(one: Client, two: Client) -> None:
        made = await asyncio.gather(
            *(
                client.create(SERVICES, service(f"s{n}{who}"))
                for n in range(10)
                for who, client in (("a", one), ("b", two))
            )
        )
        assert len({each["spec"]["clusterIP"] for each in made}) == 20
        assert len({each["spec"]["ports"][0]["nodePort"] for each in made}) == 20
        address = made[0]["spec"]["clusterIP"]
        with pytest.raises(ApiError, match="already allocated"):
            await two.create(SERVICES, service("taken", clusterIP=address))
        await one.delete(SERVICES, "s0a", NS)
        await two.create(SERVICES, service("taken", clusterIP=address))

    run_two(body)


def test_etcd_lost_and_back_is_told_as_503_and_both_servers_go_on() -> None:
    etcd = EtcdServer().start()

    async def body(one: Client, two: Client) -> None:
        await one.create(CONFIGMAPS, config_map("before"))
        start = (await two.list(CONFIGMAPS, NS))["metadata"]["resourceVersion"]
        async with two.watch(CONFIGMAPS, NS, resource_version=start) as events:
            etcd.stop()
            for client in (one, two):
                for method, body in (("GET", b""), ("DELETE", b"")):
                    path = f"/api/v1/namespaces/{NS}/configmaps/before"
                    answer = await client.transport.request(method, path, body=body)
                    assert answer.status == 503 and b"the store is unavailable" in answer.body
            await asyncio.to_thread(etcd.start)
            await one.create(CONFIGMAPS, config_map("after"))  # the client tries again by itself
            async for event in events:
                assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "after")
                break
            assert (await two.get(CONFIGMAPS, "before", NS))["metadata"]["name"] == "before"

    try:
        run_two(body, etcd, patience_s=1.5)
    finally:
        etcd.remove()


def test_while_etcd_is_gone_caches_answer_who_is_content_with_them() -> None:
    etcd = EtcdServer().start()

    async def body(one: Client, two: Client) -> None:
        made = await one.create(CONFIGMAPS, config_map("there"))
        assert (await two.get(CONFIGMAPS, "there", NS)) == made
        etcd.stop()
        for _ in range(2):
            listed = await two.list(CONFIGMAPS, NS, resource_version="0")
            assert "there" in [item["metadata"]["name"] for item in listed["items"]]
            named = await two.list(CONFIGMAPS, NS, resource_version="0", label_selector="app=x")
            assert [item["metadata"]["name"] for item in named["items"]] == ["there"]
            since = await two.list(CONFIGMAPS, NS, resource_version=made["metadata"]["resourceVersion"])
            assert since["items"]
            async with two.watch(CONFIGMAPS, NS, resource_version="0") as events:
                assert (await anext(aiter(events))).type == "ADDED"
        for wanted in ({}, {"label_selector": "app=x"}):
            answer = await two.transport.request("GET", CONFIGMAPS.path(NS), query=list(_query(wanted)))
            assert answer.status == 503 and answer.headers["retry-after"] == "1"
        await asyncio.to_thread(etcd.start)
        while True:
            try:
                await two.create(CONFIGMAPS, config_map("after"))
                break
            except ApiError:
                await asyncio.sleep(0.05)
        assert "after" in [item["metadata"]["name"] for item in (await one.list(CONFIGMAPS, NS))["items"]]

    try:
        run_two(body, etcd, patience_s=1.5)
    finally:
        etcd.remove()


def _query(wanted: dict[str, str]) -> list[tuple[str, str]]:
    return [("labelSelector", text) for text in wanted.values()]


def test_write_that_etcd_swallowed_is_not_called_undone_and_not_invited_again() -> None:
    """SIGSTOP: the connection stands, and nothing comes back."""
    etcd = EtcdServer().start()

    async def body(one: Client, two: Client) -> None:
        etcd.stall()
        body = orjson.dumps(config_map("doubtful"))
        answer = await one.transport.request("POST", CONFIGMAPS.path(NS), body=body)
        status = orjson.loads(answer.body)
        # It is lost in the write, or before it, when admission looks something up: only then it may be repeated.
        assert (answer.status == 504) is ("retry-after" not in answer.headers)
        if answer.status == 504:
            assert status["reason"] == "Timeout" and "may have been carried out" in status["message"]
        etcd.go_on()
        while True:
            try:
                there = [item["metadata"]["name"] for item in (await two.list(CONFIGMAPS, NS))["items"]]
                break
            except ApiError:
                await asyncio.sleep(0.05)
        assert answer.status == 504 or "doubtful" not in there

    try:
        run_two(body, etcd, patience_s=1.5)
    finally:
        etcd.go_on()
        etcd.remove()

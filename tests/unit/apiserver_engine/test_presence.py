"""Who among several API servers lives, and what is told of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from open_guard import open_guard

from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.engine.presence import LEASE_S, identity_of, is_expired, plan_live
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.inprocess import InProcessTransport
from machinery import virtual_loop
from machinery.clock import LoopClock
from machinery.gvk import GVR, LEASES

SLICES = GVR("discovery.k8s.io", "v1", "endpointslices", kind="EndpointSlice")
ENDPOINTS = GVR("", "v1", "endpoints", kind="Endpoints")
ADDRESSES = ("10.0.0.1", "10.0.0.2")


class SharedMemory(MemoryBackend):
    """Stays open while one of the servers on it ends."""

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None


def with_servers(body: Callable[[list[ApiServer], list[asyncio.Task[None]], Any], Awaitable[None]]) -> None:
    async def main(clock: LoopClock) -> None:
        backend = SharedMemory(clock)
        await MemoryBackend.start(backend)
        async with asyncio.TaskGroup() as group:
            servers, tasks = [], []
            for seed, address in enumerate(ADDRESSES):
                rng = random.Random(seed)
                server = ApiServer(
                    Parts(
                        backend,
                        clock,
                        rng,
                        make_store=lambda resource, rng=rng: make_cacher(backend, resource, clock, rng),
                        make_guard=open_guard,
                        connector=object(),
                        resources_of=resources_of,
                        advertise=[address],
                        identity=f"host{seed}",
                    )
                )
                tasks.append(group.create_task(server.run()))
                await server.settled()
                servers.append(server)
            await body(servers, tasks, clock)
            for task in tasks:
                task.cancel()
        await MemoryBackend.close(backend)

    virtual_loop.run(main)


def client_of(server: ApiServer) -> Client:
    return Client(InProcessTransport(server.app, User("admin", ("system:masters",))))


async def told(server: ApiServer) -> list[str]:
    found = await client_of(server).get(SLICES, "kubernetes", "default")
    plain = await client_of(server).get(ENDPOINTS, "kubernetes", "default")
    addresses = [each["addresses"][0] for each in found["endpoints"]]
    assert [each["ip"] for each in plain["subsets"][0]["addresses"]] == addresses
    return addresses


def test_dead_servers_address_goes_when_its_lease_has_run_out() -> None:
    async def body(servers: list[ApiServer], tasks: list[asyncio.Task[None]], clock: Any) -> None:
        await clock.sleep(12)
        assert await told(servers[0]) == await told(servers[1]) == list(ADDRESSES)
        tasks[1].cancel()
        await clock.sleep(5)
        assert await told(servers[0]) == list(ADDRESSES)
        await clock.sleep(25)
        assert await told(servers[0]) == list(ADDRESSES[:1])

    with_servers(body)


def test_server_that_leaves_takes_its_address_along_and_the_last_one_does_not() -> None:
    async def body(servers: list[ApiServer], tasks: list[asyncio.Task[None]], clock: Any) -> None:
        await clock.sleep(12)
        await servers[1].leave()
        tasks[1].cancel()
        assert await told(servers[0]) == list(ADDRESSES[:1])
        await clock.sleep(30)
        await servers[0].leave()
        assert await told(servers[0]) == list(ADDRESSES[:1])

    with_servers(body)


def test_identities_are_leases_that_stand_as_long_as_their_servers() -> None:
    async def body(servers: list[ApiServer], tasks: list[asyncio.Task[None]], clock: Any) -> None:
        await clock.sleep(12)
        selector = "apiserver.kubernetes.io/identity=kube-apiserver"

        async def names() -> list[str]:
            found = await client_of(servers[0]).list(LEASES, "kube-system", label_selector=selector)
            return sorted(each["metadata"]["name"] for each in found["items"])

        assert await names() == sorted(identity_of(f"host{n}") for n in (0, 1))
        one = await client_of(servers[0]).get(LEASES, identity_of("host0"), "kube-system")
        assert one["spec"]["leaseDurationSeconds"] == 3600
        assert one["spec"]["holderIdentity"].startswith(identity_of("host0") + "_")
        assert one["metadata"]["labels"]["kubernetes.io/hostname"] == "host0"
        tasks[1].cancel()
        await clock.sleep(3620)
        assert await names() == [identity_of("host0")]

    with_servers(body)


def test_lease_lives_as_long_as_it_changes_by_this_servers_own_clock() -> None:
    seen, dead = plan_live({}, {"a": 1, "b": 2}, 100.0)
    assert dead == []
    seen, dead = plan_live(seen, {"a": 5, "b": 2}, 100.0 + LEASE_S)
    assert dead == ["b"] and seen["a"] == (5, 100.0 + LEASE_S)
    assert plan_live(seen, {"a": 5}, 101.0 + LEASE_S) == ({"a": (5, 100.0 + LEASE_S)}, [])


def test_identity_is_the_same_for_the_same_server_and_ends_with_its_lease() -> None:
    assert identity_of("h/1") == identity_of("h/1") != identity_of("h/2")
    assert identity_of("h").removeprefix("apiserver-").isalnum() and len(identity_of("h")) == 36
    lease = {"metadata": {}, "spec": {"renewTime": "1970-01-01T00:00:10.000000Z", "leaseDurationSeconds": 60}}
    assert [is_expired(lease, now) for now in (69.0, 71.0)] == [False, True]

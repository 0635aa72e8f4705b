"""LeaderElector: one leader at any time, handed over on release, on a crash, on a partition."""

import asyncio
import random

import orjson
import pytest

from client.client import Client
from client.inprocess import InProcessTransport
from client.leaderelection import LeaderElectionConfig, LeaderElector, LeadershipLost
from machinery import virtual_loop
from machinery.errors import AlreadyExists, Conflict, NotFound, ServiceUnavailable


class LeaseStore:
    """One Lease with optimistic concurrency. `cut` holds the users that get no answer."""

    def __init__(self) -> None:
        self.lease: dict | None = None
        self.revision = 0
        self.cut: set[str] = set()

    def app(self, user: str):
        async def serve(scope, receive, send) -> None:
            body = (await receive())["body"]
            status, answer = 200, {}
            if user in self.cut:
                error = ServiceUnavailable("cut off")
            else:
                error = self.handle(scope["method"], orjson.loads(body) if body else {})
            if error is not None:
                status, answer = error.code, error.to_status()
            else:
                answer = self.lease
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": orjson.dumps(answer)})

        return serve

    def handle(self, method: str, body: dict):
        if method == "GET":
            return None if self.lease else NotFound("no lease")
        if method == "POST" and self.lease:
            return AlreadyExists("there")
        if method == "PUT" and body["metadata"]["resourceVersion"] != str(self.revision):
            return Conflict("changed")
        self.revision += 1
        body["metadata"]["resourceVersion"] = str(self.revision)
        self.lease = body
        return None


class Cluster:
    def __init__(self, clock) -> None:
        self.store = LeaseStore()
        self.clock = clock
        self.leading: set[str] = set()
        self.history: list[tuple[int, str]] = []

    async def contend(self, name: str) -> None:
        client = Client(InProcessTransport(self.store.app(name), None))
        config = LeaderElectionConfig("kube-controller-manager", name)
        elector = LeaderElector(client, self.clock, random.Random(name), config)

        async def lead() -> None:
            assert not self.leading, "two leaders"
            self.leading.add(name)
            self.history.append((round(self.clock.monotonic()), name))
            try:
                await asyncio.Event().wait()
            finally:
                self.leading.discard(name)

        await elector.run(lead)


def test_release_hands_over_soon_and_counts_transitions() -> None:
    async def main(clock) -> None:
        cluster = Cluster(clock)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(cluster.contend("a"))
            await asyncio.sleep(1)
            second = group.create_task(cluster.contend("b"))
            await asyncio.sleep(100)
            assert cluster.leading == {"a"}
            first.cancel()
            await asyncio.sleep(6)
            assert cluster.leading == {"b"}
            assert cluster.store.lease["spec"]["leaseTransitions"] == 1
            second.cancel()

    virtual_loop.run(main)


def test_partitioned_leader_stops_before_the_next_one_starts() -> None:
    async def main(clock) -> None:
        cluster = Cluster(clock)

        async def until_lost() -> None:
            with pytest.raises(LeadershipLost):
                await cluster.contend("a")

        async with asyncio.TaskGroup() as group:
            group.create_task(until_lost())
            await asyncio.sleep(1)
            second = group.create_task(cluster.contend("b"))
            await asyncio.sleep(20)
            cluster.store.cut.add("a")
            await asyncio.sleep(13)
            assert cluster.leading == set()
            await asyncio.sleep(10)
            assert cluster.leading == {"b"}
            second.cancel()
        assert [name for _, name in cluster.history] == ["a", "b"]

    virtual_loop.run(main)


def test_candidates_at_once_give_one_leader() -> None:
    async def main(clock) -> None:
        cluster = Cluster(clock)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(cluster.contend(f"c{i}")) for i in range(5)]
            await asyncio.sleep(300)
            assert len(cluster.leading) == len(cluster.history) == 1
            for task in tasks:
                task.cancel()

    virtual_loop.run(main)


def test_work_that_ends_gives_the_lease_back() -> None:
    async def main(clock) -> None:
        store = LeaseStore()
        client = Client(InProcessTransport(store.app("a"), None))
        elector = LeaderElector(client, clock, random.Random(1), LeaderElectionConfig("l", "a"))

        async def lead() -> None:
            await asyncio.sleep(30)

        await elector.run(lead)
        assert store.lease["spec"]["holderIdentity"] == ""

    virtual_loop.run(main)

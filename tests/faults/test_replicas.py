"""Several API servers behind one address, several controllers and schedulers: any of them may die at any moment."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from clusters import Cluster, home, make_cluster

from client.client import Client
from client.kubeconfig import load
from client.transport import TransportError
from machinery.gvk import CONFIGMAPS, LEASES, PODS

WRITERS = 6
REPLICAS = ("--apiservers", "2", "--controllers", "2", "--schedulers", "2")


@pytest.fixture(scope="module")
def many() -> Iterator[Cluster]:
    """One cluster for all tests here: each leaves it whole."""
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed (Debian package etcd-server): several API servers are NOT tested")
    with home() as directory:
        made = make_cluster(directory, "many")
        try:
            made.kctl("up", "many", "--fake-runtime", "--store", "etcd", *REPLICAS).checked()
            yield made
        finally:
            made.kctl("down", "many", "--delete").checked()


def pids(cluster: Cluster) -> dict[str, int]:
    state = json.loads((cluster.data_dir / "run" / "state.json").read_text())
    return {part["name"]: part["pid"] for part in state["components"]}


def on(cluster: Cluster, body: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        transport = load(str(cluster.kubeconfig)).transport()
        try:
            await asyncio.wait_for(body(Client(transport, user_agent="tester/1")), 50)
        finally:
            await transport.close()

    asyncio.run(main())


async def until(check: Callable[[], bool]) -> None:
    while True:
        if check():
            return
        await asyncio.sleep(0.01)


def config_map(name: str, value: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"value": value}}


def test_api_servers_killed_in_turn_leave_no_gap_and_lose_nothing_acknowledged(many: Cluster) -> None:
    async def body(client: Client) -> None:
        acknowledged: dict[str, str] = {}
        doubtful: set[str] = set()
        longest_s = 0.0
        writing = True

        async def write(writer: int) -> None:
            nonlocal longest_s
            turn = 0
            while writing:
                turn += 1
                name, began = f"w{writer}-{turn}", time.monotonic()
                try:
                    await client.create(CONFIGMAPS, config_map(name, "0"))
                    acknowledged[name] = "0"
                    await client.patch(CONFIGMAPS, name, {"data": {"value": "1"}}, "default")
                    acknowledged[name] = "1"
                except TransportError:  # its server died with the request; the next one goes to a living one
                    doubtful.add(name)
                longest_s = max(longest_s, time.monotonic() - began)

        async with asyncio.TaskGroup() as group:
            for writer in range(WRITERS):
                group.create_task(write(writer))
            for turn in range(4):
                victim = ("apiserver", "apiserver-2")[turn % 2]
                before = pids(many)[victim]
                await asyncio.sleep(0.3)
                os.kill(before, signal.SIGKILL)
                mark = len(acknowledged)
                await until(lambda mark=mark: len(acknowledged) > mark + WRITERS)
                await until(lambda v=victim, b=before: pids(many)[v] not in (0, b))
                await asyncio.sleep(1.0)  # until it serves: the other one is killed next
            writing = False
        stands = {
            item["metadata"]["name"]: item["data"]["value"]
            for item in (await client.list(CONFIGMAPS, "default"))["items"]
            if item["metadata"]["name"].startswith("w")
        }
        assert len(acknowledged) > 100
        lost = {n: v for n, v in acknowledged.items() if stands.get(n, "") < v}
        assert not lost
        assert stands.keys() - acknowledged.keys() <= doubtful

    on(many, body)


def test_new_leader_goes_on_when_the_scheduler_or_the_controllers_that_led_are_killed(many: Cluster) -> None:
    async def body(client: Client) -> None:
        many.kctl("create", "deployment", "web", "--image=app:0", "--replicas=1").checked()
        many.kctl("rollout", "status", "deployment/web", "--timeout=20s").checked()
        for lease, component in (("kube-scheduler", "scheduler"), ("kube-controller-manager", "controllers")):
            holder = (await client.get(LEASES, lease, "kube-system"))["spec"]["holderIdentity"]
            leader = int(holder.rpartition("_")[2])
            assert leader in [pid for name, pid in pids(many).items() if name.startswith(component)]
            os.kill(leader, signal.SIGKILL)
            replicas = 3 if component == "scheduler" else 5
            many.kctl("scale", "deployment/web", f"--replicas={replicas}").checked()
            many.kctl("rollout", "status", "deployment/web", "--timeout=20s").checked()
            after = (await client.get(LEASES, lease, "kube-system"))["spec"]
            assert after["holderIdentity"] != holder and after["leaseTransitions"] >= 1
        pods = (await client.list(PODS, "default"))["items"]
        assert len([pod for pod in pods if pod["metadata"]["name"].startswith("web-")]) == 5

    on(many, body)


def test_clusters_started_at_the_same_moment_do_not_take_each_others_ports() -> None:
    with home() as directory:
        first = make_cluster(directory, "one")
        names = ("one", "two", "three")
        try:
            ups = [
                subprocess.Popen(
                    ["kctl", "up", name, "--fake-runtime", "--nodes", "2"],
                    env=first.environment(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                for name in names
            ]
            said = [process.communicate(timeout=60)[0] for process in ups]
            assert [process.returncode for process in ups] == [0, 0, 0], "\n".join(said)
            ports = [
                json.loads((directory / name / "cluster.json").read_text())["api_port"] for name in names
            ]
            assert len(set(ports)) == 3
            for name in names:
                state = json.loads((directory / name / "run" / "state.json").read_text())
                assert all(part["restarts"] == 0 for part in state["components"]), name
        finally:
            for name in names:
                first.kctl("down", name, "--delete").checked()


def test_several_api_servers_on_a_store_of_one_are_refused(described: Cluster) -> None:
    refused = described.kctl("up", "fault", "--fake-runtime", "--apiservers", "2")
    assert refused.code == 1 and "2 API servers need a store that they can share" in refused.err

"""Evictions against budgets that the disruption controller keeps."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest

from api import registry
from apiserver.auth.user import User
from client.client import Client
from client.informer import InformerFactory
from client.inprocess import InProcessTransport
from controllers import disruption, replicaset
from controllers.disruption import PODDISRUPTIONBUDGETS
from controllers.framework import Runner
from machinery.clock import rfc3339
from machinery.gvk import PODS, REPLICASETS
from machinery.objects import find_condition

pytestmark = pytest.mark.skipif(
    all(each.gvr.resource != "poddisruptionbudgets" for each in registry.load()),
    reason="PodDisruptionBudgets are not served",
)
NS = "default"


async def until(api, what, limit_s=30.0):
    started = api.clock.monotonic()
    while not await what():
        assert api.clock.monotonic() - started < limit_s
        await api.clock.sleep(0.05)


async def make_ready(api, name):
    pod = await api.client.get(PODS, name, NS)
    now = rfc3339(api.clock.now())
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
    status = {"phase": "Running", "conditions": [ready]}
    await api.client.update(PODS, {**pod, "status": status}, subresource="status")


async def evict(api, name, **options):
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NS}}
    path = f"/api/v1/namespaces/{NS}/pods/{name}/eviction"
    response = await api.send("POST", path, {**eviction, **options})
    return response.status, orjson.loads(response.body), response.headers


def budget(**spec):
    return {
        "metadata": {"name": "b", "namespace": NS},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }


def with_controllers(run_api, body):
    async def whole(api):
        client = Client(InProcessTransport(api.server.app, User("controllers")), field_manager="controllers")
        rng = random.Random(3)
        informers = InformerFactory(client, api.clock, rng)
        runner = Runner(
            client, api.clock, rng, [disruption.reconcile, replicaset.reconcile], informers=informers
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(informers.run()), group.create_task(runner.run())]
            await body(api)
            for task in tasks:
                task.cancel()

    run_api(whole)


async def running_web(api, replicas):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    template["spec"]["nodeName"] = "n1"
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    await api.client.create(REPLICASETS, {"metadata": {"name": "web", "namespace": NS}, "spec": spec})
    names = []

    async def made():
        names[:] = [pod["metadata"]["name"] for pod in (await api.client.list(PODS, NS))["items"]]
        return len(names) == replicas

    await until(api, made)
    for name in names:
        await make_ready(api, name)
    return names


def allows(api, number, **also):
    async def check():
        live = await api.client.get(PODDISRUPTIONBUDGETS, "b", NS)
        wanted = {"disruptionsAllowed": number, "observedGeneration": live["metadata"]["generation"], **also}
        return wanted.items() <= live.get("status", {}).items()

    return check


def test_eviction_waits_until_the_budget_allows_it(run_api):
    async def body(api):
        first, second, _ = await running_web(api, 3)
        await api.client.create(PODDISRUPTIONBUDGETS, budget(maxUnavailable=1))
        await until(api, allows(api, 1, currentHealthy=3, desiredHealthy=2, expectedPods=3))

        code, _, _ = await evict(api, first, deleteOptions={"dryRun": ["All"]})
        assert code == 201 and await allows(api, 1)()
        assert (await evict(api, first))[0] == 201
        gone = await api.client.get(PODS, first, NS)
        assert gone["metadata"]["deletionTimestamp"]
        target = find_condition(gone, "DisruptionTarget")
        assert (target["status"], target["reason"]) == ("True", "EvictionByEvictionAPI")

        code, status, _ = await evict(api, second)
        assert (code, status["reason"]) == (429, "TooManyRequests")
        assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
        assert [cause["reason"] for cause in status["details"]["causes"]] == ["DisruptionBudget"]
        assert "deletionTimestamp" not in (await api.client.get(PODS, second, NS))["metadata"]

        live = await api.client.get(PODDISRUPTIONBUDGETS, "b", NS)
        live["spec"]["maxUnavailable"] = 2
        await api.client.update(PODDISRUPTIONBUDGETS, live)
        await until(api, allows(api, 1))
        assert (await evict(api, second))[0] == 201

    with_controllers(run_api, body)


def test_evictions_at_once_never_spend_more_than_is_allowed(run_api):
    async def body(api):
        names = await running_web(api, 6)
        await api.client.create(PODDISRUPTIONBUDGETS, budget(minAvailable=4))
        await until(api, allows(api, 2))
        answers = await asyncio.gather(*(evict(api, name) for name in names))
        assert sorted(code for code, _, _ in answers) == [201, 201, 429, 429, 429, 429]

    with_controllers(run_api, body)


def test_unmanaged_pods_fail_a_budget_that_needs_their_scale(run_api):
    async def body(api):
        job = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": True}
        pod = {
            "metadata": {"name": "p", "namespace": NS, "labels": {"app": "web"}, "ownerReferences": [job]},
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"},
        }
        await api.client.create(PODS, pod)
        await make_ready(api, "p")
        await api.client.create(PODDISRUPTIONBUDGETS, budget(maxUnavailable=1))

        async def failed():
            live = await api.client.get(PODDISRUPTIONBUDGETS, "b", NS)
            return (find_condition(live, "DisruptionAllowed") or {}).get("reason") == "SyncFailed"

        await until(api, failed)
        assert (await evict(api, "p"))[0] == 429

    with_controllers(run_api, body)

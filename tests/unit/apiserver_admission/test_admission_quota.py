"""ResourceQuota over a real store: charging, refusing, many at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from api import registry
from apiserver.admission.admission import AdmissionRequest, Operation
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.storage.cacher import Cacher
from apiserver.storage.extract import extractor
from machinery import virtual_loop
from machinery.clock import LoopClock
from machinery.errors import Forbidden

Obj = dict[str, Any]
RESOURCES = {r.gvr.resource: r for r in registry.load()}


def run(body: Callable[[Cacher, ResourceQuota], Awaitable[None]], *quotas: Obj) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), 0.0)
        backend = MemoryBackend(clock)
        await backend.start()
        store = Cacher(
            backend,
            prefix="/registry/resourcequotas/",
            namespaced=True,
            extract=extractor({}, namespaced=True),
            clock=clock,
            rng=random.Random(1),
        )
        await store.start()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(store.run())
            for quota in quotas:
                await store.create("a", quota["metadata"]["name"], quota)
            await body(store, ResourceQuota(store, clock))
            task.cancel()
        await backend.close()

    virtual_loop.run(main())


def quota(name: str = "q", used: Obj | None = None, **hard: str) -> Obj:
    hard = {key.replace("_", "."): value for key, value in hard.items()}
    used = used if used is not None else dict.fromkeys(hard, "0")
    return {
        "metadata": {"name": name, "namespace": "a"},
        "spec": {"hard": hard},
        "status": {"hard": hard, "used": used},
    }


def creating(plural: str = "pods", cpu: str = "", **more: Any) -> AdmissionRequest:
    resources = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
    obj = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", **resources}]}}
    old = more.pop("old", None)
    operation: Operation = "UPDATE" if old else "CREATE"
    obj = more.pop("obj", obj)
    return AdmissionRequest(
        operation, RESOURCES[plural], "", more.pop("namespace", "a"), "p", obj, old, User("jane"), **more
    )


async def charge(plugin: ResourceQuota, request: AdmissionRequest) -> None:
    if plugin.handles(request):
        await plugin.validate(request)


async def used(store: Cacher, name: str = "q") -> Obj:
    entry = await store.get("a", name)
    assert entry is not None
    found: Obj = orjson.loads(entry.data)["status"]["used"]
    return found


def test_pod_is_charged_and_the_one_too_many_refused() -> None:
    async def body(store: Cacher, plugin: ResourceQuota) -> None:
        await charge(plugin, creating(cpu="500m"))
        assert await used(store) == {"pods": "1", "requests.cpu": "500m"}
        await charge(plugin, creating(cpu="500m", dry_run=True))
        assert (await used(store))["pods"] == "1"
        with pytest.raises(Forbidden) as caught:
            await charge(plugin, creating(cpu="600m"))
        assert caught.value.message == (
            'pods "p" is forbidden: exceeded quota: q, requested: requests.cpu=600m, '
            "used: requests.cpu=500m, limited: requests.cpu=1"
        )
        assert (await used(store))["pods"] == "1"
        await charge(plugin, creating(cpu="600m", namespace="b"))
        with pytest.raises(Forbidden, match=r"failed quota: q: must specify requests.cpu for: c"):
            await charge(plugin, creating())

    run(body, quota(pods="2", requests_cpu="1"))


def test_quota_whose_usage_is_unknown_refuses() -> None:
    async def body(store: Cacher, plugin: ResourceQuota) -> None:
        with pytest.raises(Forbidden, match="status unknown for quota: q, resources: pods"):
            await charge(plugin, creating())

    run(body, quota(used={}, pods="2"))


def test_many_at_once_get_exactly_what_is_left() -> None:
    async def body(store: Cacher, plugin: ResourceQuota) -> None:
        revision = await store.revision()
        asked = [charge(plugin, creating()) for _ in range(50)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(answer is None for answer in answers) == 20
        assert all(answer is None or isinstance(answer, Forbidden) for answer in answers)
        assert await used(store) == {"pods": "20"} and await used(store, "r") == {"pods": "20"}
        assert await store.revision() - revision <= 6  # batches, not one write a pod
        assert not plugin._lines

    run(body, quota(pods="20"), quota("r", pods="30"))


def test_lost_race_is_judged_again() -> None:
    async def body(store: Cacher, plugin: ResourceQuota) -> None:
        real = store.update
        taken = False

        async def update(namespace: str, name: str, obj: Obj, expect_revision: int) -> Any:
            nonlocal taken
            if name == "r" and not taken:
                taken = True
                entry = await store.get("a", "r")
                assert entry is not None
                await real("a", "r", quota("r", used={"pods": "29"}, pods="30"), entry.revision)
            return await real(namespace, name, obj, expect_revision)

        store.update = update
        await charge(plugin, creating())
        assert await used(store) == {"pods": "1"} and await used(store, "r") == {"pods": "30"}

    run(body, quota(pods="20"), quota("r", pods="30"))


def test_one_who_gives_up_is_not_charged_and_holds_nobody_up() -> None:
    async def body(store: Cacher, plugin: ResourceQuota) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(charge(plugin, creating())) for _ in range(4)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[2].cancel()
        assert (await used(store))["pods"] in ("2", "3", "4")
        await charge(plugin, creating())
        assert not plugin._lines

    run(body, quota(pods="20"))


def test_service_is_charged_for_what_an_update_adds() -> None:
    def service(type_: str) -> Obj:
        return {"metadata": {"name": "s"}, "spec": {"type": type_, "ports": [{"port": 1}]}}

    async def body(store: Cacher, plugin: ResourceQuota) -> None:
        plain, open_ = service("ClusterIP"), service("NodePort")
        await charge(plugin, creating("services", obj=open_, old=plain))
        assert await used(store) == {"services": "0", "services.nodeports": "1"}
        await charge(plugin, creating("services", obj=plain, old=open_))
        assert (await used(store))["services.nodeports"] == "1"  # the controller gives back
        with pytest.raises(Forbidden, match=r"exceeded quota: q, requested: services.nodeports=1"):
            await charge(plugin, creating("services", obj=open_, old=plain))

    run(body, quota(services="1", services_nodeports="1"))


def test_any_kind_is_counted_by_its_name() -> None:
    async def body(store: Cacher, plugin: ResourceQuota) -> None:
        made = {"metadata": {"name": "d"}}
        await charge(plugin, creating("deployments", obj=made))
        with pytest.raises(Forbidden, match=r'deployments.apps "p" is forbidden: exceeded quota: q'):
            await charge(plugin, creating("deployments", obj=made))

    hard = {"count/deployments.apps": "1"}
    counted = {"metadata": {"name": "q", "namespace": "a"}, "spec": {"hard": hard}}
    run(body, {**counted, "status": {"hard": hard, "used": {"count/deployments.apps": "0"}}})

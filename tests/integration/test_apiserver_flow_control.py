"""Priority and fairness in a whole server: noise, limits, configuration, and what is shown of them. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from open_guard import open_guard

from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.auth.user import User
from apiserver.engine.engine import Engine
from apiserver.guard import Guard
from client.client import Client
from client.inprocess import InProcessTransport
from machinery.errors import NotFound
from machinery.gvk import CONFIGMAPS, GVR, NODES, PODS

RunApi = Callable[..., None]
GROUP = "flowcontrol.apiserver.k8s.io"
LEVELS = GVR(GROUP, "v1", "prioritylevelconfigurations", namespaced=False, kind="PriorityLevelConfiguration")
SCHEMAS = GVR(GROUP, "v1", "flowschemas", namespaced=False, kind="FlowSchema")
AUTH = "system:authenticated"
LASTS_S = 0.2


class Slow(Plugin):
    """Makes the creation of a ConfigMap last."""

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource.gvr.resource == "configmaps"

    async def validate(self, request: AdmissionRequest) -> None:
        await asyncio.sleep(LASTS_S)


def slow_guard(engine: Engine) -> Guard:
    return open_guard(engine, [Slow()])


def as_user(api: Any, name: str, *groups: str) -> InProcessTransport:
    return InProcessTransport(api.server.app, User(name, (*groups, AUTH)))


async def post(transport: InProcessTransport, name: str) -> Any:
    import orjson

    return await transport.request(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        body=orjson.dumps({"metadata": {"name": name}}),
        headers={"content-type": "application/json"},
    )


def test_noisy_client_delays_nobody_else_and_is_refused_when_its_queues_are_full(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        await api.clock.sleep(1)
        noisy, quiet = as_user(api, "noisy"), as_user(api, "quiet")
        node = as_user(api, "system:node:n1", "system:nodes")
        flood = [asyncio.create_task(post(noisy, f"n{n}")) for n in range(900)]
        await api.clock.sleep(0.5)

        async def took(transport: InProcessTransport, path: str) -> float:
            since_s = api.clock.monotonic()
            answer = await transport.request("GET", path)
            assert answer.status == 200
            return float(api.clock.monotonic() - since_s)

        assert await took(noisy, "/healthz") == 0
        assert await took(node, "/api/v1/nodes") == 0
        waits = [await took(quiet, "/api/v1/namespaces/default/pods") for _ in range(5)]
        assert max(waits) <= 2 * LASTS_S
        since_s = api.clock.monotonic()
        made = await post(quiet, "quiet")
        assert made.status == 201 and api.clock.monotonic() - since_s <= 3 * LASTS_S
        answers = await asyncio.gather(*flood)
        refused = [each for each in answers if each.status == 429]
        assert 300 < len(refused) < 600 and len(refused) + sum(a.status == 201 for a in answers) == 900
        assert refused[0].headers["retry-after"] == "1"
        assert b"Too many requests, please try again later." in refused[0].body
        assert refused[0].headers["x-kubernetes-pf-flowschema-uid"]

    run_api(body, guard=slow_guard)


def test_admin_passes_at_once_while_everybody_else_waits(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        noisy = as_user(api, "noisy")
        flood = [asyncio.create_task(post(noisy, f"n{n}")) for n in range(300)]
        since_s = api.clock.monotonic()
        await asyncio.gather(*(post(api.transport, f"a{n}") for n in range(700)))
        assert api.clock.monotonic() - since_s == pytest.approx(LASTS_S)
        await asyncio.gather(*flood)

    run_api(body, guard=slow_guard)


def test_request_that_waits_too_long_is_refused(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        api.server.flow.wait_limit_s = 1.0
        level = next(each for each in api.server.flow.levels.values() if each.name == "global-default")
        level.queues.limit = 1
        flood = [asyncio.create_task(post(as_user(api, "noisy"), f"n{n}")) for n in range(20)]
        answers = await asyncio.gather(*flood)
        assert {each.status for each in answers} == {201, 429}
        assert level.counts["global-default"].rejected["time-out"] == sum(a.status == 429 for a in answers)
        assert level.is_idle and level.queues.demand == 0

    run_api(body, guard=slow_guard)


def test_seats_that_are_lent_let_those_run_who_wait(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        level = api.server.flow.levels["global-default"]
        noisy = as_user(api, "noisy")
        level.queues.limit = 1
        flood = [asyncio.create_task(post(noisy, f"n{n}")) for n in range(200)]
        await api.clock.sleep(LASTS_S * 1.5)
        assert level.queues.waiting > 190
        api.server.flow.adjust()
        assert level.current > level.limits.nominal and level.queues.waiting < 150
        since_s = api.clock.monotonic()
        assert {each.status for each in await asyncio.gather(*flood)} == {201}
        assert api.clock.monotonic() - since_s < 10 * LASTS_S

    run_api(body, guard=slow_guard)


def test_watches_take_no_seat_once_they_have_begun(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        client = Client(as_user(api, "jane"))
        level = api.server.flow.levels["global-default"]
        streams = [client.watch(PODS, "default", resource_version="0") for _ in range(60)]
        async with asyncio.TaskGroup() as group:

            async def follow(stream: Any) -> None:
                async with stream as events:
                    async for _ in events:
                        return

            tasks = [group.create_task(follow(stream)) for stream in streams]
            await api.clock.sleep(1)
            assert len(api.server.streams) == 60 and level.queues.in_use == 0
            assert level.counts["global-default"].dispatched >= 60
            for task in tasks:
                task.cancel()

    run_api(body)


def test_watch_of_nothing_takes_no_seat_though_no_bookmark_may_tell_so(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        level = api.server.flow.levels["global-default"]
        query = [("watch", "1"), ("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]
        path = "/api/v1/namespaces/default/pods"
        async with as_user(api, "jane").stream("GET", path, query=query) as stream:
            assert stream.status == 200
            await api.clock.sleep(1)
            assert len(api.server.streams) == 1 and level.queues.in_use == 0

    run_api(body)


def test_built_in_objects_stand_and_come_back_when_removed_or_changed(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        await api.clock.sleep(1)
        levels = (await api.client.list(LEVELS))["items"]
        schemas = (await api.client.list(SCHEMAS))["items"]
        assert len(levels) == 8 and len(schemas) == 13
        assert all(s["status"]["conditions"][0]["status"] == "False" for s in schemas)
        await api.client.delete(LEVELS, "catch-all")
        await api.client.delete(SCHEMAS, "global-default")
        changed = next(each for each in levels if each["metadata"]["name"] == "system")
        changed["spec"]["limited"]["nominalConcurrencyShares"] = 1
        await api.client.update(LEVELS, changed)
        await api.clock.sleep(2)
        assert (await api.client.get(LEVELS, "catch-all"))["spec"]["limited"]["nominalConcurrencyShares"] == 5
        assert (await api.client.get(SCHEMAS, "global-default"))["spec"]["matchingPrecedence"] == 9900
        assert (await api.client.get(LEVELS, "system"))["spec"]["limited"]["nominalConcurrencyShares"] == 30

    run_api(body)


def test_own_schema_is_in_force_at_once_and_dangles_without_its_level(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        await api.clock.sleep(1)
        spec = {
            "priorityLevelConfiguration": {"name": "gold"},
            "matchingPrecedence": 50,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [{"kind": "User", "user": {"name": "jane"}}],
                    "resourceRules": [
                        {
                            "verbs": ["list"],
                            "apiGroups": [""],
                            "resources": ["nodes"],
                            "clusterScope": True,
                        }
                    ],
                }
            ],
        }
        schema = await api.client.create(SCHEMAS, {"metadata": {"name": "jane"}, "spec": spec})
        jane = as_user(api, "jane")
        await api.clock.sleep(1)
        told = (await api.client.get(SCHEMAS, "jane"))["status"]["conditions"][0]
        assert (told["type"], told["status"], told["reason"]) == ("Dangling", "True", "NotFound")
        header = "x-kubernetes-pf-flowschema-uid"
        assert (await jane.request("GET", "/api/v1/nodes")).headers[header] != schema["metadata"]["uid"]
        limited = {"nominalConcurrencyShares": 10, "limitResponse": {"type": "Reject"}}
        level = await api.client.create(
            LEVELS, {"metadata": {"name": "gold"}, "spec": {"type": "Limited", "limited": limited}}
        )
        await api.clock.sleep(1)
        answer = await jane.request("GET", "/api/v1/nodes")
        assert answer.headers[header] == schema["metadata"]["uid"]
        assert answer.headers["x-kubernetes-pf-prioritylevel-uid"] == level["metadata"]["uid"]
        assert (await api.client.get(SCHEMAS, "jane"))["status"]["conditions"][0]["status"] == "False"
        await api.client.delete(LEVELS, "gold")
        await api.clock.sleep(1)
        assert (await jane.request("GET", "/api/v1/nodes")).headers[header] != schema["metadata"]["uid"]
        with pytest.raises(NotFound):
            await api.client.get(LEVELS, "gold")
        await api.client.list(NODES)

    run_api(body)


def test_dumps_and_metrics_tell_who_waits(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        await api.clock.sleep(1)
        level = api.server.flow.levels["global-default"]
        level.queues.limit = 1
        flood = [asyncio.create_task(post(as_user(api, "noisy"), f"n{n}")) for n in range(4)]
        await api.clock.sleep(LASTS_S / 2)
        debug = partial(api.send, "GET")
        requests = (await debug("/debug/api_priority_and_fairness/dump_requests")).body.decode()
        assert requests.count("global-default, ") == 6 and "noisy" in requests
        levels = (await debug("/debug/api_priority_and_fairness/dump_priority_levels")).body.decode()
        row = next(line for line in levels.splitlines() if line.startswith("global-default"))
        assert [cell.strip(", ") for cell in row.split()][4:6] == ["3", "1"]
        queues = (await debug("/debug/api_priority_and_fairness/dump_queues")).body.decode()
        assert queues.count("global-default") == 128
        metrics = (await debug("/metrics")).body.decode()
        pair = '{flow_schema="global-default",priority_level="global-default"}'
        assert f"apiserver_flowcontrol_current_inqueue_requests{pair} 3.0" in metrics
        assert f"apiserver_flowcontrol_current_executing_requests{pair} 1.0" in metrics
        assert 'apiserver_flowcontrol_nominal_limit_seats{priority_level="workload-low"} 245.0' in metrics
        assert 'apiserver_current_inflight_requests{request_kind="mutating"} 4.0' in metrics
        await asyncio.gather(*flood)
        assert (await api.client.get(CONFIGMAPS, "n3", "default"))["metadata"]["name"] == "n3"

    run_api(body, guard=slow_guard)

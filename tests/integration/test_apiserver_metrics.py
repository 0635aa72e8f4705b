"""What dashboards for an API server read, and the documents that clients keep."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import orjson
from open_guard import open_guard

from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.engine.engine import Engine
from apiserver.guard import Guard
from machinery.gvk import CONFIGMAPS, PODS

RunApi = Callable[..., None]


async def figures(api: Any) -> dict[str, float]:
    text = (await api.send("GET", "/metrics")).body.decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def find(values: dict[str, float], name: str, **labels: str) -> float | None:
    for key, value in values.items():
        if key.partition("{")[0] == name and all(f'{k}="{v}"' in key for k, v in labels.items()):
            return value
    return None


def test_requests_are_counted_under_the_labels_of_upstream(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        made = {"metadata": {"name": "c", "namespace": "default"}, "apiVersion": "v1", "kind": "ConfigMap"}
        await api.client.create(CONFIGMAPS, made)
        await api.client.patch(CONFIGMAPS, "c", made, "default", type="apply", field_manager="t")
        await api.client.list(CONFIGMAPS)
        await api.client.list(CONFIGMAPS, "default")
        await api.send("DELETE", "/api/v1/namespaces/default/configmaps/c", query={"dryRun": "All"})
        for n in range(50):  # what is not served cannot fill the memory
            await api.send("GET", f"/apis/no.such/v1/things{n}")
            await api.send("GET", f"/api/v1/namespaces/default/pods/x/sub{n}")
        found = await figures(api)
        name, map_ = "apiserver_request_total", {"resource": "configmaps", "version": "v1", "group": ""}
        assert find(found, name, verb="POST", scope="resource", code="201", **map_) == 1
        assert find(found, name, verb="APPLY", scope="resource", code="200", **map_) == 1
        assert find(found, name, verb="LIST", scope="cluster", component="apiserver", **map_) == 1
        assert find(found, name, verb="LIST", scope="namespace", **map_) == 1
        assert find(found, name, verb="DELETE", dry_run="All", **map_) == 1
        assert find(found, name, verb="GET", code="404", resource="") == 50
        assert find(found, name, verb="LIST", code="404", resource="") == 50
        assert not any("things" in key or "sub1" in key for key in found)
        for family in ("request_duration_seconds", "request_sli_duration_seconds"):
            assert find(found, f"apiserver_{family}_count", verb="POST", **map_) == 1
            assert find(found, f"apiserver_{family}_bucket", verb="POST", le="1", **map_) == 1
        assert find(found, "apiserver_response_sizes_count", verb="LIST", scope="namespace", **map_) == 1
        assert find(found, "kubernetes_build_info", major="1", minor="36") == 1

    run_api(body)


def test_stores_and_watches_are_counted(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        for n in range(3):
            await api.client.create(CONFIGMAPS, {"metadata": {"name": f"c{n}", "namespace": "default"}})
        async with api.client.watch(PODS, "default") as events:
            follower = asyncio.create_task(anext(aiter(events)))
            await api.clock.sleep(1)
            found = await figures(api)
            assert find(found, "apiserver_longrunning_requests", verb="WATCH", resource="pods") == 1
            watchers = find(found, "apiserver_registered_watchers", kind="Pod")
            follower.cancel()
        await api.clock.sleep(1)
        after = await figures(api)
        assert find(after, "apiserver_longrunning_requests", verb="WATCH", resource="pods") == 0
        assert watchers == (find(after, "apiserver_registered_watchers", kind="Pod") or 0) + 1
        maps = len((await api.client.list(CONFIGMAPS))["items"])
        assert find(found, "apiserver_storage_objects", resource="configmaps") == maps
        assert find(found, "apiserver_resource_objects", resource="configmaps") == maps
        timed = "etcd_request_duration_seconds_count"
        assert find(found, timed, operation="create", type="configmaps") == maps
        assert find(found, "etcd_requests_total", operation="create", type="configmaps") == maps

    run_api(body)


def test_time_in_a_queue_is_not_the_servers_own_and_refusals_are_terminations(run_api: RunApi) -> None:
    class Slow(Plugin):
        def handles(self, request: AdmissionRequest) -> bool:
            return request.operation == "CREATE" and request.resource.gvr.resource == "configmaps"

        async def validate(self, request: AdmissionRequest) -> None:
            await asyncio.sleep(1)

    def guard(engine: Engine) -> Guard:
        return open_guard(engine, [Slow()])

    async def body(api: Any) -> None:
        from apiserver.auth.user import User
        from client.inprocess import InProcessTransport

        level = api.server.flow.levels["global-default"]
        level.queues.limit, api.server.flow.wait_limit_s = 1, 1.5
        jane = InProcessTransport(api.server.app, User("jane", ("system:authenticated",)))
        bodies = [orjson.dumps({"metadata": {"name": f"c{n}"}}) for n in range(3)]
        path, json = "/api/v1/namespaces/default/configmaps", {"content-type": "application/json"}
        answers = await asyncio.gather(*(jane.request("POST", path, body=b, headers=json) for b in bodies))
        assert sorted(each.status for each in answers) == [201, 201, 429]
        found = await figures(api)
        assert find(found, "apiserver_request_terminations_total", verb="POST", code="429") == 1
        whole = find(found, "apiserver_request_duration_seconds_sum", verb="POST", resource="configmaps")
        own = find(found, "apiserver_request_sli_duration_seconds_sum", verb="POST", resource="configmaps")
        assert whole is not None and own is not None and round(whole - own, 1) == 2.5 and round(own, 1) == 2.0

    run_api(body, guard=guard)


def test_documents_asked_for_by_their_hash_are_kept_for_good(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        index = orjson.loads((await api.send("GET", "/openapi/v3")).body)["paths"]
        url = index["apis/apps/v1"]["serverRelativeURL"]
        path, _, query = url.partition("?hash=")
        kept = await api.send("GET", path, query={"hash": query})
        assert kept.headers["cache-control"].startswith("public, immutable")
        assert kept.headers["etag"] == f'"{query}"'
        plain = await api.send("GET", path)
        assert plain.headers["cache-control"] == "no-cache, private"
        other = await api.send("GET", path, query={"hash": "00"})
        assert (other.status, other.headers["location"]) == (301, url)
        again = await api.send("GET", path, headers={"if-none-match": f'"{query}"'})
        assert again.status == 304 and not again.body

    run_api(body)


def test_root_lists_what_is_answered_and_checks_are_metrics(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        paths = orjson.loads((await api.send("GET", "/")).body)["paths"]
        assert {"/apis/apps/v1", "/api/v1", "/metrics", "/readyz/etcd", "/livez/ping"} <= set(paths)
        for path in set(paths) - {"/openapi/v2"}:  # made in a second, and tested elsewhere
            assert (await api.send("GET", path)).status == 200, path
        slis = (await api.send("GET", "/metrics/slis")).body.decode()
        assert re.search(r'kubernetes_healthcheck\{name="etcd",type="readyz"\} 1', slis)

    run_api(body)

"""Lists, pages, watches, tables, discovery: everything a client reads."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from machinery.errors import Expired, Timeout
from machinery.gvk import CONFIGMAPS, DEPLOYMENTS, EVENTS, EVENTS_V1, NAMESPACES, PODS

NS = "default"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def fill(api, count):
    for n in range(count):
        await api.client.create(
            CONFIGMAPS,
            {"metadata": {"name": f"c{n:02}", "namespace": NS, "labels": {"odd": str(n % 2)}}, "data": {}},
        )


def names(listing):
    return [item["metadata"]["name"] for item in listing["items"]]


def test_list_by_selectors(run_api):
    async def body(api):
        await fill(api, 6)
        listing = await api.client.list(CONFIGMAPS, NS, label_selector="odd=1")
        assert names(listing) == ["c01", "c03", "c05"]
        assert listing["kind"] == "ConfigMapList"
        assert names(await api.client.list(CONFIGMAPS, NS, field_selector="metadata.name=c02")) == ["c02"]
        assert names(await api.client.list(CONFIGMAPS, "empty")) == []
        assert len(names(await api.client.list(CONFIGMAPS))) >= 6

    run_api(body)


def test_pages_are_of_one_state_and_tell_how_many_remain(run_api):
    async def body(api):
        await fill(api, 5)
        first = await api.client.list(CONFIGMAPS, NS, limit=2)
        assert names(first) == ["c00", "c01"] and first["metadata"]["remainingItemCount"] == 3
        await api.client.delete(CONFIGMAPS, "c03", NS)
        second = await api.client.list(CONFIGMAPS, NS, limit=2, continue_=first["metadata"]["continue"])
        assert names(second) == ["c02", "c03"]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        third = await api.client.list(CONFIGMAPS, NS, limit=2, continue_=second["metadata"]["continue"])
        assert names(third) == ["c04"] and not third["metadata"].get("continue")

    run_api(body)


def test_continue_after_compaction_expires_with_a_token_that_goes_on(run_api):
    async def body(api):
        await fill(api, 4)
        first = await api.client.list(CONFIGMAPS, NS, limit=2)
        token = first["metadata"]["continue"]
        backend = api.server._parts.backend
        for n in range(2100):
            await backend.put(f"/registry/configmaps/other/{n % 3}", b'{"metadata":{"name":"x"}}')
            if n % 100 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        await backend.compact(await backend.revision())
        with pytest.raises(Expired) as caught:
            await api.client.list(CONFIGMAPS, NS, limit=2, continue_=token)
        assert caught.value.continue_token
        rest = await api.client.list(CONFIGMAPS, NS, limit=2, continue_=caught.value.continue_token)
        assert names(rest) == ["c02", "c03"]

    run_api(body)


def test_list_at_an_exact_revision_shows_the_past(run_api):
    async def body(api):
        await fill(api, 1)
        then = (await api.client.list(CONFIGMAPS, NS))["metadata"]["resourceVersion"]
        await fill_more(api)
        response = await api.send(
            "GET",
            "/api/v1/namespaces/default/configmaps",
            query={"resourceVersion": then, "resourceVersionMatch": "Exact"},
        )
        assert names(orjson.loads(response.body)) == ["c00"]
        response = await api.send(
            "GET",
            "/api/v1/namespaces/default/configmaps/c00",
            query={"resourceVersion": then, "resourceVersionMatch": "Exact"},
        )
        assert response.status == 200

    async def fill_more(api):
        await api.client.create(CONFIGMAPS, {"metadata": {"name": "z", "namespace": NS}, "data": {}})

    run_api(body)


def test_future_revision_times_out_and_nonsense_is_refused(run_api):
    async def body(api):
        with pytest.raises(Timeout, match="Too large resource version"):
            await api.client.list(CONFIGMAPS, NS, resource_version="999999")
        path = "/api/v1/namespaces/default/configmaps"
        assert (await api.send("GET", path, query={"resourceVersion": "x"})).status == 400
        assert (await api.send("GET", path, query={"continue": "???"})).status == 400
        assert (await api.send("GET", path, query={"resourceVersionMatch": "Exact"})).status == 422
        assert (await api.send("GET", path, query={"labelSelector": "a=="})).status in (200, 400)

    run_api(body)


async def collect(api, count, **options):
    """The first `count` events of a watch, as (type, name or revision)."""
    seen = []
    async with api.client.watch(CONFIGMAPS, NS, **options) as events:
        async for event in events:
            seen.append((event.type, event.object["metadata"].get("name", "")))
            if len(seen) == count:
                return seen
    return seen


def test_watch_from_a_revision_tells_what_came_after(run_api):
    async def body(api):
        await fill(api, 2)
        start = (await api.client.list(CONFIGMAPS, NS))["metadata"]["resourceVersion"]
        await api.client.delete(CONFIGMAPS, "c00", NS)
        await api.client.patch(CONFIGMAPS, "c01", {"data": {"k": "v"}}, NS)
        seen = await collect(api, 2, resource_version=start)
        assert seen == [("DELETED", "c00"), ("MODIFIED", "c01")]

    run_api(body)


def test_watch_without_revision_begins_with_what_exists(run_api):
    async def body(api):
        await fill(api, 2)
        task = asyncio.create_task(collect(api, 3))
        await asyncio.sleep(1)
        await api.client.delete(CONFIGMAPS, "c01", NS)
        assert await task == [("ADDED", "c00"), ("ADDED", "c01"), ("DELETED", "c01")]

    run_api(body)


def test_send_initial_events_ends_with_a_marked_bookmark(run_api):
    async def body(api):
        await fill(api, 1)
        query = {
            "watch": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "5",
        }
        response = await api.send("GET", "/api/v1/namespaces/default/configmaps", query=query)
        events = [orjson.loads(line) for line in response.body.splitlines()]
        assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
        assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert events[1]["object"]["kind"] == "ConfigMap"
        del query["resourceVersionMatch"]
        assert (await api.send("GET", "/api/v1/namespaces/default/configmaps", query=query)).status == 422

    run_api(body)


def test_watch_by_label_sees_an_object_leave_the_selection(run_api):
    async def body(api):
        await fill(api, 2)
        start = (await api.client.list(CONFIGMAPS, NS))["metadata"]["resourceVersion"]
        await api.client.patch(CONFIGMAPS, "c01", {"metadata": {"labels": {"odd": "0"}}}, NS)
        seen = await collect(api, 1, resource_version=start, label_selector="odd=1")
        assert seen == [("DELETED", "c01")]

    run_api(body)


def test_watch_from_a_compacted_revision_tells_410_in_the_stream(run_api):
    async def body(api):
        await fill(api, 1)
        backend = api.server._parts.backend
        for n in range(2100):
            await backend.put(f"/registry/configmaps/other/{n % 3}", b'{"metadata":{"name":"x"}}')
            if n % 100 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        await backend.compact(await backend.revision())
        response = await api.send(
            "GET", "/api/v1/namespaces/default/configmaps", query={"watch": "1", "resourceVersion": "1"}
        )
        assert response.status == 200
        event = orjson.loads(response.body.splitlines()[0])
        assert event["type"] == "ERROR" and event["object"]["code"] == 410

    run_api(body)


def test_watch_ends_at_its_timeout(run_api):
    async def body(api):
        started = api.clock.now()
        response = await api.send(
            "GET", "/api/v1/namespaces/default/configmaps", query={"watch": "1", "timeoutSeconds": "20"}
        )
        assert response.status == 200 and api.clock.now() - started == pytest.approx(20, abs=1)

    run_api(body)


def test_stop_ends_open_watches(run_api):
    async def body(api):
        task = asyncio.create_task(
            api.send("GET", "/api/v1/pods", query={"watch": "1", "resourceVersion": "1"})
        )
        await asyncio.sleep(0.1)
        assert len(api.server.streams) == 1
        api.server.stop()
        assert (await task).status == 200
        assert len(api.server.streams) == 0

    run_api(body)


def test_table_of_a_list_one_object_and_a_watch(run_api):
    async def body(api):
        listing = orjson.loads((await api.send("GET", "/api/v1/namespaces", accept=TABLE)).body)
        assert listing["kind"] == "Table" and listing["apiVersion"] == "meta.k8s.io/v1"
        assert [c["name"] for c in listing["columnDefinitions"]] == ["Name", "Status", "Age"]
        assert listing["rows"][0]["cells"][:2] == ["default", "Active"]
        assert listing["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        one = orjson.loads(
            (
                await api.send(
                    "GET", "/api/v1/namespaces/default", accept=TABLE, query={"includeObject": "Object"}
                )
            ).body
        )
        assert one["rows"][0]["object"]["kind"] == "Namespace"
        watch = await api.send(
            "GET", "/api/v1/namespaces", accept=TABLE, query={"watch": "1", "timeoutSeconds": "1"}
        )
        events = [orjson.loads(line)["object"] for line in watch.body.splitlines()]
        assert len(events) == 4 and all(event["kind"] == "Table" for event in events)
        assert events[0]["columnDefinitions"] and not events[1]["columnDefinitions"]

    run_api(body)


def test_metadata_only(run_api):
    async def body(api):
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        listing = orjson.loads((await api.send("GET", "/api/v1/namespaces", accept=accept)).body)
        assert listing["kind"] == "PartialObjectMetadataList"
        assert set(listing["items"][0]) == {"kind", "apiVersion", "metadata"}
        yaml = await api.send("GET", "/api/v1/namespaces/default", accept="application/yaml")
        assert yaml.headers["content-type"] == "application/yaml" and b"kind: Namespace" in yaml.body

    run_api(body)


def test_scale_shows_and_sets_replicas(run_api):
    async def body(api):
        deployment = {
            "metadata": {"name": "web", "namespace": NS},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "c", "image": "x"}]},
                },
            },
        }
        await api.client.create(DEPLOYMENTS, deployment)
        path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
        scale = orjson.loads((await api.send("GET", path)).body)
        assert scale["kind"] == "Scale" and scale["spec"] == {"replicas": 1}
        assert scale["status"]["selector"] == "app=web"
        scale["spec"]["replicas"] = 4
        assert orjson.loads((await api.send("PUT", path, scale)).body)["spec"]["replicas"] == 4
        assert (await api.send("PUT", path, scale)).status == 409
        patched = await api.send(
            "PATCH", path, {"spec": {"replicas": 0}}, content_type="application/merge-patch+json"
        )
        assert patched.status == 200
        assert (await api.client.get(DEPLOYMENTS, "web", NS))["spec"]["replicas"] == 0
        scale["spec"]["replicas"] = -1
        scale["metadata"].pop("resourceVersion")
        assert (await api.send("PUT", path, scale)).status == 422

    run_api(body)


def test_two_groups_show_the_same_events(run_api):
    async def body(api):
        event = {
            "metadata": {"name": "e", "namespace": NS},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": NS},
            "reason": "Tested",
            "message": "it was",
            "type": "Normal",
        }
        await api.client.create(EVENTS, event)
        seen = await api.client.get(EVENTS_V1, "e", NS)
        assert seen["apiVersion"] == "events.k8s.io/v1" and seen["note"] == "it was"
        assert seen["regarding"]["name"] == "p"
        listing = await api.client.list(EVENTS, NS, field_selector="involvedObject.name=p,reason=Tested")
        assert len(listing["items"]) == 1
        assert not (await api.client.list(EVENTS, NS, field_selector="involvedObject.name=q"))["items"]

    run_api(body)


def test_discovery_aggregated_and_legacy(run_api):
    async def body(api):
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        response = await api.send("GET", "/apis", accept=accept)
        assert response.headers["content-type"].endswith("as=APIGroupDiscoveryList")
        body = orjson.loads(response.body)
        apps = next(item for item in body["items"] if item["metadata"]["name"] == "apps")
        plurals = [each["resource"] for each in apps["versions"][0]["resources"]]
        assert "deployments" in plurals
        again = await api.send(
            "GET", "/apis", accept=accept, headers={"if-none-match": response.headers["etag"]}
        )
        assert again.status == 304 and not again.body and "content-type" not in again.headers
        core = orjson.loads((await api.send("GET", "/api", accept=accept)).body)
        assert core["items"][0]["versions"][0]["version"] == "v1"

        assert orjson.loads((await api.send("GET", "/api")).body)["versions"] == ["v1"]
        groups = orjson.loads((await api.send("GET", "/apis")).body)["groups"]
        assert {"apps", "events.k8s.io", "rbac.authorization.k8s.io"} <= {g["name"] for g in groups}
        listing = orjson.loads((await api.send("GET", "/api/v1")).body)["resources"]
        by_name = {each["name"]: each for each in listing}
        assert by_name["pods"]["shortNames"] == ["po"]
        assert (
            by_name["pods/eviction"]["group"] == "policy" and by_name["pods/eviction"]["kind"] == "Eviction"
        )
        apps = orjson.loads((await api.send("GET", "/apis/apps/v1")).body)["resources"]
        scale = next(each for each in apps if each["name"] == "deployments/scale")
        assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")

    run_api(body)


def test_health_version_and_metrics(run_api):
    async def body(api):
        assert (await api.send("GET", "/healthz")).body == b"ok"
        verbose = await api.send("GET", "/readyz", query={"verbose": ""})
        assert b"[+]etcd ok" in verbose.body and b"readyz check passed" in verbose.body
        assert (await api.send("GET", "/livez/ping")).body == b"ok"
        assert (await api.send("GET", "/livez/none")).status == 404
        assert orjson.loads((await api.send("GET", "/version")).body)["gitVersion"] == "v1.36.0+kctl"
        metrics = await api.send("GET", "/metrics")
        assert b'apiserver_request_total{code="200"' in metrics.body

    run_api(body)


def test_bootstrap_objects_exist(run_api):
    async def body(api):
        assert names(await api.client.list(NAMESPACES)) == [
            "default",
            "kube-node-lease",
            "kube-public",
            "kube-system",
        ]
        service = orjson.loads((await api.send("GET", "/api/v1/namespaces/default/services/kubernetes")).body)
        assert service["spec"]["clusterIP"] == "10.96.0.1"
        path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
        slice_ = orjson.loads((await api.send("GET", path)).body)
        assert slice_["endpoints"][0]["addresses"] == ["127.0.0.1"]
        assert await api.client.list(PODS)

    run_api(body)


def test_extras_tell_an_objects_past(run_api):
    async def body(api):
        await fill(api, 1)
        await api.client.patch(CONFIGMAPS, "c00", {"data": {"k": "2"}}, NS)
        path = "/api/v1/namespaces/default/configmaps/c00"
        response = await api.send("GET", "/api-extra/history", query={"path": path})
        states = orjson.loads(response.body)["states"]
        assert [state["object"].get("data") for state in states] == [None, {"k": "2"}]
        missing = await api.send("GET", "/api-extra/history", query={"path": path + "x"})
        assert missing.status == 404 and orjson.loads(missing.body)["kind"] == "Status"
        revisions = orjson.loads((await api.send("GET", "/api-extra/revisions")).body)
        assert revisions["newest"] == states[-1]["revision"]
        assert (await api.send("GET", "/docs")).status == 200

    run_api(body)

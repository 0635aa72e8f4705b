"""Subresources of pods and others that change an object under rules of their own, and access reviews."""

from __future__ import annotations

import orjson
import pytest

from machinery.gvk import EVENTS_V1, NAMESPACES, PODS

NS = "default"
POD = "/api/v1/namespaces/default/pods/p"
STRATEGIC = "application/strategic-merge-patch+json"


def pod(**spec):
    container = {
        "name": "c",
        "image": "x",
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}},
    }
    return {"metadata": {"name": "p", "namespace": NS}, "spec": {"containers": [container], **spec}}


def test_ephemeral_containers_are_added_by_their_own_endpoint_only(run_api):
    async def body(api):
        await api.client.create(PODS, pod(nodeName="n1"))
        patch = {"spec": {"ephemeralContainers": [{"name": "d", "image": "busybox"}]}}
        refused = await api.send("PATCH", POD, patch, content_type=STRATEGIC)
        seen = await api.client.get(PODS, "p", NS)
        assert refused.status == 422 or "ephemeralContainers" not in seen["spec"]
        added = await api.send("PATCH", f"{POD}/ephemeralcontainers", patch, content_type=STRATEGIC)
        assert added.status == 200, added.body
        made = orjson.loads(added.body)
        assert made["kind"] == "Pod" and made["spec"]["ephemeralContainers"][0]["name"] == "d"
        assert made["metadata"]["generation"] == 2
        image = {"spec": {"containers": [{"name": "c", "image": "y"}]}}
        await api.send("PATCH", f"{POD}/ephemeralcontainers", image, content_type=STRATEGIC)
        assert (await api.client.get(PODS, "p", NS))["spec"]["containers"][0]["image"] == "x"

    run_api(body)


def test_resize_changes_resources_and_nothing_else(run_api):
    async def body(api):
        await api.client.create(PODS, pod(nodeName="n1"))
        patch = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "300m"}}}]}}
        direct = await api.send("PATCH", POD, patch, content_type=STRATEGIC)
        assert direct.status == 422
        resized = await api.send("PATCH", f"{POD}/resize", patch, content_type=STRATEGIC)
        assert resized.status == 200, resized.body
        made = orjson.loads(resized.body)
        assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "300m"}
        assert made["metadata"]["generation"] == 2

    run_api(body)


def test_pod_status_is_patched_and_counts_no_generation(run_api):
    async def body(api):
        await api.client.create(PODS, pod(nodeName="n1"))
        patch = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        response = await api.send("PATCH", f"{POD}/status", patch, content_type=STRATEGIC)
        made = orjson.loads(response.body)
        assert made["status"]["phase"] == "Running" and made["metadata"]["generation"] == 1
        managed = made["metadata"]["managedFields"]
        assert [entry.get("subresource") for entry in managed] == [None, "status"]
        shown = await api.send("GET", f"{POD}/status")
        assert orjson.loads(shown.body) == made

    run_api(body)


def test_namespace_status_can_be_written(run_api):
    async def body(api):
        await api.client.create(NAMESPACES, {"metadata": {"name": "shop"}})
        condition = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Set"}
        patch = {"metadata": {"annotations": {"a": "b"}}, "status": {"conditions": [condition]}}
        response = await api.send(
            "PATCH", "/api/v1/namespaces/shop/status", patch, content_type="application/merge-patch+json"
        )
        assert response.status == 200
        assert orjson.loads(response.body)["status"]["conditions"][0]["reason"] == "E2E"

    run_api(body)


def test_events_of_the_new_group_are_deleted_by_label(run_api):
    async def body(api):
        for name in ("a", "b"):
            event = {
                "metadata": {"name": name, "namespace": NS, "labels": {"t": "1"}},
                "eventTime": "2026-01-01T00:00:00.000000Z",
                "action": "Do",
                "reason": "Test",
                "regarding": {"kind": "Pod", "name": "p", "namespace": NS},
                "reportingController": "example.com/c",
                "reportingInstance": "c-1",
                "type": "Normal",
                "note": "hello",
            }
            await api.client.create(EVENTS_V1, event)
        path = "/apis/events.k8s.io/v1/namespaces/default/events"
        found = await api.send("GET", path, query={"fieldSelector": "reportingController=example.com/c"})
        assert found.status == 200 and len(orjson.loads(found.body)["items"]) == 2
        assert (await api.send("DELETE", path, query={"labelSelector": "t=1"})).status == 200
        assert not (await api.client.list(EVENTS_V1, NS))["items"]

    run_api(body)


def test_reviews_answer_and_store_nothing(run_api):
    async def body(api):
        async def ask(path, sent):
            response = await api.send("POST", path, sent)
            return response.status, orjson.loads(response.body)

        authz = "/apis/authorization.k8s.io/v1"
        attributes = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": NS}}
        code, review = await ask(f"{authz}/selfsubjectaccessreviews", {"spec": attributes})
        assert code == 201 and review["status"]["allowed"] is True
        code, _ = await ask(f"{authz}/selfsubjectaccessreviews", {"spec": {}})
        assert code == 422
        code, review = await ask(f"{authz}/subjectaccessreviews", {"spec": {**attributes, "user": "jane"}})
        assert code == 201 and "allowed" in review["status"]
        local = f"{authz}/namespaces/default/localsubjectaccessreviews"
        code, _ = await ask(local, {"metadata": {"namespace": NS}, "spec": {**attributes, "user": "jane"}})
        assert code == 201
        code, review = await ask(f"{authz}/selfsubjectrulesreviews", {"spec": {"namespace": NS}})
        assert code == 201 and review["status"]["resourceRules"]
        authn = "/apis/authentication.k8s.io/v1"
        code, review = await ask(f"{authn}/selfsubjectreviews", {})
        assert code == 201 and review["status"]["userInfo"]["username"] == "admin"
        code, review = await ask(f"{authn}/tokenreviews", {"spec": {"token": "nonsense"}})
        assert code == 201 and not review["status"].get("authenticated")
        assert (await api.send("GET", f"{authz}/selfsubjectaccessreviews")).status == 405

    run_api(body)


@pytest.mark.parametrize("name", ["exec", "attach", "portforward"])
def test_connectors_without_an_upgrade_say_what_is_wrong(run_api, name):
    async def body(api):
        await api.client.create(PODS, pod())
        response = await api.send("POST", f"{POD}/{name}", query={"command": "a", "stdout": "true"})
        assert response.status == 400 and b"does not have a host assigned" in response.body

    run_api(body)

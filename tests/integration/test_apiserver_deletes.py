"""Deleting: at once, with grace, with finalizers, by collection; namespaces and their own finalizers."""

from __future__ import annotations

import orjson
import pytest

from machinery.errors import Conflict, NotFound
from machinery.gvk import CONFIGMAPS, NAMESPACES, PODS

NS = "default"


def pod(name="p", node=""):
    spec = {"containers": [{"name": "c", "image": "x"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, "namespace": NS}, "spec": spec}


def config(name="a", **meta):
    return {"metadata": {"name": name, "namespace": NS, **meta}, "data": {}}


def test_delete_removes_and_answers_with_a_status(run_api):
    async def body(api):
        made = await api.client.create(CONFIGMAPS, config())
        status = await api.client.delete(CONFIGMAPS, "a", NS)
        assert status["status"] == "Success" and status["details"]["uid"] == made["metadata"]["uid"]
        with pytest.raises(NotFound):
            await api.client.delete(CONFIGMAPS, "a", NS)

    run_api(body)


def test_delete_with_wrong_preconditions_conflicts(run_api):
    async def body(api):
        made = await api.client.create(CONFIGMAPS, config())
        with pytest.raises(Conflict):
            await api.client.delete(CONFIGMAPS, "a", NS, uid="x" * 36)
        with pytest.raises(Conflict):
            await api.client.delete(CONFIGMAPS, "a", NS, resource_version="1")
        await api.client.delete(CONFIGMAPS, "a", NS, uid=made["metadata"]["uid"])

    run_api(body)


def test_unscheduled_pod_goes_at_once_and_scheduled_pod_with_grace(run_api):
    async def body(api):
        await api.client.create(PODS, pod("free"))
        await api.client.delete(PODS, "free", NS)
        with pytest.raises(NotFound):
            await api.client.get(PODS, "free", NS)

        await api.client.create(PODS, pod("bound", node="n1"))
        marked = await api.client.delete(PODS, "bound", NS)
        assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
        assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
        shorter = await api.client.delete(PODS, "bound", NS, grace_period_s=5)
        assert shorter["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:05Z"
        longer = await api.client.delete(PODS, "bound", NS, grace_period_s=60)
        assert longer["metadata"]["deletionGracePeriodSeconds"] == 5
        await api.client.delete(PODS, "bound", NS, grace_period_s=0)
        with pytest.raises(NotFound):
            await api.client.get(PODS, "bound", NS)

    run_api(body)


def test_finalizer_holds_the_object_until_an_update_takes_it(run_api):
    async def body(api):
        await api.client.create(CONFIGMAPS, config(finalizers=["example.com/hold"]))
        marked = await api.client.delete(CONFIGMAPS, "a", NS)
        assert (
            marked["metadata"]["deletionTimestamp"] and marked["metadata"]["deletionGracePeriodSeconds"] == 0
        )
        again = await api.client.delete(CONFIGMAPS, "a", NS)
        assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
        added = await api.send(
            "PATCH",
            "/api/v1/namespaces/default/configmaps/a",
            {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}},
            content_type="application/merge-patch+json",
        )
        assert added.status == 422
        await api.client.patch(CONFIGMAPS, "a", {"metadata": {"finalizers": None}}, NS)
        with pytest.raises(NotFound):
            await api.client.get(CONFIGMAPS, "a", NS)

    run_api(body)


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_propagation_policy_becomes_a_finalizer(run_api, policy, finalizer):
    async def body(api):
        await api.client.create(CONFIGMAPS, config())
        marked = await api.client.delete(CONFIGMAPS, "a", NS, propagation_policy=policy)
        assert marked["metadata"]["finalizers"] == [finalizer]
        assert marked["metadata"]["deletionTimestamp"]

    run_api(body)


def test_bad_delete_options_are_refused(run_api):
    async def body(api):
        await api.client.create(CONFIGMAPS, config())
        path = "/api/v1/namespaces/default/configmaps/a"
        assert (await api.send("DELETE", path, {"propagationPolicy": "Sideways"})).status == 422
        assert (await api.send("DELETE", path, {"kind": "Pod"})).status == 400
        assert (await api.send("DELETE", path, {"dryRun": ["Some"]})).status == 422

    run_api(body)


def test_delete_collection_takes_what_the_selector_names(run_api):
    async def body(api):
        for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
            await api.client.create(CONFIGMAPS, config(name, labels={"app": app}))
        path = "/api/v1/namespaces/default/configmaps"
        response = await api.send("DELETE", path, query={"labelSelector": "app=x"})
        assert response.status == 200
        left = await api.client.list(CONFIGMAPS, NS)
        assert [item["metadata"]["name"] for item in left["items"]] == ["c"]

    run_api(body)


def test_namespace_is_terminating_until_finalized(run_api):
    async def body(api):
        await api.client.create(NAMESPACES, {"metadata": {"name": "shop"}})
        marked = await api.client.delete(NAMESPACES, "shop")
        assert marked["status"]["phase"] == "Terminating" and marked["metadata"]["deletionTimestamp"]
        marked["spec"]["finalizers"] = []
        response = await api.send("PUT", "/api/v1/namespaces/shop/finalize", marked)
        assert response.status == 200
        with pytest.raises(NotFound):
            await api.client.get(NAMESPACES, "shop")

    run_api(body)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])  # kubectl before 1.22 drains with the latter
def test_eviction_deletes_with_the_options_it_carries(run_api, version):
    async def body(api):
        await api.client.create(PODS, pod("p", node="n1"))
        eviction = {
            "apiVersion": f"policy/{version}",
            "kind": "Eviction",
            "metadata": {"name": "p", "namespace": NS},
            "deleteOptions": {"gracePeriodSeconds": 3},
        }
        response = await api.send("POST", "/api/v1/namespaces/default/pods/p/eviction", eviction)
        assert response.status == 201 and orjson.loads(response.body)["status"] == "Success"
        assert (await api.client.get(PODS, "p", NS))["metadata"]["deletionGracePeriodSeconds"] == 3

    run_api(body)


def test_eviction_of_a_version_that_never_was_is_refused(run_api):
    async def body(api):
        await api.client.create(PODS, pod("p", node="n1"))
        eviction = {"apiVersion": "policy/v9", "kind": "Eviction", "metadata": {"name": "p"}}
        response = await api.send("POST", "/api/v1/namespaces/default/pods/p/eviction", eviction)
        assert response.status == 400 and b"(policy/v9)" in response.body

    run_api(body)


def test_binding_assigns_once(run_api):
    async def body(api):
        await api.client.create(PODS, pod())
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
        path = "/api/v1/namespaces/default/pods/p/binding"
        assert (await api.send("POST", path, binding)).status == 201
        bound = await api.client.get(PODS, "p", NS)
        assert bound["spec"]["nodeName"] == "n1"
        assert any(
            c["type"] == "PodScheduled" and c["status"] == "True" for c in bound["status"]["conditions"]
        )
        assert bound["metadata"]["generation"] == 1
        assert (await api.send("POST", path, binding)).status == 409
        assert (await api.send("POST", path, {"metadata": {"name": "p"}, "target": {}})).status == 422
        assert (await api.send("POST", path, {**binding, "metadata": {"name": "q"}})).status == 400
        assert [entry["operation"] for entry in bound["metadata"]["managedFields"]] == ["Update"]

    run_api(body)


def test_binding_of_the_collection_names_its_pod_and_its_state(run_api):
    async def body(api):
        made = await api.client.create(PODS, pod())
        target, path = {"kind": "Node", "name": "n1"}, "/api/v1/namespaces/default/bindings"
        stale = {"metadata": {"name": "p", "resourceVersion": "1"}, "target": target}
        assert (await api.send("POST", path, stale)).status == 409
        none = await api.send("POST", path, {"metadata": {"name": "q"}, "target": target})
        assert none.status == 404 and b'pods \\"q\\" not found' in none.body
        meta = {key: made["metadata"][key] for key in ("name", "uid", "resourceVersion")}
        assert (await api.send("POST", path, {"metadata": meta, "target": target})).status == 201
        assert (await api.client.get(PODS, "p", NS))["spec"]["nodeName"] == "n1"

    run_api(body)

"""Single kinds as a conformant cluster shows them: statuses, what is immutable, what is refused (docs/conformance.md)."""

from __future__ import annotations

import asyncio
import base64

import orjson
import pytest

from machinery.errors import Conflict, Invalid
from machinery.gvk import CONFIGMAPS, GVR, NAMESPACES, PODS, SERVICES

NS = "default"
SECRETS = GVR("", "v1", "secrets", kind="Secret")
QUOTAS = GVR("", "v1", "resourcequotas", kind="ResourceQuota")
LIMITS = GVR("", "v1", "limitranges", kind="LimitRange")
VOLUMES = GVR("", "v1", "persistentvolumes", namespaced=False, kind="PersistentVolume")
CLAIMS = GVR("", "v1", "persistentvolumeclaims", kind="PersistentVolumeClaim")
ATTACHMENTS = GVR("storage.k8s.io", "v1", "volumeattachments", namespaced=False, kind="VolumeAttachment")
PRIORITIES = GVR("scheduling.k8s.io", "v1", "priorityclasses", namespaced=False, kind="PriorityClass")
EVENTS = GVR("events.k8s.io", "v1", "events", kind="Event")
CORE_EVENTS = GVR("", "v1", "events", kind="Event")
ENDPOINTS = GVR("", "v1", "endpoints", kind="Endpoints")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices", kind="EndpointSlice")
TEMPLATES = GVR("", "v1", "podtemplates", kind="PodTemplate")
CIDRS = GVR("networking.k8s.io", "v1", "servicecidrs", namespaced=False, kind="ServiceCIDR")
LEASES = GVR("coordination.k8s.io", "v1", "leases", kind="Lease")
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def meta(name, **more):
    return {"name": name, "namespace": NS, **more}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def said(answer):
    return orjson.loads(answer.body)


def pod(name="p", **spec):
    return {"metadata": meta(name), "spec": {"containers": [{"name": "c", "image": "nginx:1"}], **spec}}


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUME = {
    "capacity": {"storage": "1Gi"},
    "accessModes": ["ReadWriteOnce"],
    "hostPath": {"path": "/data"},
}
ATTACHMENT = {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
READY = {
    "type": "StatusUpdate",
    "status": "True",
    "reason": "E2E",
    "message": "set by a test",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("gvr", "spec", "patch", "update"),
    [
        (NAMESPACES, None, {"conditions": [READY]}, {"conditions": [{**READY, "type": "Another"}]}),
        (QUOTAS, {"hard": {"pods": "5"}}, {"hard": {"pods": "5"}}, {"hard": {"pods": "6"}}),
        (SERVICES, {"ports": [{"port": 80}]}, {"conditions": [READY]}, {"conditions": []}),
        (VOLUMES, VOLUME, {"message": "patched", "reason": "E2E"}, {"message": "updated", "reason": "E2E"}),
        (CLAIMS, CLAIM, {"phase": "Bound"}, {"conditions": [{**READY, "lastProbeTime": None}]}),
        (ATTACHMENTS, ATTACHMENT, {"attached": True}, {"attached": False}),
        (CIDRS, {"cidrs": ["10.97.0.0/16"]}, {"conditions": [READY]}, {"conditions": []}),
    ],
)
def test_a_status_is_patched_updated_and_read_at_its_own_endpoint(run_api, gvr, spec, patch, update):
    async def body(api):
        namespace = NS if gvr.namespaced else ""
        obj = {"metadata": {"name": "x", **({"namespace": NS} if namespace else {})}}
        if spec is not None:
            obj["spec"] = spec
        made = await api.client.create(gvr, obj)
        answer = await api.send(
            "PATCH",
            gvr.path(namespace, "x", "status"),
            {"metadata": {"annotations": {"patched": "true"}}, "status": patch},
            content_type=MERGE,
        )
        patched = said(answer)
        assert answer.status == 200, patched
        kept = gvr in (ATTACHMENTS, CIDRS)  # whose status takes nothing along
        assert (patched["metadata"].get("annotations") or {}) == ({} if kept else {"patched": "true"})
        for key, value in patch.items():
            assert patched["status"][key] == value
        patched["status"] = {**patched["status"], **update}
        patched["spec"] = {**(patched.get("spec") or {}), "paused": True}
        updated = await api.client.update(gvr, patched, subresource="status")
        read = await api.client.get(gvr, "x", namespace, subresource="status")
        assert read["metadata"]["resourceVersion"] == updated["metadata"]["resourceVersion"]
        for key, value in update.items():
            assert (read["status"].get(key) or type(value)()) == value
        assert read.get("spec") == made.get("spec")
        assert read["metadata"].get("generation") == made["metadata"].get("generation")

    run_api(body)


@pytest.mark.parametrize(("gvr", "value"), [(CONFIGMAPS, "1"), (SECRETS, encoded("1"))])
def test_what_is_immutable_takes_labels_and_no_data_and_stays_so(run_api, gvr, value):
    async def body(api):
        made = await api.client.create(gvr, {"metadata": meta("c"), "data": {"a": value}})
        made["immutable"] = True
        made = await api.client.update(gvr, made)
        with pytest.raises(Invalid, match="data: Forbidden: field is immutable when `immutable` is set"):
            await api.client.patch(gvr, "c", {"data": {"b": value}}, NS)
        with pytest.raises(Invalid, match="immutable: Forbidden: field is immutable when `immutable` is set"):
            await api.client.patch(gvr, "c", {"immutable": False}, NS)
        labelled = await api.client.patch(gvr, "c", {"metadata": {"labels": {"a": "b"}}}, NS)
        assert labelled["metadata"]["labels"] == {"a": "b"}

    run_api(body)


@pytest.mark.parametrize(
    ("path", "obj", "message"),
    [
        ("configmaps", {"metadata": meta("c"), "data": {"": "v"}}, "data[]: Invalid value"),
        ("secrets", {"metadata": meta("c"), "data": {"": encoded("v")}}, "data[]: Invalid value"),
        (
            "pods",
            pod(
                securityContext={
                    "sysctls": [{"name": "foo-", "value": "bar"}, {"name": "a..b", "value": "1"}]
                }
            ),
            "spec.securityContext.sysctls[0].name: Invalid value",
        ),
        ("pods", pod(restartPolicy="Sometimes"), "spec.restartPolicy: Unsupported value"),
        ("services", {"metadata": meta("s"), "spec": {"type": "What", "ports": [{"port": 1}]}}, "spec.type"),
    ],
)
def test_a_wrong_object_is_refused_by_the_field(run_api, path, obj, message):
    async def body(api):
        answer = await api.send("POST", f"/api/v1/namespaces/default/{path}", obj)
        assert answer.status == 422 and message in said(answer)["message"], said(answer)

    run_api(body)


def test_a_priority_class_keeps_its_value_and_takes_all_methods(run_api):
    async def body(api):
        await api.client.create(PRIORITIES, {"metadata": {"name": "p1"}, "value": 1})
        await api.client.create(PRIORITIES, {"metadata": {"name": "p2"}, "value": 2})
        listed = {item["metadata"]["name"] for item in (await api.client.list(PRIORITIES))["items"]}
        assert {"p1", "p2", "system-node-critical", "system-cluster-critical"} <= listed
        with pytest.raises(Invalid, match=r"value: (Forbidden|Invalid value)"):
            await api.client.patch(PRIORITIES, "p1", {"value": 5}, type="merge")
        patched = await api.client.patch(PRIORITIES, "p2", {"description": "d"})
        patched["description"] = "e"
        assert (await api.client.update(PRIORITIES, patched))["description"] == "e"

    run_api(body)


def test_a_namespace_takes_patches_finalizers_and_a_condition(run_api):
    async def body(api):
        made = await api.client.create(NAMESPACES, {"metadata": {"name": "ns"}})
        assert made["status"] == {"phase": "Active"} and made["spec"] == {"finalizers": ["kubernetes"]}
        assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == "ns"
        patched = await api.client.patch(
            NAMESPACES, "ns", {"metadata": {"labels": {"testLabel": "testValue"}}}
        )
        patched["metadata"]["annotations"] = {"updated": "yes"}
        patched = await api.client.update(NAMESPACES, patched)
        patched["spec"]["finalizers"].append("e2e.example.com/fakeFinalizer")
        answer = await api.send("PUT", "/api/v1/namespaces/ns/finalize", patched)
        finalized = said(answer)
        assert finalized["spec"]["finalizers"] == ["kubernetes", "e2e.example.com/fakeFinalizer"]
        finalized["spec"]["finalizers"] = ["kubernetes"]
        answer = await api.send("PUT", "/api/v1/namespaces/ns/finalize", finalized)
        assert said(answer)["spec"]["finalizers"] == ["kubernetes"]

    run_api(body)


def test_events_are_fetched_patched_listed_and_deleted_in_both_groups(run_api):
    async def body(api):
        for at in range(3):
            event = {
                "metadata": meta(f"e{at}", labels={"testevent-set": "true"}),
                "eventTime": "2026-01-01T00:00:00.000000Z",
                "reportingController": "test-controller",
                "reportingInstance": "test-node",
                "action": "Do",
                "reason": "Test",
                "type": "Normal",
                "note": f"This is e{at}",
                "regarding": {"kind": "Pod", "namespace": NS, "name": "p"},
            }
            await api.client.create(EVENTS, event)
        patched = await api.client.patch(
            EVENTS, "e0", {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}}, NS
        )
        assert patched["series"]["count"] == 2
        core = await api.client.get(CORE_EVENTS, "e0", NS)
        assert core["involvedObject"]["name"] == "p" and core["message"] == "This is e0"
        core["series"] = {"count": 100, "lastObservedTime": "2026-01-01T00:02:00.000000Z"}
        assert (await api.client.update(CORE_EVENTS, core))["series"]["count"] == 100
        everywhere = await api.client.list(EVENTS, field_selector="reportingController=test-controller")
        assert len(everywhere["items"]) == 3
        by_object = await api.client.list(EVENTS, NS, field_selector="regarding.name=p,type=Normal")
        assert len(by_object["items"]) == 3
        path = "/apis/events.k8s.io/v1/namespaces/default/events"
        await api.send("DELETE", path, query={"labelSelector": "testevent-set=true"})
        assert (await api.client.list(CORE_EVENTS, NS))["items"] == []

    run_api(body)


def test_collections_of_namespaced_kinds_are_found_everywhere_and_deleted(run_api):
    async def body(api):
        await api.client.create(NAMESPACES, {"metadata": {"name": "other"}})
        kinds = {
            LIMITS: {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}},
            TEMPLATES: {"template": {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}},
            SERVICES: {"spec": {"ports": [{"port": 80}]}},
            ENDPOINTS: {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]},
            SLICES: {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": []},
            LEASES: {"spec": {"holderIdentity": "x"}},
        }
        for gvr, obj in kinds.items():
            for namespace in (NS, "other"):
                for at in range(2):
                    name = {"name": f"x{at}", "namespace": namespace, "labels": {"t": "1"}}
                    await api.client.create(gvr, {"metadata": name, **obj})
            found = await api.client.list(gvr, label_selector="t=1")
            assert len(found["items"]) == 4
            answer = await api.send("DELETE", gvr.path(NS), query={"labelSelector": "t=1"})
            assert answer.status == 200
            left = await api.client.list(gvr, label_selector="t=1")
            assert {item["metadata"]["namespace"] for item in left["items"]} == {"other"}

    run_api(body)


def test_an_endpoints_object_is_patched_by_its_merge_keys(run_api):
    async def body(api):
        subset = {
            "addresses": [{"ip": "10.0.0.24"}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        }
        await api.client.create(ENDPOINTS, {"metadata": meta("e"), "subsets": [subset]})
        changed = {
            "subsets": [{"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}]
        }
        answer = await api.send(
            "PATCH", "/api/v1/namespaces/default/endpoints/e", changed, content_type=STRATEGIC
        )
        (after,) = said(answer)["subsets"]
        assert after["addresses"] == [{"ip": "10.0.0.25"}] and after["ports"][0]["port"] == 8080

    run_api(body)


def test_a_pod_is_bound_once_and_its_generation_follows_its_spec(run_api):
    async def body(api):
        made = await api.client.create(PODS, pod())
        assert made["metadata"]["generation"] == 1
        patched = await api.client.patch(PODS, "p", {"spec": {"activeDeadlineSeconds": 30}}, NS)
        assert patched["metadata"]["generation"] == 2
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
        path = "/api/v1/namespaces/default/pods/p/binding"
        assert (await api.send("POST", path, binding)).status == 201
        again = await api.send("POST", path, {**binding, "target": {"kind": "Node", "name": "n2"}})
        assert again.status == 409
        with pytest.raises(Invalid, match="pod updates may not change fields other than"):
            await api.client.patch(PODS, "p", {"spec": {"terminationGracePeriodSeconds": 9}}, NS)
        with pytest.raises(Conflict):
            await api.client.patch(
                PODS, "p", {"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}, NS
            )
        await asyncio.sleep(0)

    run_api(body)


def test_a_node_is_patched_and_its_status_written_apart(run_api):
    async def body(api):
        nodes = GVR("", "v1", "nodes", namespaced=False, kind="Node")
        made = await api.client.create(nodes, {"metadata": {"name": "fake"}, "spec": {"unschedulable": True}})
        assert "generation" not in made["metadata"] or made["metadata"]["generation"] == 1
        patched = await api.client.patch(
            nodes, "fake", {"metadata": {"labels": {"a": "b"}}}, type="strategic"
        )
        condition = {**READY, "type": "Ready", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}
        patched["status"] = {"conditions": [condition]}
        told = await api.client.update(nodes, patched, subresource="status")
        assert told["status"]["conditions"] == [condition]
        again = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        merged = await api.client.patch(nodes, "fake", again, type="strategic", subresource="status")
        assert merged["status"]["conditions"] == [{**condition, "status": "False"}]
        found = await api.client.list(nodes, field_selector="spec.unschedulable=true", label_selector="a=b")
        assert [item["metadata"]["name"] for item in found["items"]] == ["fake"]
        assert (await api.send("DELETE", "/api/v1/nodes", query={"labelSelector": "a=b"})).status == 200
        assert (await api.send("GET", "/api/v1/nodes/fake")).status == 404

    run_api(body)

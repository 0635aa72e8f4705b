"""One object of every newer kind through the whole server: created, told about, listed as a Table, patched, applied,
written through its subresources, deleted.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from open_guard import open_guard

from api import registry
from api.resource import Resource
from api.unserved import UNSERVED
from apiserver.admission.certificate_record import CertificateRecord
from machinery.errors import Invalid
from machinery.gvk import GVR

NS = "default"
POD = {"containers": [{"name": "c", "image": "nginx:1"}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
ONCE = {"metadata": {"labels": {"app": "web"}}, "spec": {**POD, "restartPolicy": "Never"}}
SELECTOR = {"matchLabels": {"app": "web"}}
RULES = [
    {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}
]
HOOK = {
    "name": "a.b.c",
    "clientConfig": {"service": {"namespace": "x", "name": "y"}},
    "rules": RULES,
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
BINDING = {"policyName": "p", "matchResources": {"resourceRules": RULES}}
CLAIM = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}}


def signing_request() -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


# kind.group → what is beside the metadata
OBJECTS: dict[str, dict[str, Any]] = {
    "PersistentVolume": {
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"},
        }
    },
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "ReplicationController": {"spec": {"template": TEMPLATE}},
    "PodTemplate": {"template": TEMPLATE},
    "LimitRange": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}},
    "ResourceQuota": {"spec": {"hard": {"pods": "10", "limits.cpu": "4"}}},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]},
    "StatefulSet.apps": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "web"}},
    "DaemonSet.apps": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    "Job.batch": {"spec": {"template": ONCE}},
    "CronJob.batch": {"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": ONCE}}}},
    "HorizontalPodAutoscaler.autoscaling": {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 3,
        }
    },
    "PodDisruptionBudget.policy": {"spec": {"minAvailable": 1, "selector": SELECTOR}},
    "Ingress.networking.k8s.io": {
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
    },
    "IngressClass.networking.k8s.io": {"spec": {"controller": "example.com/c"}},
    "NetworkPolicy.networking.k8s.io": {"spec": {"podSelector": SELECTOR, "ingress": [{}]}},
    "IPAddress.networking.k8s.io": {
        "spec": {"parentRef": {"resource": "services", "namespace": NS, "name": "web"}}
    },
    "ServiceCIDR.networking.k8s.io": {"spec": {"cidrs": ["10.97.0.0/16"]}},
    "StorageClass.storage.k8s.io": {"provisioner": "example.com/disk"},
    "CSIDriver.storage.k8s.io": {"spec": {}},
    "CSINode.storage.k8s.io": {"spec": {"drivers": [{"name": "a.b", "nodeID": "n"}]}},
    "CSIStorageCapacity.storage.k8s.io": {"storageClassName": "fast", "capacity": "1Gi"},
    "VolumeAttachment.storage.k8s.io": {
        "spec": {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
    },
    "VolumeAttributesClass.storage.k8s.io": {"driverName": "a.b", "parameters": {"iops": "100"}},
    "RuntimeClass.node.k8s.io": {"handler": "runc"},
    "CertificateSigningRequest.certificates.k8s.io": {
        "spec": {"request": "", "signerName": "example.com/s", "usages": ["client auth"]}
    },
    "MutatingWebhookConfiguration.admissionregistration.k8s.io": {"webhooks": [HOOK]},
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io": {"webhooks": [HOOK]},
    "ValidatingAdmissionPolicy.admissionregistration.k8s.io": {
        "spec": {"matchConstraints": {"resourceRules": RULES}, "validations": [{"expression": "true"}]}
    },
    "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io": {
        "spec": {**BINDING, "validationActions": ["Deny"]}
    },
    "MutatingAdmissionPolicy.admissionregistration.k8s.io": {
        "spec": {
            "matchConstraints": {"resourceRules": RULES},
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}],
        }
    },
    "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io": {"spec": BINDING},
    "APIService.apiregistration.k8s.io": {
        "spec": {"group": "x.example.com", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10}
    },
    "FlowSchema.flowcontrol.apiserver.k8s.io": {
        "spec": {
            "priorityLevelConfiguration": {"name": "x"},
            "rules": [
                {
                    "subjects": [{"kind": "User", "user": {"name": "jane"}}],
                    "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
                }
            ],
        }
    },
    "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io": {
        "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}
    },
    "DeviceClass.resource.k8s.io": {"spec": {"selectors": [{"cel": {"expression": "true"}}]}},
    "ResourceClaim.resource.k8s.io": {"spec": CLAIM},
    "ResourceClaimTemplate.resource.k8s.io": {"spec": {"spec": CLAIM}},
    "ResourceSlice.resource.k8s.io": {
        "spec": {
            "driver": "a.b",
            "nodeName": "n",
            "pool": {"name": "n", "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": "gpu-0", "attributes": {"model": {"string": "x"}}}],
        }
    },
}
NAMES = {"IPAddress.networking.k8s.io": "10.97.0.9", "APIService.apiregistration.k8s.io": "v1.x.example.com"}


def resources(kind: str) -> list[Resource]:
    name, _, group = kind.partition(".")
    return [r for r in registry.load() if r.kind == name and r.gvr.group == group]


def whole(kind: str, resource: Resource) -> dict[str, Any]:
    meta = {"name": NAMES.get(kind, "x.example.com" if "CSIDriver" in kind else "x")}
    if resource.namespaced:
        meta["namespace"] = NS
    obj = {"apiVersion": resource.gvr.api_version, "kind": resource.kind, "metadata": meta, **OBJECTS[kind]}
    if resource.kind == "CertificateSigningRequest":
        obj = {**obj, "spec": {**OBJECTS[kind]["spec"], "request": signing_request()}}
    return obj


@pytest.mark.parametrize("kind", list(OBJECTS))
def test_object_lives_through_every_verb(kind, run_api):
    async def body(api):
        for resource in resources(kind):
            await lives(api, kind, resource)

    run_api(body)


async def lives(api, kind: str, resource: Resource) -> None:
    gvr, obj = resource.gvr, whole(kind, resource)
    name = obj["metadata"]["name"]
    namespace = NS if resource.namespaced else ""
    answer = await api.send("POST", gvr.path(namespace), obj)
    assert answer.status == 201, answer.body
    key = f"{gvr.group}/{resource.kind}" if gvr.group else resource.kind
    assert ("yet: the object is stored, nothing happens" in " ".join(answer.warnings)) == (key in UNSERVED)
    made = await api.client.get(gvr, name, namespace)
    born = resource.strategy.generation_at_birth if resource.strategy.has_generation else 0
    assert made["metadata"].get("generation", 0) == born

    listed = await api.send(
        "GET", gvr.path(namespace), accept="application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    )
    table = orjson.loads(listed.body)
    assert [c["name"] for c in table["columnDefinitions"]] == [c.name for c in resource.columns]
    assert all(cell is not None for row in table["rows"] for cell in row["cells"])

    start = orjson.loads((await api.send("GET", gvr.path(namespace))).body)["metadata"]["resourceVersion"]
    patched = await api.client.patch(gvr, name, {"metadata": {"labels": {"a": "b"}}}, namespace)
    assert patched["metadata"]["labels"]["a"] == "b"
    assert patched["metadata"].get("generation") == made["metadata"].get("generation")
    applied = {**obj, "metadata": {**obj["metadata"], "annotations": {"note": "x"}}}
    await api.client.patch(gvr, name, applied, namespace, type="apply", field_manager="tester", force=True)
    again = await api.client.get(gvr, name, namespace)
    assert again["metadata"]["annotations"]["note"] == "x"
    await api.client.update(gvr, again)
    for sub in resource.subresources:
        if sub == "scale":
            scaled = await api.client.patch(gvr, name, {"spec": {"replicas": 3}}, namespace, subresource=sub)
            assert scaled["spec"]["replicas"] == 3
        else:
            read = await api.client.get(gvr, name, namespace, subresource=sub)
            assert read["kind"] == resource.kind
            await api.client.update(gvr, read, subresource=sub)
    everywhere = await api.client.list(gvr, label_selector="a=b")
    assert [item["metadata"]["name"] for item in everywhere["items"]] == [name]
    await is_deleted_by_label(api, gvr, name, namespace, start)


async def is_deleted_by_label(api, gvr, name: str, namespace: str, start: str) -> None:
    """As a collection; a watch from before the first change sees it go."""
    assert (await api.send("DELETE", gvr.path(namespace), query={"labelSelector": "a=b"})).status == 200
    for item in (await api.client.list(gvr, namespace, label_selector="a=b"))["items"]:
        await api.client.patch(gvr, item["metadata"]["name"], {"metadata": {"finalizers": None}}, namespace)
    query = {"watch": "1", "resourceVersion": start, "timeoutSeconds": "1", "labelSelector": "a=b"}
    told = await api.send("GET", gvr.path(namespace), query=query)
    types = [orjson.loads(line)["type"] for line in told.body.splitlines()]
    assert (types[0], types[-1]) == ("ADDED", "DELETED") and types.count("ADDED") == 1
    assert (await api.send("GET", gvr.path(namespace, name))).status == 404


def test_read_only_kind_is_listed_and_nothing_else(run_api):
    async def body(api):
        gvr = GVR("", "v1", "componentstatuses", namespaced=False, kind="ComponentStatus")
        assert (await api.client.list(gvr))["items"] == []
        answer = await api.send("POST", gvr.path(), {"metadata": {"name": "x"}})
        assert answer.status == 405

    run_api(body)


def test_autoscaler_is_one_object_in_two_versions(run_api):
    async def body(api):
        v1 = GVR("autoscaling", "v1", "horizontalpodautoscalers", kind="HorizontalPodAutoscaler")
        v2 = GVR("autoscaling", "v2", "horizontalpodautoscalers", kind="HorizontalPodAutoscaler")
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        spec = {"scaleTargetRef": target, "maxReplicas": 5, "targetCPUUtilizationPercentage": 60}
        await api.client.create(v1, {"metadata": {"name": "x", "namespace": NS}, "spec": spec})
        newer = await api.client.get(v2, "x", NS)
        assert newer["apiVersion"] == "autoscaling/v2"
        assert newer["spec"]["metrics"] == [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
            }
        ]
        memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "50Mi"}}
        newer["spec"]["metrics"].append({"type": "Resource", "resource": memory})
        newer["spec"]["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 60}}
        newer = await api.client.update(v2, newer)
        older = await api.client.get(v1, "x", NS)
        assert older["spec"]["targetCPUUtilizationPercentage"] == 60
        assert "autoscaling.alpha.kubernetes.io/metrics" in older["metadata"]["annotations"]
        older["spec"]["maxReplicas"] = 9
        await api.client.update(v1, older)
        last = await api.client.get(v2, "x", NS)
        assert last["spec"] == {**newer["spec"], "maxReplicas": 9}
        assert "annotations" not in last["metadata"]

    run_api(body)


def test_certificate_request_says_who_asks_and_is_approved_once(run_api):
    async def body(api):
        plural = "certificatesigningrequests"
        csrs = GVR("certificates.k8s.io", "v1", plural, namespaced=False, kind="CertificateSigningRequest")
        spec = {
            "request": signing_request(),
            "signerName": "example.com/s",
            "usages": ["client auth"],
            "username": "somebody else",
        }
        made = await api.client.create(csrs, {"metadata": {"name": "x"}, "spec": spec})
        assert made["spec"]["username"] == "admin"
        assert made["spec"]["groups"] == ["system:masters"]
        changed = {**made, "spec": {**made["spec"], "signerName": "example.com/other"}}
        approved = {"type": "Approved", "status": "True", "reason": "Fine", "message": "fine"}
        changed["status"] = {"conditions": [approved], "certificate": "eA=="}
        answer = await api.client.update(csrs, changed, subresource="approval")
        assert answer["spec"] == made["spec"]
        assert "certificate" not in answer["status"]
        condition = answer["status"]["conditions"][0]
        assert condition["lastUpdateTime"] == condition["lastTransitionTime"] != ""
        answer["status"]["conditions"] = []
        with pytest.raises(Invalid, match='may not remove a condition of type "Approved"'):
            await api.client.update(csrs, answer, subresource="approval")
        answer["status"]["conditions"] = [condition, {**condition, "type": "Denied"}]
        with pytest.raises(Invalid, match="mutually exclusive"):
            await api.client.update(csrs, answer, subresource="approval")

    run_api(body, guard=lambda engine: open_guard(engine, [CertificateRecord(engine.clock)]))

"""What Helm does to a cluster, request by request: discovery, release Secrets, hooks in order, three-way strategic merges,
waits, rollback, uninstall, and Helm 4's server-side apply. Helm 3 itself is driven in test_helm.py; here its requests
are written out, for wherever there is none, with the patches that it computes from (last release, new release, live object).
"""

from __future__ import annotations

import base64
import gzip
import json
import time
from typing import Any

import pytest

STRATEGIC = "application/strategic-merge-patch+json"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
MANAGED = {"app.kubernetes.io/managed-by": "Helm"}


def deployment(image: str, *sidecars: str) -> dict[str, Any]:
    containers = [{"name": "app", "image": image, "env": [{"name": "MODE", "value": "fast"}]}]
    containers += [{"name": name, "image": name} for name in sidecars]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "labels": MANAGED,
            "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "here"},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
        },
    }


def release(version: int, status: str, manifest: Any) -> dict[str, Any]:
    """The Secret in which Helm keeps a release: JSON, gzipped, base64, and base64 again as all Secrets' data."""
    packed = base64.b64encode(gzip.compress(json.dumps({"version": version, "manifest": manifest}).encode()))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"sh.helm.release.v1.web.v{version}",
            "labels": {"name": "web", "owner": "helm", "status": status, "version": str(version)},
        },
        "type": "helm.sh/release.v1",
        "data": {"release": base64.b64encode(packed).decode()},
    }


class Helm:
    def __init__(self, wire: Any, namespace: str) -> None:
        self.wire, self.namespace = wire, namespace
        self.secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.web = f"{DEPLOYMENTS.format(namespace)}/web"

    def create(self, path: str, obj: Any, query: str = "fieldManager=helm") -> Any:
        made = self.wire.send("POST", f"{path}?{query}", obj)
        assert made.status == 201, made.body
        return made.json

    def mark(self, version: int, status: str) -> None:
        """The next state of a release: Helm replaces the whole Secret, without a resourceVersion."""
        path = f"{self.secrets}/sh.helm.release.v1.web.v{version}"
        obj = self.wire.send("GET", path).json
        obj["metadata"]["labels"]["status"] = status
        del obj["metadata"]["resourceVersion"]
        assert self.wire.send("PUT", f"{path}?fieldManager=helm", obj).status == 200

    def history(self) -> dict[str, str]:
        found = self.wire.send("GET", f"{self.secrets}?labelSelector=name%3Dweb,owner%3Dhelm").json["items"]
        return {each["metadata"]["labels"]["version"]: each["metadata"]["labels"]["status"] for each in found}

    def run_hook(self, name: str) -> None:
        """A Pod that must succeed, watched from where it was created, and deleted by its policy."""
        script = {"name": "main", "image": "busybox", "command": ["sh", "-c", f"echo {name}"]}
        body = {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [script]}}
        self.create(self.pods, body)
        deadline = time.monotonic() + 20
        while self.wire.send("GET", f"{self.pods}/{name}").json["status"]["phase"] != "Succeeded":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        gone = {"propagationPolicy": "Background"}
        assert self.wire.send("DELETE", f"{self.pods}/{name}", gone).status == 200

    def wait_ready(self) -> Any:
        deadline = time.monotonic() + 20
        while True:
            obj = self.wire.send("GET", self.web).json
            status, wanted = obj["status"], obj["spec"]["replicas"]
            if status.get("observedGeneration") == obj["metadata"]["generation"] and (
                status.get("updatedReplicas") == status.get("readyReplicas") == wanted
            ):
                return obj
            assert time.monotonic() < deadline, status
            time.sleep(0.05)


@pytest.fixture
def helm(wire, namespace) -> Helm:
    return Helm(wire, namespace)


def containers_of(obj: Any) -> list[tuple[str, str]]:
    return [(each["name"], each["image"]) for each in obj["spec"]["template"]["spec"]["containers"]]


def test_every_group_version_that_discovery_names_is_described(wire):
    """Helm's capabilities (`.Capabilities.APIVersions`) come from all of them; one that failed would stop it."""
    groups = wire.send("GET", "/apis", accept="application/json, */*").json["groups"]
    paths = [f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"]]
    for path in ["/api/v1", *paths]:
        answer = wire.send("GET", path, accept="application/json, */*")
        assert (answer.status, answer.json["kind"]) == (200, "APIResourceList"), path
    schema = wire.send(
        "GET",
        "/openapi/v2",
        accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        accept_encoding="gzip",
    )
    assert schema.status == 200
    index = wire.send("GET", "/openapi/v3").json["paths"]
    patch = wire.send("GET", index["apis/apps/v1"]["serverRelativeURL"]).json["paths"][
        "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    ]["patch"]
    assert "fieldValidation" in {each["name"] for each in patch["parameters"]}
    assert STRATEGIC in patch["requestBody"]["content"]


def test_release_is_installed_upgraded_rolled_back_and_uninstalled(helm, wire):
    # install: rendered objects are tried by a dry run, then the release is noted, hooks run by weight, objects made.
    deployments = DEPLOYMENTS.format(helm.namespace)
    assert wire.send("GET", helm.web).status == 404
    helm.create(
        deployments, deployment("app:1", "side"), "dryRun=All&fieldManager=helm&fieldValidation=Strict"
    )
    assert wire.send("GET", helm.web).status == 404
    helm.create(helm.secrets, release(1, "pending-install", deployment("app:1", "side")))
    for hook in ("web-pre-0", "web-pre-5"):
        helm.run_hook(hook)
    helm.create(deployments, deployment("app:1", "side"))
    helm.wait_ready()
    helm.mark(1, "deployed")

    # Somebody else adds a container and a label, and scales: the upgrade must leave all three alone.
    injected = {
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "mesh", "image": "mesh:1"}]}}}
    }
    strategic = {"content_type": STRATEGIC}
    assert wire.send("PATCH", f"{helm.web}?fieldManager=mesh", injected, **strategic).status == 200
    helm.wait_ready()

    # upgrade: the patch from (app:1 + side, app:2, live).
    helm.create(helm.secrets, release(2, "pending-upgrade", deployment("app:2")))
    three_way = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "app"}],
                    "containers": [{"name": "app", "image": "app:2"}, {"$patch": "delete", "name": "side"}],
                }
            }
        }
    }
    assert wire.send("PATCH", f"{helm.web}?fieldManager=helm", three_way, **strategic).status == 200
    live = helm.wait_ready()
    assert sorted(containers_of(live)) == [("app", "app:2"), ("mesh", "mesh:1")]
    assert live["spec"]["replicas"] == 2
    helm.mark(1, "superseded")
    helm.mark(2, "deployed")
    assert helm.history() == {"1": "superseded", "2": "deployed"}

    # rollback to 1: the patch from (app:2, app:1 + side, live).
    helm.create(helm.secrets, release(3, "pending-rollback", deployment("app:1", "side")))
    back = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "app"}, {"name": "side"}],
                    "containers": [{"name": "app", "image": "app:1"}, {"name": "side", "image": "side"}],
                }
            }
        }
    }
    assert wire.send("PATCH", f"{helm.web}?fieldManager=helm", back, **strategic).status == 200
    live = helm.wait_ready()
    assert sorted(containers_of(live)) == [("app", "app:1"), ("mesh", "mesh:1"), ("side", "side")]
    helm.mark(2, "superseded")
    helm.mark(3, "deployed")

    # uninstall: objects in the background, then the history.
    assert wire.send("DELETE", helm.web, {"propagationPolicy": "Background"}).status == 200
    for version in ("1", "2", "3"):
        assert wire.send("DELETE", f"{helm.secrets}/sh.helm.release.v1.web.v{version}").status == 200
    assert helm.history() == {}
    assert wire.send("GET", helm.web).status == 404


def test_release_is_kept_as_it_was_written(helm, wire):
    wanted = release(1, "deployed", deployment("app:1"))
    helm.create(helm.secrets, wanted)
    read = wire.send("GET", f"{helm.secrets}/sh.helm.release.v1.web.v1").json
    unpacked = gzip.decompress(base64.b64decode(base64.b64decode(read["data"]["release"])))
    assert json.loads(unpacked)["manifest"]["kind"] == "Deployment"
    again = wire.send("POST", helm.secrets, wanted)
    assert (again.status, again.json["reason"]) == (
        409,
        "AlreadyExists",
    )  # `cannot re-use a name that is still in use`
    listed = wire.send("GET", f"{helm.secrets}?fieldSelector=type%3Dhelm.sh/release.v1").json["items"]
    assert len(listed) == 1


def test_custom_objects_are_upgraded_by_merge_patch(helm, wire, widgets):
    path = f"/apis/{widgets}/v1/namespaces/{helm.namespace}/widgets"
    widget = {
        "apiVersion": f"{widgets}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"colour": "red"},
    }
    helm.create(path, widget)
    refused = wire.send("PATCH", f"{path}/w", {"spec": {"colour": "blue"}}, content_type=STRATEGIC)
    assert refused.status == 415
    merge = {"content_type": "application/merge-patch+json"}
    done = wire.send("PATCH", f"{path}/w?fieldManager=helm", {"spec": {"colour": "blue"}}, **merge).json
    assert done["spec"] == {"colour": "blue", "replicas": 1}


def test_server_side_apply_as_helm_4_does_it(helm, wire):
    path = f"{helm.web}?fieldManager=helm&fieldValidation=Strict&force=false"
    apply = {"content_type": "application/apply-patch+yaml"}
    assert wire.send("PATCH", path, deployment("app:1"), **apply).status == 201
    theirs = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:9"}]}}}}
    assert (
        wire.send("PATCH", f"{helm.web}?fieldManager=kubectl-edit", theirs, content_type=STRATEGIC).status
        == 200
    )
    refused = wire.send("PATCH", path, deployment("app:2"), **apply)
    assert refused.status == 409
    assert 'conflict with "kubectl-edit"' in refused.json["message"]
    forced = wire.send("PATCH", path.replace("force=false", "force=true"), deployment("app:2"), **apply)
    assert containers_of(forced.json) == [("app", "app:2")]

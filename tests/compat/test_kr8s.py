"""kr8s: its sync and async interfaces: get, create, wait, watch, patch, logs, exec, scale, adoption, custom kinds."""

from __future__ import annotations

import asyncio

import kr8s
import kr8s.asyncio
import pytest
from kr8s.objects import ConfigMap, Deployment, Pod, new_class

# This release of kr8s has not heard of Kubernetes 1.36 and says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning"),
]
SCRIPT = ["sh", "-c", "echo up; sleep 3600"]


@pytest.fixture
def api(compat_cluster, namespace):
    return kr8s.api(kubeconfig=str(compat_cluster.kubeconfig), namespace=namespace)


def pod(name: str, namespace: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "busybox", "command": SCRIPT}]},
    }


def config_map(name: str, namespace: str, **data: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"made": "here"}},
        "data": data,
    }


def test_client_knows_the_server_itself_and_its_kinds(api):
    assert api.version()["gitVersion"].startswith("v1.36")
    assert api.whoami() == "kubernetes-admin"
    assert {each["name"] for each in api.api_resources()} >= {"pods", "deployments", "leases"}
    assert len(list(api.get("nodes"))) == 2
    assert api.lookup_kind("po")[0] == "pod/v1"


def test_objects_are_created_patched_labelled_and_deleted(api, namespace):
    made = ConfigMap(config_map("c", namespace, a="1"), api=api)
    assert not made.exists()
    made.create()
    made.patch({"data": {"b": "2"}})
    made.patch([{"op": "replace", "path": "/data/a", "value": "3"}], type="json")
    made.label(tier="front")
    made.annotate({"note": "hi"})
    read = ConfigMap.get("c", namespace=namespace, api=api)
    assert (dict(read.data), dict(read.labels)) == ({"a": "3", "b": "2"}, {"made": "here", "tier": "front"})
    assert [each.name for each in api.get("configmaps", label_selector={"tier": "front"})] == ["c"]
    assert [each.name for each in api.get("cm", field_selector={"metadata.name": "c"})] == ["c"]
    read.remove_label("tier")
    assert "tier" not in read.labels
    read.delete()
    with pytest.raises(kr8s.NotFoundError):
        read.refresh()


def test_pod_becomes_ready_and_is_logged_and_entered(api, namespace):
    made = Pod(pod("p", namespace), api=api)
    made.create()
    made.wait("condition=Ready", timeout=20)
    assert made.ready()
    assert list(made.logs()) == ["up"]
    assert made.exec(["echo", "hi"]).stdout == b"hi\n"
    assert made.exec(["sh", "-c", "exit 3"], check=False).returncode == 3
    with pytest.raises(ExceptionGroup) as failed:
        made.exec(["sh", "-c", "exit 3"])
    assert failed.group_contains(kr8s.ExecError, match="exit code 3")
    child = ConfigMap(config_map("child", namespace), api=api)
    child.create()
    made.adopt(child)
    assert child.metadata.ownerReferences[0].name == "p"
    made.delete(grace_period=0)
    made.wait("delete", timeout=20)


def test_deployment_is_scaled_and_lists_its_pods(api, namespace):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("x", namespace)["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    made = Deployment({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}, api=api)
    made.create()
    made.wait("condition=Available", timeout=20)
    made.scale(3)
    made.wait("jsonpath='{.status.readyReplicas}'=3", timeout=20)
    assert len(list(made.pods())) == 3


def test_watch_yields_what_happens(api, namespace):
    ConfigMap(config_map("c", namespace), api=api).create()
    for kind, obj in api.watch("configmaps", label_selector="made=here"):
        assert (kind, obj.name) == ("ADDED", "c")
        break


def test_custom_kind_is_found_by_discovery(api, namespace, widgets):
    kind = new_class("Widget", f"{widgets}/v1", namespaced=True, scalable=True)
    made = kind({"metadata": {"name": "w", "namespace": namespace}, "spec": {"colour": "red"}}, api=api)
    made.create()
    assert made.replicas == 1
    made.scale(2)
    made.patch({"status": {"phase": "Done"}}, subresource="status")
    [found] = api.get("widgets.compat.example.com")
    assert (found.name, found.status.phase, found.spec.replicas) == ("w", "Done", 2)
    with pytest.raises(kr8s.ServerError, match="plaid is no colour"):
        made.patch({"spec": {"colour": "plaid"}})


def test_async_interface_does_the_same(compat_cluster, namespace):
    async def scenario() -> None:
        api = await kr8s.asyncio.api(kubeconfig=str(compat_cluster.kubeconfig), namespace=namespace)
        made = [
            await kr8s.asyncio.objects.ConfigMap(config_map(f"c{number}", namespace), api=api)
            for number in range(10)
        ]
        await asyncio.gather(*(each.create() for each in made))
        listed = [each.name async for each in api.get("configmaps", label_selector="made=here")]
        assert listed == [f"c{number}" for number in range(10)]
        one = await kr8s.asyncio.objects.Pod(pod("p", namespace), api=api)
        await one.create()
        await one.wait("condition=Ready", timeout=20)
        assert [line async for line in one.logs()] == ["up"]
        assert (await one.exec(["echo", "hi"])).stdout == b"hi\n"
        await one.delete(grace_period=0)

    asyncio.run(asyncio.wait_for(scenario(), 40))

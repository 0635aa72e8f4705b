"""pykube-ng, an older client built on requests: queries, updates by merge patch, watches, custom kinds, scale, rollouts."""

from __future__ import annotations

import pykube
import pytest
from pykube.objects import object_factory


@pytest.fixture
def api(compat_cluster):
    client = pykube.HTTPClient(pykube.KubeConfig.from_file(str(compat_cluster.kubeconfig)))
    yield client
    client.session.close()


def config_map(name: str, namespace: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"a": "b"}},
    }


def test_objects_are_queried_updated_and_deleted(api, namespace):
    assert api.version >= ("1", "36")
    made = pykube.ConfigMap(api, config_map("c", namespace))
    made.create()
    made.obj["data"] = {"k": "v"}
    made.update()
    made.patch({"data": {"l": "w"}})
    query = pykube.ConfigMap.objects(api).filter(namespace=namespace, selector={"a": "b"})
    assert [each.obj["data"] for each in query] == [{"k": "v", "l": "w"}]
    event = next(iter(query.watch()))
    assert (event.type, event.object.name) == ("ADDED", "c")
    made.delete()
    assert not made.exists()


def test_custom_kind_is_made_by_its_factory(api, namespace, widgets):
    kind = object_factory(api, f"{widgets}/v1", "Widget")
    body = {
        "apiVersion": f"{widgets}/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": namespace},
    }
    kind(api, {**body, "spec": {"colour": "red"}}).create()
    made = kind.objects(api).filter(namespace=namespace).get_by_name("w")
    made.patch({"status": {"phase": "Done"}}, subresource="status")
    made.reload()
    assert made.obj["status"] == {"phase": "Done"}


def test_pod_logs_and_deployment_scale(api, namespace):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "busybox", "command": ["echo", "done"]}],
        },
    }
    pykube.Pod(api, pod).create()
    query = pykube.Pod.objects(api).filter(namespace=namespace, field_selector={"metadata.name": "p"})
    for event in query.watch():
        if event.object.obj["status"].get("phase") == "Succeeded":
            break
    assert event.object.logs() == "done\n"

"""lightkube: sync and async clients, its generated types on every kind that it knows, apply, watch, custom kinds."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import yaml
from lightkube import ApiError, AsyncClient, Client, KubeConfig, codecs
from lightkube.core.exceptions import ConditionError
from lightkube.generic_resource import (
    create_namespaced_resource,
    load_in_cluster_generic_resources,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import CascadeType, PatchType

OBJECTS = list(yaml.safe_load_all(Path(__file__).with_name("kinds.yaml").read_text()))


@pytest.fixture
def settings(compat_cluster):
    return KubeConfig.from_file(str(compat_cluster.kubeconfig))


@pytest.fixture
def lk(settings, namespace):
    with Client(config=settings, namespace=namespace, field_manager="lightkube") as made:
        yield made


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, labels={"made": "here"}), data=data)


def test_every_kind_is_written_and_read_as_its_type(lk, namespace):
    for document in OBJECTS:
        text = yaml.safe_dump(document).replace("$namespace", namespace).replace("sample", "light")
        obj = codecs.from_dict(
            yaml.safe_load(text.replace("10.96.200.200", "10.96.200.201").replace("10.111.", "10.112."))
        )
        kind, name = type(obj), obj.metadata.name
        made = lk.create(obj)
        assert made.metadata.uid, kind
        assert (
            lk.patch(
                kind, name, {"metadata": {"labels": {"a": "b"}}}, patch_type=PatchType.MERGE
            ).metadata.labels["a"]
            == "b"
        )
        assert lk.get(kind, name).metadata.uid == made.metadata.uid
        assert [each.metadata.name for each in lk.list(kind, fields={"metadata.name": name})] == [name]
        lk.delete(kind, name, cascade=CascadeType.BACKGROUND)


def test_objects_are_created_replaced_patched_applied_and_listed(lk):
    lk.create(config_map("c", a="1"))
    lk.patch(ConfigMap, "c", {"data": {"b": "2"}}, patch_type=PatchType.MERGE)
    read = lk.get(ConfigMap, "c")
    assert read.data == {"a": "1", "b": "2"}
    read.data["d"] = "4"
    assert lk.replace(read).data["d"] == "4"
    with pytest.raises(ApiError, match="modified") as refused:
        lk.replace(read)
    assert (refused.value.status.code, refused.value.status.reason) == (409, "Conflict")
    applied = lk.apply(ConfigMap(metadata=ObjectMeta(name="c"), data={"a": "9"}), force=True)
    assert applied.data["a"] == "9"
    for number in range(5):
        lk.create(config_map(f"c{number}"))
    names = [each.metadata.name for each in lk.list(ConfigMap, labels={"made": "here"}, chunk_size=2)]
    assert names == ["c", "c0", "c1", "c2", "c3", "c4"]
    assert lk.set(ConfigMap, "c", labels={"made": None}).metadata.labels is None
    lk.deletecollection(ConfigMap)
    assert "c0" not in [each.metadata.name for each in lk.list(ConfigMap)]


def test_watch_yields_typed_objects(lk):
    listed = lk.list(ConfigMap)
    assert [each.metadata.name for each in listed] == ["kube-root-ca.crt"]
    start = listed.resourceVersion
    lk.create(config_map("c"))
    lk.delete(ConfigMap, "c")
    events = lk.watch(ConfigMap, resource_version=start, labels={"made": "here"}, server_timeout=5)
    seen = [(next(events)), (next(events))]
    assert [(kind, obj.metadata.name) for kind, obj in seen] == [("ADDED", "c"), ("DELETED", "c")]
    assert isinstance(seen[0][1], ConfigMap)


def test_deployment_is_waited_for_scaled_and_its_pods_logged(lk, namespace):
    manifest = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: main, image: busybox, command: [sh, -c, "echo up; sleep 3600"]}}]}}
"""
    for obj in codecs.load_all_yaml(manifest):
        lk.apply(obj)
    ready = lk.wait(Deployment, "web", for_conditions=["Available"])
    assert ready.status.readyReplicas == 1
    [pod] = lk.list(Pod, labels={"app": "web"})
    assert list(lk.log(pod.metadata.name)) == ["up\n"]
    before = set(threading.enumerate())
    said = lk.exec(pod.metadata.name, command=["echo", "hi"], stdout=True)
    assert said.stdout == "hi\n"
    # The client closes the websocket's descriptor while a thread of its own waits to read from it. A connection that is made
    # before that thread ends may get the same number, and loses its first bytes to it: SSL: WRONG_VERSION_NUMBER.
    for reader in set(threading.enumerate()) - before:
        reader.join(20)
    scale = Deployment.Scale.from_dict({"metadata": {"name": "web"}, "spec": {"replicas": 2}})
    assert lk.patch(Deployment.Scale, "web", scale, patch_type=PatchType.MERGE).spec.replicas == 2
    with pytest.raises(ConditionError):
        lk.wait(Deployment, "web", for_conditions=["Never"], raise_for_conditions=["Progressing"])


def test_custom_kind_is_served_with_status_and_scale(lk, widgets):
    kind = create_namespaced_resource(widgets, "v1", "Widget", "widgets")
    made = lk.create(kind(metadata=ObjectMeta(name="w"), spec={"colour": "red"}))
    assert made.spec["replicas"] == 1
    lk.patch(kind.Status, "w", {"status": {"phase": "Done"}}, patch_type=PatchType.MERGE)
    lk.patch(kind.Scale, "w", {"spec": {"replicas": 3}}, patch_type=PatchType.MERGE)
    read = lk.get(kind, "w")
    assert (read.status["phase"], read.spec["replicas"]) == ("Done", 3)
    with pytest.raises(ApiError, match="plaid is no colour"):
        lk.apply(kind(metadata=ObjectMeta(name="w"), spec={"colour": "plaid"}), force=True)
    load_in_cluster_generic_resources(lk)
    [loaded] = codecs.load_all_yaml(
        f"{{apiVersion: {widgets}/v1, kind: Widget, metadata: {{name: v}}, spec: {{colour: blue}}}}"
    )
    assert lk.create(loaded).metadata.generation == 1


def test_async_client_does_the_same(settings, namespace):
    async def scenario() -> None:
        async with AsyncClient(config=settings, namespace=namespace, field_manager="light") as lk:
            await asyncio.gather(*(lk.create(config_map(f"c{number}")) for number in range(20)))
            listed = lk.list(ConfigMap, labels={"made": "here"}, chunk_size=7)
            assert len([each async for each in listed]) == 20
            seen = []
            async for kind, obj in lk.watch(
                ConfigMap, resource_version=(await lk.get(ConfigMap, "c0")).metadata.resourceVersion
            ):
                seen.append((kind, obj.metadata.name))
                if len(seen) == 1:
                    await lk.delete(ConfigMap, "c0")
                if ("DELETED", "c0") in seen:
                    break
            with pytest.raises(ApiError, match="not found"):
                await lk.get(ConfigMap, "c0")

    asyncio.run(asyncio.wait_for(scenario(), 30))

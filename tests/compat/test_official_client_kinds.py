"""The official Python client's typed surface on every kind of kinds.yaml: create, read, list, watch, patch in each form,
apply, replace, the status, deletion of one and of a collection. Its models (pydantic) refuse what is not of their types,
so that every answer is also checked against the field types that the client was generated with.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, watch

OBJECTS = list(yaml.safe_load_all(Path(__file__).with_name("kinds.yaml").read_text()))
STRATEGIC, MERGE, JSON_PATCH, APPLY = (
    "application/strategic-merge-patch+json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)


def snake(kind: str) -> str:
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


class Surface:
    """The client's methods for one kind: `surface("read", name)` is `read_namespaced_config_map(name, namespace)`."""

    def __init__(self, api_client: client.ApiClient, obj: dict[str, Any], namespace: str) -> None:
        group, _, version = obj["apiVersion"].rpartition("/")
        words = (group or "core").removesuffix(".k8s.io").split(".")
        name = "".join(word.capitalize() for word in words) + version.capitalize() + "Api"
        self.api = getattr(client, name)(api_client)
        self.kind = obj["kind"]
        self.noun = snake(self.kind)
        self.namespaced = hasattr(self.api, f"create_namespaced_{self.noun}")
        self.namespace = namespace

    def method(self, verb: str, suffix: str = "") -> Any:
        scope = "namespaced_" if self.namespaced else ""
        return getattr(self.api, f"{verb}_{scope}{self.noun}{suffix}")

    def __call__(self, verb: str, *name: str, body: Any = None, suffix: str = "", **options: Any) -> Any:
        args = [*name, self.namespace] if self.namespaced else list(name)
        if body is not None:
            options["body"] = body
        return self.method(verb, suffix)(*args, **options)

    def serves(self, subresource: str) -> bool:
        """The server's word: this client may be newer than it, and know subresources that come later."""
        return any(
            each.kind == self.kind and each.name.endswith(f"/{subresource}")
            for each in self.api.get_api_resources().resources
        )


@pytest.mark.parametrize("obj", OBJECTS, ids=[f"{obj['kind']}.{obj['apiVersion']}" for obj in OBJECTS])
def test_typed_surface_of_a_kind_works_whole(obj, api_client, kinds_namespace):
    obj = yaml.safe_load(yaml.safe_dump(obj).replace("$namespace", kinds_namespace))
    surface = Surface(api_client, obj, kinds_namespace)
    name = obj["metadata"]["name"]

    tried = surface("create", body=obj, dry_run="All", field_manager="tests")
    assert tried.metadata.uid
    made = surface("create", body=obj, field_manager="tests", field_validation="Strict")
    assert (made.kind, made.api_version) == (obj["kind"], obj["apiVersion"])
    read = surface("read", name)
    assert read.metadata.uid == made.metadata.uid != tried.metadata.uid
    assert api_client.sanitize_for_serialization(read)["metadata"]["name"] == name

    one = {"field_selector": f"metadata.name={name}"}
    listed = surface("list", **one)
    assert [item.metadata.name for item in listed.items] == [name]
    if (
        obj["kind"] != "ResourceClaim"
    ):  # this client looks for a model of its events under a name that it does not have
        scope = [kinds_namespace] if surface.namespaced else []
        seen = watch.Watch().stream(surface.method("list"), *scope, **one, timeout_seconds=10)
        first = next(seen)
        assert (first["type"], first["object"].metadata.uid) == ("ADDED", made.metadata.uid)
        assert type(first["object"]) is type(made)
        seen.close()

    def labels(patch: Any, media: str, **options: Any) -> dict[str, str]:
        return surface("patch", name, body=patch, _content_type=media, **options).metadata.labels

    assert labels({"metadata": {"labels": {"a": "1"}}}, STRATEGIC)["a"] == "1"
    assert labels({"metadata": {"labels": {"b": "2"}}}, MERGE)["b"] == "2"
    changed = labels([{"op": "replace", "path": "/metadata/labels/a", "value": "3"}], JSON_PATCH)
    assert (changed["a"], changed["b"]) == ("3", "2")
    applied = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {"name": name, "labels": {"c": "4"}},
    }
    assert labels(applied, APPLY, field_manager="applier")["c"] == "4"
    managers = {(entry.manager, entry.operation) for entry in surface("read", name).metadata.managed_fields}
    assert {("tests", "Update"), ("applier", "Apply")} <= managers

    for _ in range(5):
        current = surface("read", name)
        current.metadata.annotations = {"replaced": "yes"}
        try:
            replaced = surface("replace", name, body=current)
            break
        except client.ApiException as refused:  # a controller wrote between our read and our write
            assert refused.status == 409
    assert replaced.metadata.annotations["replaced"] == "yes"
    current.metadata.resource_version = made.metadata.resource_version
    with pytest.raises(client.ApiException, match="the object has been modified"):
        surface("replace", name, body=current)

    if surface.serves("status"):
        assert surface("read", name, suffix="_status").metadata.uid == made.metadata.uid
        patched = surface(
            "patch",
            name,
            body={"metadata": {"annotations": {"s": "5"}}},
            suffix="_status",
            _content_type=MERGE,
        )
        assert patched.metadata.uid == made.metadata.uid

    surface("delete", name, body={"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    if obj["kind"] != "Namespace":
        surface("delete_collection", **one)


@pytest.fixture(scope="module")
def kinds_namespace(new_namespace):
    return new_namespace()

"""Patches of every form with arbitrary documents against a Pod, a Deployment and a custom resource.

Refused with a 4xx, or the object that comes of it is valid: it can be written back as it is. Applying twice is
applying once, and managedFields name only what is there.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import ANYTHING, odd
from served import Served

from api import registry
from machinery.patch.apply import comparing, sets

JSON, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
SCHEMAS = {each.kind: each.schema() for each in registry.load() if each.gvr.group in ("", "apps")}
TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]},
}
WIDGETS = {
    "metadata": {"name": "widgets.fuzz.example.com"},
    "spec": {
        "group": "fuzz.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                            "parts": {
                                "type": "array",
                                "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["k"],
                                "items": {
                                    "type": "object",
                                    "required": ["k"],
                                    "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
                                },
                            },
                            "words": {
                                "type": "array",
                                "x-kubernetes-list-type": "set",
                                "items": {"type": "string"},
                            },
                        },
                    }
                },
            }
        ],
    },
}
OBJECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "Pod": ("/api/v1/namespaces/default/pods", {"spec": TEMPLATE["spec"]}),
    "Deployment": (
        "/apis/apps/v1/namespaces/default/deployments",
        {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}},
    ),
    "Widget": (
        "/apis/fuzz.example.com/v1/namespaces/default/widgets",
        {
            "apiVersion": "fuzz.example.com/v1",
            "kind": "Widget",
            "parts": [{"k": "a", "v": 1}],
            "words": ["x"],
            "free": {"a": {}},
        },
    ),
}
KEYS = (
    "metadata", "spec", "status", "labels", "annotations", "finalizers", "ownerReferences", "containers", "template",
    "name", "image", "env", "ports", "parts", "words", "free", "k", "v", "$patch", "$retainKeys", "kind", "apiVersion",
    "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "managedFields", "resourceVersion", "", "a/b",
)  # fmt: skip
leaves = st.sampled_from(
    [*ANYTHING, "delete", "replace", "merge", "c", "a", ["name"], [{"name": "c"}], [{"k": "a"}]]
)
documents: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
pointers = st.lists(st.sampled_from([*KEYS, "0", "-", "-1", "²", "9" * 30, "~", "~1"]), max_size=5).map(
    lambda steps: "".join("/" + step.replace("/", "~1") for step in steps)
)
operations = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x", None]),
            "path": pointers | st.sampled_from([None, "x", 5]),
        },
        optional={"from": pointers, "value": documents},
    )
    | leaves,
    max_size=6,
)


@pytest.fixture(scope="module", params=OBJECTS)
def target(served: Served, request: pytest.FixtureRequest) -> tuple[str, str]:
    """(kind, path of one of it)"""
    kind = request.param
    path, obj = OBJECTS[kind]
    if kind == "Widget" and served.send("GET", path).status == 404:
        served.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", WIDGETS)
        served.wait(2)
    if served.send("GET", f"{path}/target").status == 404:
        served.ok("POST", path, {**obj, "metadata": {"name": "target"}}, [("fieldManager", "first")])
    return kind, f"{path}/target"


def taken_or_refused(served: Served, path: str, body: Any, content_type: str) -> Any:
    """What a dry run makes of it, None where it is refused. What is made can be written back as it is."""
    query = [("dryRun", "All"), ("fieldManager", "fuzz")]
    got = served.send("PATCH", path, body, query, content_type=content_type)
    assert got.status in (200, 400, 409, 413, 415, 422), (got.status, got.body[:800], body)
    if got.status != 200:
        return None
    again = served.send("PUT", path, got.json, [("dryRun", "All")])
    assert again.status in (200, 409), (again.body[:800], body)
    return got.json


@settings(max_examples=50)
@given(documents)
def test_merging_any_document_is_refused_or_gives_a_valid_object(
    served: Served, target: tuple[str, str], document: Any
) -> None:
    for content_type in (MERGE, STRATEGIC):
        taken_or_refused(served, target[1], document, content_type)


@settings(max_examples=80)
@given(operations)
def test_any_operations_are_refused_or_give_a_valid_object(
    served: Served, target: tuple[str, str], document: Any
) -> None:
    taken_or_refused(served, target[1], document, JSON)


@settings(max_examples=50)
@given(documents, st.integers(0, 2**32))
def test_applying_twice_is_applying_once(
    served: Served, target: tuple[str, str], document: Any, seed: int
) -> None:
    kind, path = target
    if kind in SCHEMAS and seed % 2:
        document = odd(SCHEMAS[kind], random.Random(seed), wrong=0.0)
    if not isinstance(document, dict):
        document = {"metadata": document}
    version = served.ok("GET", path)["apiVersion"]
    document = {**document, "apiVersion": version, "kind": kind}
    if isinstance(document.get("metadata"), dict):
        document["metadata"] = {
            k: v for k, v in document["metadata"].items() if k in ("labels", "annotations", "name")
        }
    query = [("fieldManager", "twice"), ("force", "true")]
    first = served.send("PATCH", path, document, query, content_type=APPLY)
    assert first.status in (200, 400, 409, 413, 422), (first.status, first.body[:800], document)
    if first.status != 200:
        return
    second = served.ok("PATCH", path, document, query, content_type=APPLY)
    assert second["metadata"]["resourceVersion"] == first.json["metadata"]["resourceVersion"]
    check_owned(second, SCHEMAS.get(kind))


def check_owned(obj: dict[str, Any], schema: Any) -> None:
    """Nobody owns what is not there."""
    if schema is None:
        return
    found = comparing.compare({}, obj, schema)
    present = sets.union(found.added, found.modified)
    for entry in obj["metadata"].get("managedFields", ()):
        assert sets.difference(entry["fieldsV1"], present) == {}, entry

"""The published OpenAPI: what kubectl reads of it, for built-in and custom kinds alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from api import registry
from api.apiextensions.v1.customresource import resources_of
from api.openapi import document_v2, document_v3, gnostic
from api.resource import Resource

WIDGETS = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A widget.",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1, "description": "How big."}
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


def in_group(group: str) -> list[Resource]:
    return [r for r in registry.load() if r.gvr.group == group]


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


@pytest.mark.parametrize("group", sorted({r.gvr.group for r in registry.load()}))
def test_every_reference_of_a_document_leads_somewhere(group: str) -> None:
    document = document_v3(in_group(group))
    names = document["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in refs(document)} <= names.keys()
    orjson.dumps(document)


def test_patch_of_a_built_in_kind_is_what_kubectl_looks_for() -> None:
    document = document_v3(in_group("apps"))
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "kind": "Deployment",
        "version": "v1",
    }
    assert "fieldValidation" in {each["name"] for each in patch["parameters"]}
    assert set(patch["requestBody"]["content"]) == {
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    }


def test_patch_of_a_custom_kind_offers_no_strategic_merge() -> None:
    document = document_v3(resources_of(WIDGETS))
    patch = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    assert "application/merge-patch+json" in patch["requestBody"]["content"]


def test_merge_words_and_descriptions_stand_on_the_fields() -> None:
    schemas = document_v3(in_group(""))["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-type"] == "map"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert containers["description"]
    assert schemas["io.k8s.api.core.v1.PodSpec"]["required"] == ["containers"]
    assert schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["restartPolicy"]["enum"] == [
        "Always",
        "Never",
        "OnFailure",
    ]
    probe = schemas["io.k8s.api.core.v1.Container"]["properties"]["livenessProbe"]
    assert probe["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Probe"}]
    volumes = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"]
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"


def test_kinds_and_lists_say_what_they_are() -> None:
    schemas = document_v3(in_group("apps"))["components"]["schemas"]
    assert schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"] == [
        {"group": "apps", "kind": "Deployment", "version": "v1"}
    ]
    assert schemas["io.k8s.api.apps.v1.DeploymentList"]["required"] == ["items"]


def test_custom_kind_is_published_with_its_own_words_and_rules() -> None:
    schemas = document_v3(resources_of(WIDGETS))["components"]["schemas"]
    widget = schemas["com.example.v1.Widget"]
    assert widget["description"] == "A widget."
    assert widget["properties"]["spec"]["properties"]["size"] == {
        "type": "integer",
        "minimum": 1,
        "description": "How big.",
    }
    assert widget["properties"]["metadata"]["allOf"][0]["$ref"].endswith("meta.v1.ObjectMeta")


def test_every_served_path_is_there() -> None:
    paths = document_v3(in_group(""))["paths"]
    assert set(paths["/api/v1/namespaces/{namespace}/pods"]) - {"parameters"} == {"get", "post", "delete"}
    assert set(paths["/api/v1/namespaces/{namespace}/pods/{name}"]) - {"parameters"} == {
        "get",
        "put",
        "patch",
        "delete",
    }
    assert {
        "/api/v1/pods",
        "/api/v1/nodes/{name}/status",
        "/api/v1/namespaces/{namespace}/pods/{name}/log",
    } <= paths.keys()
    ids = [
        op["operationId"] for item in paths.values() for method, op in item.items() if method != "parameters"
    ]
    assert len(ids) == len(set(ids))


def test_version_two_holds_everything_and_its_references_lead_somewhere() -> None:
    document = document_v2([*registry.load(), *resources_of(WIDGETS)])
    assert {ref.removeprefix("#/definitions/") for ref in refs(document)} <= document["definitions"].keys()
    assert document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]["type"] == "string"
    assert "oneOf" not in orjson.dumps(document["definitions"]["io.k8s.api.core.v1.PodSpec"]).decode()


# --- protobuf ----------------------------------------------------------------------------------------------


def read(data: bytes) -> list[tuple[int, Any]]:
    """(field number, value) pairs of a protobuf message."""
    out: list[tuple[int, Any]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        match key & 7:
            case 0:
                out.append((key >> 3, varint()))
            case 1:
                out.append((key >> 3, data[at : at + 8]))
                at += 8
            case _:
                size = varint()
                out.append((key >> 3, data[at : at + size]))
                at += size
    return out


def only(data: bytes, number: int) -> Any:
    return next(value for found, value in read(data) if found == number)


def test_protobuf_form_carries_definitions_paths_and_extensions() -> None:
    document = document_v2(in_group("apps"))
    encoded = gnostic.encode(document)
    assert only(encoded, 1) == b"2.0"
    definitions = {only(v, 1).decode(): only(v, 2) for n, v in read(only(encoded, 9)) if n == 1}
    assert definitions.keys() == document["definitions"].keys()
    deployment = definitions["io.k8s.api.apps.v1.Deployment"]
    extensions = {only(v, 1).decode(): only(only(v, 2), 2) for n, v in read(deployment) if n == 31}
    assert b'"kind":"Deployment"' in extensions["x-kubernetes-group-version-kind"]
    properties = [only(v, 1).decode() for _, v in read(only(deployment, 25))]
    assert properties == ["apiVersion", "kind", "metadata", "spec", "status"]
    paths = {only(v, 1).decode(): only(v, 2) for n, v in read(only(encoded, 8)) if n == 2}
    assert paths.keys() == document["paths"].keys()
    patch = only(paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"], 8)
    query = [only(only(only(v, 1), 2), 3) for n, v in read(patch) if n == 8 and only(v, 1)[0] == 0x12]
    assert b"fieldValidation" in {only(each, 4) for each in query}


def test_protobuf_form_says_whether_other_properties_may_be() -> None:
    fields = {
        name: {"type": "object", "additionalProperties": value} for name, value in (("a", True), ("b", False))
    }
    version = {
        **WIDGETS["spec"]["versions"][0],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": fields}},
    }
    document = document_v2(resources_of({**WIDGETS, "spec": {**WIDGETS["spec"], "versions": [version]}}))
    definitions = {only(v, 1): only(v, 2) for n, v in read(only(gnostic.encode(document), 9)) if n == 1}
    properties = {only(v, 1): only(v, 2) for _, v in read(only(definitions[b"com.example.v1.Widget"], 25))}
    assert [only(properties[name], 21) for name in (b"a", b"b")] == [b"\x10\x01", b"\x10\x00"]


def custom(schema: dict[str, Any], *, v2: bool = False, **version: Any) -> dict[str, Any]:
    """What is published of a kind with this schema."""
    made = {**WIDGETS["spec"]["versions"][0], "schema": {"openAPIV3Schema": schema}, **version}
    resources = resources_of({**WIDGETS, "spec": {**WIDGETS["spec"], "versions": [made]}})
    document = document_v2(resources) if v2 else document_v3(resources)
    found = document["definitions"] if v2 else document["components"]["schemas"]
    return {k: v for k, v in found["com.example.v1.Widget"].items() if k != "x-kubernetes-group-version-kind"}


OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_custom_kind_that_keeps_all_fields_lists_none_to_readers_of_v2() -> None:
    assert custom(OPEN, v2=True) == {"type": "object"}
    assert custom(OPEN)["x-kubernetes-preserve-unknown-fields"] is True
    inner = custom(
        {"type": "object", "properties": {"spec": {**OPEN, "properties": {"a": {"type": "string"}}}}}, v2=True
    )
    assert inner["properties"]["spec"] == {"x-kubernetes-preserve-unknown-fields": True}


def test_what_every_object_has_begins_as_upstreams_suite_reads_it() -> None:
    found = document_v2(resources_of(WIDGETS))["definitions"]
    own, meta = (
        found["com.example.v1.Widget"]["properties"],
        found["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"],
    )
    assert own["apiVersion"]["description"].startswith("APIVersion defines")
    assert own["metadata"]["description"].startswith("Standard object's metadata")
    assert meta["properties"]["creationTimestamp"]["description"].startswith(
        "CreationTimestamp is a timestamp"
    )


def test_schema_that_is_not_structural_is_not_published() -> None:
    narrowed = {
        "type": "object",
        "properties": {"metadata": {"type": "object", "additionalProperties": False}},
    }
    assert custom(narrowed) == custom({"type": "object", "properties": {"a": {}}}) == {"type": "object"}


def test_selectable_fields_are_published_of_the_kind_and_its_list() -> None:
    fields = [{"jsonPath": ".spec.size"}]
    assert custom({"type": "object"}, selectableFields=fields)["x-kubernetes-selectable-fields"] == [
        {"fieldPath": "spec.size"}
    ]


@pytest.mark.parametrize(
    ("path", "method", "name"),
    [
        ("/api/v1/namespaces/{namespace}/pods/{name}/attach", "post", "connectCoreV1PostNamespacedPodAttach"),
        ("/api/v1/namespaces/{namespace}/configmaps", "delete", "deleteCoreV1CollectionNamespacedConfigMap"),
        ("/api/v1/configmaps", "get", "listCoreV1ConfigMapForAllNamespaces"),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}",
            "put",
            "replaceRbacAuthorizationV1ClusterRole",
        ),
        (
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
            "get",
            "readAppsV1NamespacedDeploymentScale",
        ),
    ],
)
def test_operations_have_the_names_that_generated_clients_know(path: str, method: str, name: str) -> None:
    assert document_v2(registry.load())["paths"][path][method]["operationId"] == name

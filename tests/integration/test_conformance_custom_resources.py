"""What a conformant cluster shows of CustomResourceDefinitions and custom resources (docs/conformance.md)."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from machinery.errors import NotFound
from machinery.gvk import CRDS, GVR

NS = "default"
GROUP = "mygroup.example.com"
NOXUS = GVR(GROUP, "v1beta1", "noxus", namespaced=False, kind="Noxu")
PORTS = {
    "type": "array",
    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
    "x-kubernetes-list-type": "map",
    "items": {
        "type": "object",
        "required": ["containerPort", "protocol"],
        "properties": {
            "containerPort": {"type": "integer", "format": "int32"},
            "hostIP": {"type": "string"},
            "name": {"type": "string"},
            "protocol": {"type": "string"},
        },
    },
}
SPEC = {"foo": {"type": "string"}, "cronSpec": {"type": "string"}, "ports": PORTS}
TEMPLATE = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
        "spec": {"type": "object"},
    },
}


def schema(**spec):
    return {"type": "object", "properties": {"spec": {"type": "object", **spec}}}


ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(*schemas, group=GROUP, plural="noxus", kind="Noxu", scope="Cluster", names=("v1beta1", "v1")):
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": at == 0,
                    "schema": {"openAPIV3Schema": each},
                    "subresources": {"status": {}},
                }
                for at, (name, each) in enumerate(zip(names, schemas, strict=False))
            ],
        },
    }


async def applied(api, text, **query):
    path = f"/apis/{GROUP}/v1beta1/noxus/mytest"
    query = {"fieldManager": "m", "fieldValidation": "Strict", **query}
    return await api.send(
        "PATCH", path, text.encode(), content_type="application/apply-patch+yaml", query=query
    )


HEAD = f"""
apiVersion: {GROUP}/v1beta1
kind: Noxu
metadata:
  name: mytest
"""
TAIL = """
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP"""


@pytest.mark.parametrize(
    ("spec", "text", "said"),
    [
        ({"properties": SPEC}, f"{HEAD}spec:\n  foo: foo1{TAIL}", None),
        (None, f"{HEAD}spec:\n  unknown: uk1{TAIL}", None),
        (
            {"properties": SPEC},
            f"{HEAD}unknownField: unknown\nspec:\n  foo: foo1{TAIL}",
            ".unknownField: field not declared in schema",
        ),
        (
            {"properties": SPEC},
            f"{HEAD}spec:\n  foo: foo1{TAIL}\n    extra: 1",
            '.spec.ports[containerPort=80,protocol="TCP"].extra: field not declared in schema',
        ),
        (
            {"properties": {**SPEC, "template": TEMPLATE}, "x-kubernetes-preserve-unknown-fields": True},
            f"{HEAD}  unknownMeta: unknown\nspec:\n  template:\n    apiversion: foo/v1\n    kind: Sub\n"
            f"    metadata:\n      unknownSubMeta: unknown\n      name: subobject\n  foo: foo1{TAIL}",
            ".spec.template.metadata.unknownSubMeta: field not declared in schema",
        ),
        (
            {"properties": SPEC, "x-kubernetes-preserve-unknown-fields": True},
            f"{HEAD}spec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2{TAIL}",
            'line 9: key "foo" already set in map',
        ),
    ],
)
def test_an_applied_custom_resource_is_held_to_its_schema(run_api, spec, text, said):
    async def body(api):
        await api.client.create(CRDS, definition(schema(**spec) if spec is not None else ANYTHING))
        answer = await applied(api, text)
        if said is None:
            assert answer.status == 201, answer.body
        else:
            assert answer.status == 400
            assert said in orjson.loads(answer.body)["message"]

    run_api(body)


def test_a_definitions_status_is_read_updated_and_patched_apart(run_api):
    async def body(api):
        made = await api.client.create(CRDS, definition(ANYTHING))
        name = made["metadata"]["name"]
        condition = {
            "type": "StatusUpdate",
            "status": "True",
            "reason": "E2E",
            "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        made["status"]["conditions"].append(condition)
        made["spec"]["names"]["shortNames"] = ["nope"]
        updated = await api.client.update(CRDS, made, subresource="status")
        assert condition in updated["status"]["conditions"] and "shortNames" not in updated["spec"]["names"]
        patch = {"metadata": {"annotations": {"a": "b"}}, "status": {"storedVersions": ["v1beta1"]}}
        patched = await api.client.patch(CRDS, name, patch, subresource="status")
        assert condition in patched["status"]["conditions"]
        read = await api.client.get(CRDS, name, subresource="status")
        assert read["kind"] == "CustomResourceDefinition"

    run_api(body)


def test_definitions_are_listed_by_label_and_deleted_as_a_collection(run_api):
    async def body(api):
        for at in range(3):
            crd = definition(ANYTHING, plural=f"things{at}", kind=f"Thing{at}")
            crd["metadata"]["labels"] = {"test": "x"}
            await api.client.create(CRDS, crd)
        await api.client.create(CRDS, definition(ANYTHING))
        found = await api.client.list(CRDS, label_selector="test=x")
        assert len(found["items"]) == 3
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert (await api.send("DELETE", path, query={"labelSelector": "test=x"})).status == 200
        await asyncio.sleep(5)
        assert [item["metadata"]["name"] for item in (await api.client.list(CRDS))["items"]] == [
            f"noxus.{GROUP}"
        ]

    run_api(body)


def test_defaults_are_filled_in_requests_and_in_what_was_stored(run_api):
    async def body(api):
        crd = await api.client.create(CRDS, definition(schema(properties={"a": {"type": "string"}})))
        first = await api.client.create(NOXUS, {"metadata": {"name": "foo"}, "spec": {}})
        assert first["spec"] == {}
        spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"] |= {
            "a": {"type": "string", "default": "A"},
            "b": {"type": "string", "default": "B"},
        }
        crd = await api.client.update(CRDS, crd)
        seen = await api.client.get(NOXUS, "foo")
        assert seen["spec"] == {"a": "A", "b": "B"}
        again = await api.client.create(NOXUS, {"metadata": {"name": "bar"}, "spec": {"a": "x"}})
        assert again["spec"] == {"a": "x", "b": "B"}
        del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["b"]
        await api.client.update(CRDS, crd)
        assert (await api.client.get(NOXUS, "bar"))["spec"] == {"a": "x"}

    run_api(body)


def test_definitions_stand_in_every_discovery_document(run_api):
    async def body(api):
        def read(path):
            return api.send("GET", path)

        groups = orjson.loads((await read("/apis")).body)["groups"]
        assert any(
            each["name"] == "apiextensions.k8s.io"
            and any(v["groupVersion"] == "apiextensions.k8s.io/v1" for v in each["versions"])
            for each in groups
        )
        group = orjson.loads((await read("/apis/apiextensions.k8s.io")).body)
        assert group["preferredVersion"]["version"] == "v1"
        listed = orjson.loads((await read("/apis/apiextensions.k8s.io/v1")).body)
        assert "customresourcedefinitions" in {each["name"] for each in listed["resources"]}

    run_api(body)


async def published(api, kind, version="v1beta1", group=GROUP):
    """(type in OpenAPI v2, in v3), None where it is not published."""
    reverse = ".".join(reversed(group.split(".")))
    name = f"{reverse}.{version}.{kind}"
    two = orjson.loads((await api.send("GET", "/openapi/v2")).body)["definitions"].get(name)
    answer = await api.send("GET", f"/openapi/v3/apis/{group}/{version}")
    three = orjson.loads(answer.body)["components"]["schemas"].get(name) if answer.status == 200 else None
    return two, three


def test_openapi_publishes_a_definitions_schema_with_its_words(run_api):
    async def body(api):
        described = schema(
            description="Specification of Noxu",
            properties={
                "bars": {
                    "description": "List of Bars",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string", "description": "Name of Bar."}},
                    },
                }
            },
        )
        described["description"] = "Noxu for testing"
        await api.client.create(CRDS, definition(described))
        for each in await published(api, "Noxu"):
            assert each["description"] == "Noxu for testing"
            spec = each["properties"]["spec"]
            assert spec["description"] == "Specification of Noxu"
            assert spec["properties"]["bars"]["items"]["required"] == ["name"]
            assert set(each["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
            assert each["x-kubernetes-group-version-kind"] == [
                {"group": GROUP, "version": "v1beta1", "kind": "Noxu"}
            ]

    run_api(body)


@pytest.mark.parametrize("given", [ANYTHING, schema(**{"x-kubernetes-preserve-unknown-fields": True})])
def test_openapi_of_a_schema_that_keeps_unknown_fields_lets_them_pass(run_api, given):
    async def body(api):
        await api.client.create(CRDS, definition(given))
        two, three = await published(api, "Noxu")
        assert two is not None and three is not None
        made = await api.client.create(
            NOXUS, {"metadata": {"name": "a"}, "spec": {"any": {"thing": [1, "x", None]}}}
        )
        assert made["spec"] == {"any": {"thing": [1, "x", None]}}

    run_api(body)


def test_openapi_follows_groups_versions_renames_and_withdrawals(run_api):
    async def body(api):
        await api.client.create(
            CRDS,
            definition(ANYTHING, group="one.example.com", plural="foos", kind="Foo"),
        )
        await api.client.create(
            CRDS,
            definition(ANYTHING, group="two.example.com", plural="foos", kind="Foo"),
        )
        for group in ("one.example.com", "two.example.com"):
            assert None not in await published(api, "Foo", group=group)
        crd = await api.client.create(CRDS, definition(ANYTHING, ANYTHING))
        other = definition(ANYTHING, plural="others", kind="Other", names=("v6",))
        await api.client.create(CRDS, other)
        assert None not in await published(api, "Noxu") and None not in await published(api, "Noxu", "v1")
        assert None not in await published(api, "Other", "v6")
        crd["spec"]["versions"][1]["name"] = "v4"
        crd = await api.client.update(CRDS, crd)
        assert None not in await published(api, "Noxu", "v4")
        assert await published(api, "Noxu", "v1") == (None, None)
        crd["spec"]["versions"][1]["served"] = False
        await api.client.update(CRDS, crd)
        assert await published(api, "Noxu", "v4") == (None, None)
        assert None not in await published(api, "Noxu")

    run_api(body)


def test_custom_resources_are_listed_and_watched_by_field(run_api):
    async def body(api):
        crd = definition(
            schema(properties={"host": {"type": "string"}, "port": {"type": "string"}}), scope="Namespaced"
        )
        crd["spec"]["versions"][0]["selectableFields"] = [
            {"jsonPath": ".spec.host"},
            {"jsonPath": ".spec.port"},
        ]
        await api.client.create(CRDS, crd)
        noxus = GVR(GROUP, "v1beta1", "noxus", kind="Noxu")
        for name, host, port in (("a", "h1", "80"), ("b", "h1", "8080"), ("c", "h2", "80")):
            await api.client.create(
                noxus, {"metadata": {"name": name, "namespace": NS}, "spec": {"host": host, "port": port}}
            )
        both = await api.client.list(noxus, NS, field_selector="spec.host=h1,spec.port=80")
        assert [item["metadata"]["name"] for item in both["items"]] == ["a"]
        path = f"/apis/{GROUP}/v1beta1/namespaces/{NS}/noxus"
        refused = await api.send("GET", path, query={"fieldSelector": "spec.other=1"})
        assert refused.status == 400
        assert orjson.loads(refused.body)["message"] == "field label not supported: spec.other"
        query = {
            "watch": "1",
            "timeoutSeconds": "1",
            "fieldSelector": "spec.host=h1",
            "resourceVersion": both["metadata"]["resourceVersion"],
        }
        watching = asyncio.create_task(api.send("GET", path, query=query))
        await asyncio.sleep(0.1)
        await api.client.patch(noxus, "c", {"spec": {"host": "h1"}}, NS)
        await api.client.patch(noxus, "a", {"spec": {"host": "h2"}}, NS)
        await api.client.delete(noxus, "b", NS)
        events = [orjson.loads(line) for line in (await watching).body.splitlines()]
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
            ("ADDED", "c"),
            ("DELETED", "a"),
            ("DELETED", "b"),
        ]
        two, three = await published(api, "Noxu")
        for each in (two, three):
            assert each["x-kubernetes-selectable-fields"] == [
                {"fieldPath": "spec.host"},
                {"fieldPath": "spec.port"},
            ]

    run_api(body)


def test_a_watch_of_custom_resources_tells_of_each_by_name(run_api):
    async def body(api):
        await api.client.create(CRDS, definition(ANYTHING))
        start = (await api.client.list(NOXUS))["metadata"]["resourceVersion"]
        query = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": start}

        def watch(name):
            return api.send(
                "GET",
                f"/apis/{GROUP}/v1beta1/noxus",
                query={**query, "fieldSelector": f"metadata.name={name}"},
            )

        watching = [asyncio.create_task(watch(name)) for name in ("a", "b")]
        await asyncio.sleep(0.1)
        for name in ("a", "b"):
            await api.client.create(NOXUS, {"metadata": {"name": name}})
        for name in ("a", "b"):
            await api.client.delete(NOXUS, name)
        for task, name in zip(watching, ("a", "b"), strict=True):
            events = [orjson.loads(line) for line in (await task).body.splitlines()]
            assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
                ("ADDED", name),
                ("DELETED", name),
            ]
        with pytest.raises(NotFound):
            await api.client.get(NOXUS, "a")

    run_api(body)

"""CustomResourceDefinitions: what is accepted, and how their objects are pruned, defaulted, judged and shown."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiextensions.v1.customresource import resources_of
from api.apiextensions.v1.customresourcedefinition import CUSTOMRESOURCEDEFINITION as CRD
from api.apiextensions.v1.definition import validate_schema
from api.apiextensions.v1.structural import schema_from
from api.resource import Resource
from api.validation.errors import Errors
from machinery.errors import BadRequest
from machinery.objects import deep_copy

SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "port": {"x-kubernetes-int-or-string": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": {"type": "object"}},
        },
        "maybe": {"type": "string", "nullable": True},
        "parts": {
            "type": "array",
            "maxItems": 3,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "weight": {"type": "number", "default": 1}},
            },
        },
        "inner": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}


def schema(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    status = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
    return {"type": "object", "properties": {"spec": SPEC if spec is None else spec, "status": status}}


def definition(raw: dict[str, Any] | None = None, **version: Any) -> dict[str, Any]:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
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
                    "schema": {"openAPIV3Schema": raw or schema()},
                    **version,
                }
            ],
        },
    }
    crd, unknown = CRD.codec().decode(crd)
    assert not unknown
    CRD.strategy.default(crd)
    CRD.strategy.prepare_create(crd)
    return crd


def crd_problems(crd: dict[str, Any]) -> list[tuple[str, str]]:
    return [(c.reason.removeprefix("FieldValue"), c.field) for c in CRD.strategy.validate(crd)]


def resource(crd: dict[str, Any] | None = None) -> Resource:
    return resources_of(crd or definition())[0]


def widget(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "default"},
        "spec": {"size": 1, **spec},
    }


def messages(obj: dict[str, Any], r: Resource | None = None) -> list[tuple[str, str, str]]:
    causes = (r or resource()).strategy.validate(obj)
    return [(c.reason.removeprefix("FieldValue"), c.field, c.message) for c in causes]


# --- definitions -------------------------------------------------------------------------------------------


def test_good_definition_is_accepted_and_gets_its_names() -> None:
    crd = definition()
    assert crd_problems(crd) == []
    assert crd["spec"]["names"] == {
        "plural": "widgets",
        "kind": "Widget",
        "singular": "widget",
        "listKind": "WidgetList",
    }
    assert crd["spec"]["conversion"] == {"strategy": "None"}


def test_wrong_definition_names_every_field() -> None:
    crd = definition()
    crd["metadata"]["name"] = "other"
    crd["spec"]["group"] = "nodots"
    crd["spec"]["scope"] = "Galaxy"
    crd["spec"]["versions"][0] |= {"storage": False, "name": "V1!"}
    crd["spec"]["versions"][0].pop("schema")
    assert {field for _, field in crd_problems(crd)} == {
        "metadata.name",
        "spec.group",
        "spec.scope",
        "spec.version",
        "spec.versions",
        "spec.versions[0].name",
        "spec.versions[0].schema.openAPIV3Schema",
        "status.storedVersions[0]",
    }


@pytest.mark.parametrize(
    ("raw", "field", "message"),
    [
        ({"type": "string"}, "type", 'Invalid value: "string": must be object at the root'),
        (
            schema({"properties": {"a": {"type": "string"}}}),
            "properties[spec].type",
            "Required value: must not be empty for specified object fields",
        ),
        (
            schema({"type": "object", "properties": {"a": {"type": "text"}}}),
            "properties[spec].properties[a].type",
            'Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"',
        ),
        (schema({"type": "array"}), "properties[spec].items", "Required value: must be specified"),
        (
            {"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]},
            "properties[a]",
            "Required value: because it is defined in spec.validation.openAPIV3Schema.anyOf[0].properties[a]",
        ),
        (
            schema({"type": "object", "anyOf": [{"type": "object"}]}),
            "properties[spec].anyOf[0].type",
            "Forbidden: must be empty to be structural",
        ),
        (
            schema(
                {
                    "type": "object",
                    "properties": {"a": {"type": "string"}},
                    "additionalProperties": {"type": "string"},
                }
            ),
            "properties[spec].additionalProperties",
            "Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            schema({"type": "array", "uniqueItems": True, "items": {"type": "string"}}),
            "properties[spec].uniqueItems",
            "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (schema({"type": "integer", "default": "x"}), "properties[spec].default", None),
        (
            {
                "type": "object",
                "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
            },
            "properties[metadata]",
            None,
        ),
    ],
)
def test_schema_that_is_not_structural_is_refused(raw: Any, field: str, message: str | None) -> None:
    found = {c.field: c.message for c in CRD.strategy.validate(definition(raw))}
    at = f"spec.validation.openAPIV3Schema.{field}"
    assert at in found
    if message is not None:
        assert found[at] == message


def test_int_or_string_may_be_spelled_out() -> None:
    errors = Errors()
    port = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    validate_schema(errors, schema({"type": "object", "properties": {"port": port}}), "s")
    assert errors.causes == []


def test_established_definition_keeps_its_scope_and_names() -> None:
    old = definition()
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    new = deep_copy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["names"]["kind"] = "Gadget"
    fields = {cause.field for cause in CRD.strategy.validate_update(new, old)}
    assert fields == {"spec.scope", "spec.names.kind", "status.storedVersions"}


def test_rules_must_compile() -> None:
    def problems(rule: Any) -> list[str]:
        raw = {"type": "object", "properties": {"size": {"type": "integer"}}}
        return [
            cause.message
            for cause in CRD.strategy.validate(
                definition(schema({**raw, "x-kubernetes-validations": [rule]}))
            )
        ]

    assert problems({"rule": "self.size > 1"}) == []
    assert problems({"rule": " "}) == ["Required value: rule is not specified"]
    assert "compilation failed: ERROR: <input>:1:" in problems({"rule": "self.size >"})[0]
    assert "must evaluate to a bool" in problems({"rule": "1 + 1"})[0]
    assert "must evaluate to a string" in problems({"rule": "true", "messageExpression": "1"})[0]
    assert "oldSelf is not used in rule" in problems({"rule": "true", "optionalOldSelf": True})[0]


# --- objects -----------------------------------------------------------------------------------------------


def test_unknown_fields_are_pruned_and_named_but_for_where_they_are_welcome() -> None:
    sent = widget(
        extra=1, free={"anything": {"goes": True}, "known": {"pruned": 1}}, parts=[{"name": "a", "x": 1}]
    )
    sent["metadata"]["strange"] = 1
    sent["spec"]["inner"] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1}}
    obj, unknown = resource().codec().decode(sent)
    assert sorted(unknown) == ["metadata.strange", "spec.extra", "spec.free.known.pruned", "spec.parts[0].x"]
    assert obj["spec"]["free"] == {"anything": {"goes": True}, "known": {}}
    assert obj["spec"]["inner"]["spec"] == {"x": 1}


def test_wrong_metadata_is_a_bad_request() -> None:
    sent = widget()
    sent["metadata"]["labels"] = ["a"]
    with pytest.raises(BadRequest, match="cannot unmarshal array"):
        resource().codec().decode(sent)


def test_defaults_are_filled_in_at_every_depth() -> None:
    obj, _ = resource().codec().decode(widget(parts=[{"name": "a"}], color=None))
    resource().strategy.default(obj)
    assert obj["spec"] == {"size": 1, "color": "red", "parts": [{"name": "a", "weight": 1}]}


def test_good_object_has_no_problems() -> None:
    good = widget(
        color="blue", port="http", labels={"a": "b"}, maybe=None, parts=[{"name": "a", "weight": 0.5}]
    )
    assert messages(good) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"size": "x"},
            (
                "TypeInvalid",
                "spec.size",
                'Invalid value: "string": spec.size in body must be of type integer: "string"',
            ),
        ),
        (
            {"size": 0},
            (
                "Invalid",
                "spec.size",
                "Invalid value: 0: spec.size in body should be greater than or equal to 1",
            ),
        ),
        (
            {"size": 11},
            (
                "Invalid",
                "spec.size",
                "Invalid value: 11: spec.size in body should be less than or equal to 10",
            ),
        ),
        (
            {"size": True},
            (
                "TypeInvalid",
                "spec.size",
                'Invalid value: "boolean": spec.size in body must be of type integer: "boolean"',
            ),
        ),
        (
            {"color": "green"},
            ("NotSupported", "spec.color", 'Unsupported value: "green": supported values: "red", "blue"'),
        ),
        (
            {"color": None},
            (
                "TypeInvalid",
                "spec.color",
                'Invalid value: "null": spec.color in body must be of type string: "null"',
            ),
        ),
        (
            {"port": 1.5},
            (
                "TypeInvalid",
                "spec.port",
                'Invalid value: "number": spec.port in body must be of type integer,string: "number"',
            ),
        ),
        (
            {"labels": {"a": 1}},
            (
                "TypeInvalid",
                "spec.labels.a",
                'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
            ),
        ),
        ({"parts": [{}]}, ("Required", "spec.parts[0].name", "Required value")),
        (
            {"parts": [{"name": "a"}, {"name": "a"}]},
            ("Duplicate", "spec.parts[1]", 'Duplicate value: {"name":"a"}'),
        ),
        (
            {"parts": [{"name": n} for n in "abcd"]},
            ("TooMany", "spec.parts", "Too many: 4: must have at most 3 items"),
        ),
        (
            {"inner": {"kind": "Pod"}},
            ("Required", "spec.inner.apiVersion", "Required value"),
        ),
    ],
)
def test_wrong_value_is_told_in_upstreams_words(spec: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert expected in messages(widget(**spec))


def test_missing_required_field_is_named() -> None:
    bare = widget()
    del bare["spec"]["size"]
    assert messages(bare) == [("Required", "spec.size", "Required value")]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"type": "string", "pattern": "^a+$"}, "aa", "ab"),
        ({"type": "string", "minLength": 2}, "aa", "a"),
        ({"type": "string", "maxLength": 2}, "aa", "aaa"),
        ({"type": "string", "format": "date-time"}, "2024-01-01T00:00:00Z", "yesterday"),
        ({"type": "string", "format": "ipv4"}, "1.2.3.4", "1.2.3"),
        ({"type": "string", "format": "uuid"}, "123e4567-e89b-12d3-a456-426614174000", "x"),
        ({"type": "string", "format": "duration"}, "1h30m", "soon"),
        ({"type": "string", "format": "who-knows"}, "anything", None),
        ({"type": "number", "multipleOf": 0.1}, 0.3, 0.35),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"type": "integer", "format": "int32"}, 2**31 - 1, 2**31),
        (
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            ["a", "b"],
            ["a", "a"],
        ),
        ({"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}, {"a": "b"}, {}),
        ({"type": "integer", "anyOf": [{"minimum": 10}, {"maximum": 2}]}, 1, 5),
        ({"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 7}]}, 1, 6),
        ({"type": "integer", "allOf": [{"minimum": 5}, {"maximum": 7}]}, 6, 8),
        ({"type": "string", "not": {"enum": ["a"]}}, "b", "a"),
    ],
)
def test_rule_accepts_the_good_and_refuses_the_bad(rule: dict[str, Any], good: Any, bad: Any) -> None:
    r = resource(definition(schema({"type": "object", "properties": {"x": rule}})))
    obj = widget(x=good)
    del obj["spec"]["size"]
    assert messages(obj, r) == []
    if bad is not None:
        obj["spec"]["x"] = bad
        assert messages(obj, r) != []


def test_old_mistake_that_is_not_touched_is_forgiven() -> None:
    old = widget(color="green")
    new = deep_copy(old)
    new["spec"]["size"] = 2
    assert list(resource().strategy.validate_update(new, old)) == []
    new["spec"]["size"] = 99
    assert [c.field for c in resource().strategy.validate_update(new, old)] == ["spec.size"]


def test_status_is_apart_only_where_the_version_says_so() -> None:
    with_status = resource(definition(subresources={"status": {}}))
    without = resource()
    for r, expected in ((with_status, {}), (without, {"replicas": 1})):
        obj = {**widget(), "status": {"replicas": 1}}
        r.strategy.prepare_create(obj)
        assert obj.get("status", {}) == expected


def test_columns_fields_and_scale_come_from_the_version() -> None:
    crd = definition(
        additionalPrinterColumns=[
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1}
        ],
        subresources={
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"},
        },
        selectableFields=[{"jsonPath": ".spec.color"}],
    )
    assert crd_problems(crd) == []
    r = resource(crd)
    assert [(c.name, c.priority) for c in r.columns] == [("Name", 0), ("Size", 1)]
    size = r.columns[1].path
    assert callable(size)
    assert [size({"spec": {"size": value}}, 0) for value in (3, "x", None)] == [3, None, None]
    assert r.subresources["scale"].spec_replicas_path == ".spec.size"
    assert r.selectable_fields == {"spec.color": ".spec.color"}
    assert [c.name for c in resource().columns] == ["Name", "Age"]


def test_versions_share_one_store_and_convert_by_name_alone() -> None:
    crd = definition()
    crd["spec"]["versions"].append({**deep_copy(crd["spec"]["versions"][0]), "name": "v2", "storage": False})
    first, second = resources_of(crd)
    assert first.storage_prefix == second.storage_prefix == "example.com/widgets"
    assert first.from_storage is not None
    assert first.from_storage({"apiVersion": "example.com/v0"}) == {"apiVersion": "example.com/v1"}
    assert second.from_storage is not None
    assert second.to_storage is not None
    assert second.from_storage({"apiVersion": "example.com/v1"}) == {"apiVersion": "example.com/v2"}
    assert second.to_storage({"apiVersion": "example.com/v2"}) == {"apiVersion": "example.com/v1"}


def test_schema_carries_merge_words_for_apply() -> None:
    parts = schema_from(SPEC).fields["parts"]
    assert (parts.kind, parts.list_type, parts.list_map_keys) == ("list", "map", ("name",))
    root = resource().schema()
    assert root.gvks == (("example.com", "v1", "Widget"),)
    assert root.fields["metadata"].name.endswith("ObjectMeta")

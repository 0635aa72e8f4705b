"""Schemas as JSON: every named type a component of its own, everything else written out in place.

The two versions of OpenAPI differ in how they point at a component, and in what they make of the few types
that JSON Schema cannot say (int-or-string, quantity); `Dialect` holds that difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.resource import Resource
from api.schema import type_named
from machinery.schema import Schema

Json = dict[str, Any]

_JSON_TYPES = {
    "object": "object",
    "map": "object",
    "list": "array",
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}
_PUBLISHED_FORMATS = {"micro-time": "date-time", "quantity": "", "raw-extension": "", "fields-v1": ""}
_ANY_FORMATS = frozenset({"json", "schema-or-bool", "schema-or-array", "schema-or-strings"})
META = "io.k8s.apimachinery.pkg.apis.meta.v1"


@dataclass(frozen=True, slots=True)
class Dialect:
    """`prefix` leads to a component; v3 can say "this or that", v2 cannot."""

    prefix: str
    is_v3: bool


class Components:
    """Collects named types as they are met; `found` is what the document publishes."""

    def __init__(self, dialect: Dialect) -> None:
        self.found: dict[str, Json] = {}
        self._dialect = dialect

    def ref(self, name: str) -> Json:
        return {"$ref": self._dialect.prefix + name}

    def add(self, schema: Schema) -> Json:
        """Publishes a type (and all it refers to); returns a reference to it."""
        if schema.name not in self.found:
            self.found[schema.name] = {}  # under way: a type may refer to itself
            self.found[schema.name] = self._whole(_type_of(schema))
        return self.ref(schema.name)

    def add_kind(self, resource: Resource) -> Json:
        """Publishes the type of a resource's objects."""
        schema = resource.schema()
        if resource.published is None:
            return self.add(schema)
        if schema.name not in self.found:
            from api.meta.v1 import ObjectMeta

            envelope = {
                **_TYPE_META,
                "metadata": self._described(ObjectMeta, "Standard object's metadata: what every object has."),
            }
            body = resource.published(envelope, self._dialect.is_v3)
            self.found[schema.name] = {**body, **_kind_words(resource, resource.kind)}
        return self.ref(schema.name)

    def add_list(self, resource: Resource) -> Json:
        """Publishes the type of a resource's lists."""
        schema, list_kind = resource.schema(), resource.list_kind
        name = schema.name.rpartition(".")[0] + f".{list_kind}"
        if name not in self.found:
            from api.meta.v1 import ListMeta

            self.found[name] = {
                "description": f"{list_kind} is a list of {schema.gvks[0][2]} objects.",
                "type": "object",
                "required": ["items"],
                "properties": {
                    **_TYPE_META,
                    "items": {
                        "description": "The objects.",
                        "type": "array",
                        "items": self.add_kind(resource),
                    },
                    "metadata": self._described(ListMeta, "Standard list metadata: what every list has."),
                },
                **_kind_words(resource, list_kind),
            }
        return self.ref(name)

    def _described(self, kind: type, description: str) -> Json:
        """A field of a named type, with its own description."""
        from api.schema import schema_of

        return self._worded(self.add(schema_of(kind)), {"description": description})

    def _worded(self, pointer: Json, words: Json) -> Json:
        return {"allOf": [pointer], **words} if self._dialect.is_v3 else {**words, **pointer}

    def field(self, schema: Schema) -> Json:
        """A field's schema: a reference with the field's own words, or the type in place."""
        if not schema.name:
            return self._inline(schema)
        pointer = self.add(schema)
        own = self._field_words(schema)
        return self._worded(pointer, own) if own else pointer

    def _field_words(self, schema: Schema) -> Json:
        """What the field says beyond its type; clients that explain a field print its type's description below it."""
        out: Json = {}
        published = self.found.get(schema.name, {}).get("description")
        if schema.description and schema.description != published:
            out["description"] = schema.description
        out.update(_merge_words(schema))
        if schema.has_default:
            out["default"] = schema.default
        return out

    def _whole(self, schema: Schema) -> Json:
        """A named type as a component."""
        if schema.format in _ANY_FORMATS:
            return {"description": _DESCRIPTIONS.get(schema.format, "Any JSON value.")}
        if schema.int_or_string:
            return self._int_or_string(_DESCRIPTIONS["int-or-string"])
        if schema.format == "quantity":
            kinds: Json = (
                {"oneOf": [{"type": "string"}, {"type": "number"}]}
                if self._dialect.is_v3
                else {"type": "string"}
            )
            return {"description": _DESCRIPTIONS["quantity"], **kinds}
        body = self._inline(schema, whole=True)
        if schema.format:
            body["description"] = _DESCRIPTIONS[schema.format]
        if schema.gvks:
            body["x-kubernetes-group-version-kind"] = [
                {"group": group, "kind": kind, "version": version} for group, version, kind in schema.gvks
            ]
        return body

    def _inline(self, schema: Schema, *, whole: bool = False) -> Json:
        if schema.int_or_string:
            body = self._int_or_string(schema.description)
        else:
            body = {"description": schema.description} if schema.description else {}
            if schema.kind in _JSON_TYPES:
                body["type"] = _JSON_TYPES[schema.kind]
            format_ = _PUBLISHED_FORMATS.get(schema.format, schema.format)
            if format_:
                body["format"] = format_
        if schema.required:
            body["required"] = sorted(schema.required)
        if schema.kind == "object" and schema.fields:
            body["properties"] = {
                name: self._envelope(name, child, schema) for name, child in sorted(schema.fields.items())
            }
        if schema.kind == "map" and schema.values is not None:
            body["additionalProperties"] = self.field(schema.values)
        if schema.kind == "list" and schema.items is not None:
            body["items"] = self.field(schema.items)
        if schema.enum:
            body["enum"] = list(schema.enum)
        if schema.has_default:
            body["default"] = schema.default
        if schema.nullable and self._dialect.is_v3:
            body["nullable"] = True
        body.update(_merge_words(schema, whole=whole))
        return body

    def _envelope(self, name: str, child: Schema, parent: Schema) -> Json:
        """apiVersion and kind say the same everywhere."""
        if parent.gvks and name in _TYPE_META and not child.description:
            return dict(_TYPE_META[name])
        return self.field(child)

    def _int_or_string(self, description: str) -> Json:
        body: Json = {"description": description} if description else {}
        if self._dialect.is_v3:
            return {**body, "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
        return {**body, "format": "int-or-string", "type": "string"}


def _kind_words(resource: Resource, kind: str) -> Json:
    gvr = resource.gvr
    out: Json = {
        "x-kubernetes-group-version-kind": [{"group": gvr.group, "kind": kind, "version": gvr.version}]
    }
    if resource.custom and resource.selectable_fields:
        out["x-kubernetes-selectable-fields"] = [{"fieldPath": label} for label in resource.selectable_fields]
    return out


def _type_of(schema: Schema) -> Schema:
    """The type behind a field's node, without the field's own words."""
    if schema.format:
        return Schema(
            schema.kind,
            schema.format,
            schema.name,
            preserve_unknown=schema.preserve_unknown,
            int_or_string=schema.int_or_string,
        )
    return type_named(schema.name) or schema


def _merge_words(schema: Schema, *, whole: bool = False) -> Json:
    """The x-kubernetes-* words."""
    out: Json = {}
    if schema.list_type:
        out["x-kubernetes-list-type"] = schema.list_type
    if schema.list_map_keys:
        out["x-kubernetes-list-map-keys"] = list(schema.list_map_keys)
    if schema.map_type and (whole or schema.kind == "map" or not schema.name):
        out["x-kubernetes-map-type"] = schema.map_type
    if schema.merge_key:
        out["x-kubernetes-patch-merge-key"] = schema.merge_key
    if schema.patch_strategy:
        out["x-kubernetes-patch-strategy"] = ",".join(sorted(schema.patch_strategy))
    if schema.preserve_unknown and not schema.format:
        out["x-kubernetes-preserve-unknown-fields"] = True
    if schema.embedded_resource:
        out["x-kubernetes-embedded-resource"] = True
    if schema.int_or_string and not schema.name:
        out["x-kubernetes-int-or-string"] = True
    return out


_TYPE_META: Json = {
    "apiVersion": {
        "description": "APIVersion defines the form of this object, by a group and its version: apps/v1.",
        "type": "string",
    },
    "kind": {
        "description": "Kind names what this object is, in CamelCase; it cannot be changed.",
        "type": "string",
    },
}
_DESCRIPTIONS = {
    "int-or-string": "A number, or a string such as a port's name or a percentage.",
    "quantity": "An amount as a decimal number with an optional suffix: 100m, 0.5, 64Mi, 2G, 1e3.",
    "date-time": "A time as RFC 3339 writes it, to the second.",
    "micro-time": "A time as RFC 3339 writes it, to the microsecond.",
    "raw-extension": "An object of a kind that is not known here.",
    "fields-v1": "A set of fields, as a trie of their paths.",
    "schema-or-bool": "A schema, or whether anything is allowed at all.",
    "schema-or-array": "A schema, or a list of schemas.",
    "schema-or-strings": "A schema, or a list of strings.",
}

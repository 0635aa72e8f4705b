"""Trees of structural schemas: what a version of a CustomResourceDefinition says its objects look like.

In: the openAPIV3Schema of a version, as plain JSON; `structurality` tells whether it is a structural one. Out: the
`machinery.schema.Schema` from which objects are pruned, merged and applied exactly as built-in kinds are; what is published of
it is `published`'s matter.

Source: Kubernetes "Extend the API with CustomResourceDefinitions: Specifying a structural schema".
"""

from __future__ import annotations

from typing import Any

from machinery.schema import Kind, Schema

Json = dict[str, Any]

_TYPES: dict[str, Kind] = {
    "object": "object",
    "array": "list",
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


def schema_from(node: Json) -> Schema:
    """The Schema of a structural node (and, best effort, of one that is not)."""
    schema = _shape(node)
    schema.format = node.get("format", schema.format)
    schema.description = node.get("description", "")
    schema.nullable = bool(node.get("nullable"))
    schema.enum = tuple(node.get("enum") or ())
    schema.preserve_unknown = bool(node.get("x-kubernetes-preserve-unknown-fields"))
    schema.embedded_resource = bool(node.get("x-kubernetes-embedded-resource"))
    schema.int_or_string = bool(node.get("x-kubernetes-int-or-string"))
    schema.map_type = node.get("x-kubernetes-map-type") or ""
    schema.list_type = node.get("x-kubernetes-list-type") or ""
    schema.list_map_keys = tuple(node.get("x-kubernetes-list-map-keys") or ())
    if "default" in node and node["default"] is not None:
        schema.default, schema.has_default = node["default"], True
    if schema.embedded_resource:
        _add_envelope(schema)
    return schema


def _shape(node: Json) -> Schema:
    kind = _TYPES.get(node.get("type", ""))
    if node.get("x-kubernetes-int-or-string"):
        return Schema("string", format="int-or-string")
    match kind:
        case None:
            return Schema("any")
        case "object":
            additional = node.get("additionalProperties")
            if isinstance(additional, dict):
                return Schema("map", values=schema_from(additional))
            if additional is True:
                return Schema("map", values=Schema("any"))
            fields = {name: schema_from(child) for name, child in (node.get("properties") or {}).items()}
            return Schema("object", fields=fields, required=frozenset(node.get("required") or ()))
        case "list":
            items = node.get("items")
            return Schema("list", items=schema_from(items) if isinstance(items, dict) else Schema("any"))
    return Schema(kind)


def root_schema(node: Json, group: str, version: str, kind: str) -> Schema:
    """The Schema of a version's objects, with the envelope that every object has."""
    schema = schema_from(node)
    if schema.kind != "object":
        schema = Schema("object", preserve_unknown=True)
    schema.name = ".".join([*reversed(group.split(".")), version, kind])
    schema.gvks = ((group, version, kind),)
    _add_envelope(schema)
    return schema


def _add_envelope(schema: Schema) -> None:
    from api.meta.v1 import ObjectMeta
    from api.schema import schema_of

    for word in ("apiVersion", "kind"):
        schema.fields.setdefault(word, Schema("string"))
    schema.fields["metadata"] = schema_of(ObjectMeta)

"""Structural schemas: what a version of a CustomResourceDefinition says its objects look like.

In: the openAPIV3Schema of a version, as plain JSON. Out: causes where it is not structural, and the
`machinery.schema.Schema` from which objects are pruned, merged, applied and published exactly as built-in kinds are.

Structural means: every field's type is known without looking at a value. Types, defaults and nullability stand
only at a field's own place, never inside allOf, anyOf, oneOf or not; those may only narrow values.

Source: Kubernetes "Extend the API with CustomResourceDefinitions: Specifying a structural schema".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.validation.errors import Errors
from machinery import patterns
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
_JUNCTORS = ("allOf", "anyOf", "oneOf")
# What must not stand inside a junctor.
_NOT_NESTED = ("description", "type", "default", "title", "nullable")
_UNSUPPORTED = (
    "$ref",
    "definitions",
    "dependencies",
    "patternProperties",
    "id",
    "$schema",
    "additionalItems",
)
# Rules on values, kept beside the tree for publishing.
_RULES = (
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "multipleOf",
    "maxProperties",
    "minProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "externalDocs",
    "example",
    "x-kubernetes-validations",
)
_MOST_ITEMS = 1024 * 1024  # that a request of the largest size can hold, three bytes each
_INT_OR_STRING = ([{"type": "integer"}, {"type": "string"}], [{"type": "string"}, {"type": "integer"}])


# --- is it structural? -------------------------------------------------------------------------------------


def validate_structural(errors: Errors, schema: Json, path: str) -> None:
    """Every reason why a version's schema is not structural."""
    if schema.get("type") != "object":
        if not schema.get("type"):
            errors.required(f"{path}.type", "must not be empty at the root")
        else:
            errors.invalid(f"{path}.type", schema["type"], "must be object at the root")
    for word in ("apiVersion", "kind"):
        said = ((schema.get("properties") or {}).get(word) or {}).get("type", "string")
        if said != "string":
            errors.invalid(f"{path}.properties[{word}].type", said, "must be string")
    metadata = (schema.get("properties") or {}).get("metadata")
    _validate_metadata(errors, metadata, f"{path}.properties[metadata]")
    _Checker(errors).check(schema, path, root=True)


def _validate_metadata(errors: Errors, metadata: Json | None, path: str) -> None:
    if metadata is None:
        return
    allowed = {"name", "generateName"}
    if (
        set(metadata) - {"type", "properties", "description"}
        or set(metadata.get("properties") or ()) - allowed
    ):
        message = (
            "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )
        errors.forbidden(path, message)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an object a node stands: in how many copies at most, and below which list whose items have no past."""

    copies: int = 1
    uncorrelatable: str = ""

    def inside(self, node: Json, path: str, *, is_map: bool) -> Place:
        """The place of the items of `node`."""
        said = node.get("maxItems" if node.get("type") == "array" else "maxProperties")
        most = min(int(said), _MOST_ITEMS) if said is not None else _MOST_ITEMS
        return Place(self.copies * most, self.uncorrelatable or ("" if is_map else path))


TOP = Place()


class _Checker:
    def __init__(self, errors: Errors) -> None:
        self._errors = errors

    def check(
        self, node: Json, path: str, *, root: bool = False, where: str = "", place: Place = TOP
    ) -> None:
        """One node at its own place. `where`: "field" or "item", for the wording."""
        errors = self._errors
        loose = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
        kind = node.get("type")
        if not root and not kind and not loose:
            errors.required(f"{path}.type", f"must not be empty for specified {where}")
        if kind and kind not in _TYPES:
            errors.not_supported(f"{path}.type", kind, sorted(_TYPES))
        self._check_extensions(node, path)
        self._check_common(node, path)
        if node.get("x-kubernetes-validations"):
            from api.apiextensions.v1.rules import validate_rules

            validate_rules(errors, node, path, place, root=root)
        for name, child in (node.get("properties") or {}).items():
            if not (root and name == "metadata"):
                self.check(child, f"{path}.properties[{name}]", where="object fields", place=place)
        self._check_additional(node, path, place)
        items = node.get("items")
        if isinstance(items, dict):
            inner = place.inside(node, path, is_map=node.get("x-kubernetes-list-type") == "map")
            self.check(items, f"{path}.items", where="array items", place=inner)
        elif kind == "array" and items is None:
            errors.required(f"{path}.items", "must be specified")
        for junctor in _JUNCTORS:
            for index, branch in enumerate(node.get(junctor) or ()):
                self._check_branch(branch, node, f"{path}.{junctor}[{index}]", path)
        if isinstance(node.get("not"), dict):
            self._check_branch(node["not"], node, f"{path}.not", path)

    def _check_additional(self, node: Json, path: str, place: Place) -> None:
        additional = node.get("additionalProperties")
        at = f"{path}.additionalProperties"
        if additional is None:
            return
        if additional is False:
            self._errors.forbidden(at, "additionalProperties cannot be set to false")
        if node.get("properties"):
            self._errors.forbidden(at, "additionalProperties and properties are mutual exclusive")
        if isinstance(additional, dict):
            self.check(
                additional, at, where="additionalProperties", place=place.inside(node, path, is_map=True)
            )

    def _check_common(self, node: Json, path: str) -> None:
        errors = self._errors
        for word in _UNSUPPORTED:
            if node.get(word):
                errors.forbidden(f"{path}.{word}", f"{word} is not supported")
        if node.get("uniqueItems"):
            message = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
            errors.forbidden(f"{path}.uniqueItems", message)
        if isinstance(node.get("items"), list):
            errors.forbidden(f"{path}.items", "items must be a schema object and not an array")
        if node.get("pattern"):
            try:
                patterns.check(node["pattern"])
            except patterns.PatternError as error:
                message = f"must be a valid regular expression, but isn't: {error}"
                errors.invalid(f"{path}.pattern", node["pattern"], message)

    def _check_extensions(self, node: Json, path: str) -> None:
        errors = self._errors
        if node.get("x-kubernetes-int-or-string") and node.get("type"):
            message = "must be empty if x-kubernetes-int-or-string is true"
            errors.forbidden(f"{path}.type", message)
        if node.get("x-kubernetes-embedded-resource"):
            if node.get("type") != "object":
                message = "must be object if x-kubernetes-embedded-resource is true"
                errors.invalid(f"{path}.type", node.get("type", ""), message)
            if not node.get("x-kubernetes-preserve-unknown-fields") and not node.get("properties"):
                message = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
                errors.required(f"{path}.properties", message)
        if node.get("x-kubernetes-preserve-unknown-fields") is False:
            message = "must be true or undefined"
            errors.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, message)
        self._check_list_type(node, path)
        map_type = node.get("x-kubernetes-map-type")
        errors.one_of(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular"))
        if map_type and node.get("type") != "object":
            message = "must be object if x-kubernetes-map-type is specified"
            errors.invalid(f"{path}.type", node.get("type", ""), message)

    def _check_list_type(self, node: Json, path: str) -> None:
        errors = self._errors
        list_type, keys = node.get("x-kubernetes-list-type"), node.get("x-kubernetes-list-map-keys") or []
        at = f"{path}.x-kubernetes-list-type"
        errors.one_of(at, list_type, ("atomic", "map", "set"))
        if list_type and node.get("type") != "array":
            errors.invalid(
                f"{path}.type", node.get("type", ""), "must be array if x-kubernetes-list-type is specified"
            )
        if keys and list_type != "map":
            errors.invalid(at, list_type or "", "must be map if x-kubernetes-list-map-keys is non-empty")
        items = node.get("items")
        if list_type == "set" and isinstance(items, dict):
            _check_set_items(errors, items, f"{path}.items")
        if list_type == "map":
            if not keys:
                message = "must not be empty if x-kubernetes-list-type is map"
                errors.required(f"{path}.x-kubernetes-list-map-keys", message)
            if isinstance(items, dict):
                _check_map_items(errors, items, keys, path)
            properties = (items.get("properties") or {}) if isinstance(items, dict) else {}
            required = (items.get("required") or ()) if isinstance(items, dict) else ()
            for key in keys:
                if key not in properties:
                    message = "entries must all be names of item properties"
                    errors.invalid(f"{path}.x-kubernetes-list-map-keys", keys, message)
                elif key not in required and "default" not in properties[key]:
                    message = (
                        "this property is in x-kubernetes-list-map-keys, so it must have a default or be a "
                        "required property"
                    )
                    errors.required(f"{path}.items.properties[{key}].default", message)

    def _check_branch(self, branch: Json, outside: Json, path: str, outer_path: str) -> None:
        """Inside a junctor: only rules, and only for fields that the node itself specifies."""
        errors = self._errors
        if not _is_int_or_string(outside):
            for word in _NOT_NESTED:
                if branch.get(word) not in (None, "", False):
                    errors.forbidden(f"{path}.{word}", "must be empty to be structural")
        if branch.get("additionalProperties") is not None:
            errors.forbidden(f"{path}.additionalProperties", "must be undefined to be structural")
        self._check_common(branch, path)
        outer = outside.get("properties") or {}
        for name, child in (branch.get("properties") or {}).items():
            at = f"{path}.properties[{name}]"
            if name not in outer:
                if not outside.get("x-kubernetes-preserve-unknown-fields") or name != "metadata":
                    errors.required(f"{outer_path}.properties[{name}]", f"because it is defined in {at}")
            else:
                self._check_branch(child, outer[name], at, f"{outer_path}.properties[{name}]")
        items = branch.get("items")
        if isinstance(items, dict):
            if not isinstance(outside.get("items"), dict):
                errors.required(f"{outer_path}.items", f"because it is defined in {path}.items")
            else:
                self._check_branch(items, outside["items"], f"{path}.items", f"{outer_path}.items")
        for junctor in _JUNCTORS:
            for index, inner in enumerate(branch.get(junctor) or ()):
                self._check_branch(inner, outside, f"{path}.{junctor}[{index}]", outer_path)
        if isinstance(branch.get("not"), dict):
            self._check_branch(branch["not"], outside, f"{path}.not", outer_path)


def _check_set_items(errors: Errors, items: Json, path: str) -> None:
    """The items of a set are scalars, or whole in themselves."""
    if items.get("nullable"):
        errors.forbidden(f"{path}.nullable", "cannot be nullable when x-kubernetes-list-type is set")
    message = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        errors.invalid(f"{path}.x-kubernetes-map-type", items.get("x-kubernetes-map-type"), message)
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        errors.invalid(f"{path}.x-kubernetes-list-type", items.get("x-kubernetes-list-type"), message)


def _check_map_items(errors: Errors, items: Json, keys: list[str], path: str) -> None:
    """The items of a map are objects, told apart by scalars."""
    if items.get("type") != "object":
        message = "must be object if parent array's x-kubernetes-list-type is map"
        errors.invalid(f"{path}.items.type", items.get("type", ""), message)
    if items.get("nullable"):
        errors.forbidden(f"{path}.items.nullable", "cannot be nullable when x-kubernetes-list-type is map")
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        at, field = f"{path}.items.properties[{key}]", properties.get(key) or {}
        if key in keys[:index]:
            errors.duplicate(f"{path}.x-kubernetes-list-map-keys[{index}]", key)
        elif field.get("type") in ("array", "object"):
            errors.invalid(
                f"{at}.type",
                field["type"],
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            )
        elif field.get("nullable"):
            errors.forbidden(f"{at}.nullable", "cannot be nullable when used as a key of a list of type map")


def _is_int_or_string(node: Json) -> bool:
    """The two forms in which int-or-string may also be spelled out by types in a junctor."""
    if not node.get("x-kubernetes-int-or-string"):
        return False
    first = (node.get("allOf") or [{}])[0]
    return node.get("anyOf") in _INT_OR_STRING or first.get("anyOf") in _INT_OR_STRING


# --- the tree ----------------------------------------------------------------------------------------------


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
    schema.rules = {word: node[word] for word in _RULES if word in node}
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

"""The words of a version's schema: which may be used, where, and together with which others.

`validate_words` goes through the whole schema, junctors included. CEL rules are compiled only where nothing is wrong at
their place or below it, and only in a schema that is structural: errors of a schema would come back as theirs.
Their errors follow all others.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation, ValidateCustomResourceDefinitionOpenAPISchema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from api.apiextensions.v1.rule_checks import TOP, Place, validate_rule_words, validate_rules
from api.validation.errors import Errors
from machinery.errors import Cause

Json = dict[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_ENVELOPE = ("metadata", "kind", "apiVersion")
_UNSUPPORTED = ("additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
# With these, a schema is not even looked at for being structural.
_UNREADABLE = ("id", "$schema", "$ref", "patternProperties", "dependencies", "definitions")


@dataclass(frozen=True, slots=True)
class Where:
    """What the surroundings of a node say. `place` is None inside junctors: no rule is compiled there."""

    place: Place | None = TOP
    root: bool = False
    inside_metadata: bool = False
    no_defaults: str | None = None  # why defaults may not stand here


@dataclass(slots=True)
class Found:
    """Errors of the schema and errors of its rules: the latter are told last."""

    words: Errors = field(default_factory=Errors)
    rules: list[Cause] = field(default_factory=list)


def validate_words(errors: Errors, schema: Json, path: str, *, with_rules: bool) -> None:
    """`with_rules`: whether the schema is good enough for rules to be compiled."""
    found = Found()
    _validate(found, schema, path, Where(TOP if with_rules else None, root=True))
    errors.causes += found.words.causes
    errors.causes += found.rules


def is_readable(schema: Json) -> bool:
    """Whether the schema is free of words that structural schemas cannot even be made with."""
    return not any(
        any(node.get(word) for word in _UNREADABLE)
        or node.get("additionalItems") is not None
        or isinstance(node.get("items"), list)
        or node.get("x-kubernetes-preserve-unknown-fields") is False
        for node in nodes(schema)
    )


def nodes(schema: Json) -> Iterator[Json]:
    """The schema and every schema in it."""
    yield schema
    for child in _children(schema):
        yield from nodes(child)


def _children(node: Json) -> Iterator[Json]:
    for word in ("properties", "patternProperties", "definitions"):
        yield from (node.get(word) or {}).values()
    for word in ("allOf", "anyOf", "oneOf"):
        yield from node.get(word) or ()
    yield from (each for each in (node.get("dependencies") or {}).values() if isinstance(each, dict))
    items = node.get("items")
    yield from items if isinstance(items, list) else ()
    for one in (node.get("not"), node.get("additionalProperties"), node.get("additionalItems"), items):
        if isinstance(one, dict):
            yield one


def _validate(found: Found, node: Json, path: str, where: Where) -> None:
    errors = found.words
    before = len(errors.causes)
    _check_unsupported(errors, node, path, where)
    if node.get("uniqueItems"):
        message = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        errors.forbidden(f"{path}.uniqueItems", message)
    _validate_below(found, node, path, where)
    if node.get("x-kubernetes-preserve-unknown-fields") is False:
        errors.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    _check_map_type(errors, node, path)
    _check_list_type(errors, node, path)
    _check_list_map(errors, node, path)
    _check_keys(errors, node, path)
    if node.get("x-kubernetes-validations"):
        validate_rule_words(errors, node, path)
        if len(errors.causes) == before and where.place is not None:
            compiled = Errors()
            validate_rules(compiled, node, path, where.place, root=where.root)
            found.rules += compiled.causes


def _check_unsupported(errors: Errors, node: Json, path: str, where: Where) -> None:
    kind = node.get("type")
    if kind and kind not in TYPES:
        errors.not_supported(f"{path}.type", kind, TYPES)
    if node.get("default") is not None and where.no_defaults is not None:
        errors.forbidden(f"{path}.default", f"must not be set {where.no_defaults}".strip())
    if node.get("id"):
        errors.forbidden(f"{path}.id", "id is not supported")
    for word in _UNSUPPORTED:
        if node.get(word) or (word in ("additionalItems", "$ref") and node.get(word) is not None):
            errors.forbidden(f"{path}.{word}", f"{word} is not supported")
    if kind == "null":
        message = "type cannot be set to null, use nullable as an alternative"
        errors.forbidden(f"{path}.type", message)
    if node.get("items") and isinstance(node["items"], list):
        errors.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if where.inside_metadata and node.get("x-kubernetes-embedded-resource"):
        message = "must not be used inside of resource meta"
        errors.forbidden(f"{path}.x-kubernetes-embedded-resource", message)


def _validate_below(found: Found, node: Json, path: str, where: Where) -> None:
    place, inner = where.place, replace(where, root=False)
    additional = node.get("additionalProperties")
    if additional is not None:
        at = f"{path}.additionalProperties"
        if node.get("properties") and additional is not True:
            found.words.forbidden(at, "additionalProperties and properties are mutual exclusive")
        if isinstance(additional, dict):
            below = replace(inner, place=place and place.inside(node, path, is_map=True))
            if where.inside_metadata:
                why = "inside additionalProperties applying to object metadata"
                below = replace(below, no_defaults=why)
            _validate(found, additional, at, below)
    for name, child in (node.get("properties") or {}).items():
        below = inner
        if (where.root or node.get("x-kubernetes-embedded-resource")) and name in _ENVELOPE:
            below = replace(below, inside_metadata=True)
            if where.root:
                below = replace(below, no_defaults=f"in top-level {name}")
        _validate(found, child, f"{path}.properties[{name}]", below)
    loose = replace(inner, place=None)
    if isinstance(node.get("not"), dict):
        _validate(found, node["not"], f"{path}.not", loose)
    for word in ("allOf", "oneOf", "anyOf"):
        for index, branch in enumerate(node.get(word) or ()):
            _validate(found, branch, f"{path}.{word}[{index}]", loose)
    for name, child in (node.get("definitions") or {}).items():
        _validate(found, child, f"{path}.definitions[{name}]", loose)
    items = node.get("items")
    is_map = node.get("x-kubernetes-list-type") == "map"
    below = replace(inner, place=place and place.inside(node, path, is_map=is_map))
    if isinstance(items, dict):
        _validate(found, items, f"{path}.items", below)
    elif isinstance(items, list):
        for index, each in enumerate(items):
            _validate(found, each, f"{path}.items[{index}]", below)
    for name, child in (node.get("dependencies") or {}).items():
        if isinstance(child, dict):
            _validate(found, child, f"{path}.dependencies[{name}]", loose)


def _check_map_type(errors: Errors, node: Json, path: str) -> None:
    said = node.get("x-kubernetes-map-type")
    if said is None:
        return
    _type_wanted(errors, node, "object", path, "must be object if x-kubernetes-map-type is specified")
    if said not in ("atomic", "granular"):
        errors.not_supported(f"{path}.x-kubernetes-map-type", said, ("atomic", "granular"))


def _type_wanted(errors: Errors, node: Json, wanted: str, path: str, message: str) -> bool:
    kind = node.get("type")
    if kind == wanted:
        return True
    if kind:
        errors.invalid(f"{path}.type", kind, message)
    else:
        errors.required(f"{path}.type", message)
    return False


def _check_list_type(errors: Errors, node: Json, path: str) -> None:
    said, items = node.get("x-kubernetes-list-type"), node.get("items")
    at = f"{path}.x-kubernetes-list-type"
    if said is not None:
        message = "must be array if x-kubernetes-list-type is specified"
        is_list = _type_wanted(errors, node, "array", path, message)
        if is_list and said == "set" and isinstance(items, dict):
            _check_set_items(errors, items, f"{path}.items")
        if said not in ("atomic", "set", "map"):
            errors.not_supported(at, said, ("atomic", "set", "map"))
    if node.get("x-kubernetes-list-map-keys"):
        message = "must be map if x-kubernetes-list-map-keys is non-empty"
        if said is None:
            errors.required(at, message)
        elif said != "map":
            errors.invalid(at, said, message)


def _check_set_items(errors: Errors, items: Json, path: str) -> None:
    """The items of a set are scalars, or whole in themselves."""
    message = "must be atomic as item of a list with x-kubernetes-list-type=set"
    list_type = items.get("x-kubernetes-list-type")
    if items.get("type") == "array" and list_type not in (None, "atomic"):
        errors.invalid(f"{path}.x-kubernetes-list-type", list_type, message)
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        errors.invalid(f"{path}.x-kubernetes-map-type", list_type, message)


def _check_list_map(errors: Errors, node: Json, path: str) -> None:
    """The items of a map are objects, told apart by scalars."""
    if node.get("x-kubernetes-list-type") != "map":
        return
    keys, items = node.get("x-kubernetes-list-map-keys") or [], node.get("items")
    at = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        errors.required(at, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        errors.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        message = "must be object if parent array's x-kubernetes-list-type is map"
        errors.invalid(f"{path}.items.type", items.get("type") or "", message)
        return
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            errors.invalid(at, keys, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            message = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            errors.invalid(f"{path}.items.properties[{key}].type", items["type"], message)
        if key in keys[:index]:
            errors.invalid(at, keys, "must not contain duplicate entries")


def _check_keys(errors: Errors, node: Json, path: str) -> None:
    """Items that are told apart are there, and so are the fields that tell them apart."""
    said, items = node.get("x-kubernetes-list-type"), node.get("items")
    if said not in ("set", "map") or not isinstance(items, dict):
        return
    if items.get("nullable"):
        errors.forbidden(
            f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {said}"
        )
    if said == "set":
        return
    for key in node.get("x-kubernetes-list-map-keys") or ():
        told = (items.get("properties") or {}).get(key)
        if told is None:
            continue
        at = f"{path}.items.properties[{key}]"
        this = "this property is in x-kubernetes-list-map-keys, so it"
        if key not in (items.get("required") or ()) and told.get("default") is None:
            errors.required(f"{at}.default", f"{this} must have a default or be a required property")
        if told.get("nullable"):
            errors.forbidden(f"{at}.nullable", f"{this} cannot be nullable")

"""Values read by their schema: the names of list elements, and the fields that a configuration speaks of.

What the schema says of a node decides how it is walked:
* object and map: by key (granular), unless `map_type` is atomic; atomic ones are one field;
* list: by key for `list_type` map, by value for set; any other list is one field;
* `any` (or no schema): maps by key, lists as one field;
* scalars: one field.

`comparing.py` tells where two values differ, `merging.py` lays one over another and takes fields out.

Source: structured-merge-diff typed/{helpers,tofieldset,validate}.go, fieldpath/set.go.
"""

from __future__ import annotations

from typing import Any, Literal

from machinery.patch import PatchError
from machinery.patch.apply.go_words import go_literal, go_text, go_type
from machinery.patch.apply.sets import LEAF, FieldSet, key_element, show, value_element
from machinery.schema import Schema

Obj = dict[str, Any]
Form = Literal["map", "list", "leaf"]


def child_of(schema: Schema | None, key: str) -> Schema | None:
    if schema is None:
        return None
    return schema.fields.get(key) or schema.values


def form_of(value: Any, schema: Schema | None) -> Form:
    """How a value of the schema is walked: by key, by element, or not at all."""
    kind = schema.kind if schema is not None else "any"
    if kind == "any" and (schema is None or schema.map_type != "atomic"):
        return "map" if value is None or isinstance(value, dict) else "leaf"
    assert schema is not None
    if kind == "object" or kind == "map":
        return "leaf" if schema.map_type == "atomic" or schema.format == "raw-extension" else "map"
    return "list" if kind == "list" and schema.list_type in ("map", "set") else "leaf"


def zero_of(schema: Schema) -> Any:
    """What stands in a typed object where nobody set anything (`Schema.always`)."""
    if schema.int_or_string:
        return 0
    match schema.kind:
        case "object":
            return None if schema.preserve_unknown else {}
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case "string":
            return _ZEROS.get(schema.format, "")
    return None


_ZEROS: dict[str, Any] = {
    "quantity": "0",
    "duration": "0s",
    "date-time": None,
    "micro-time": None,
    "byte": None,
}


def filled(value: Any, schema: Schema | None) -> Any:
    """The value as a typed object holds it: with the zeros that are always there."""
    if schema is None:
        return value
    if isinstance(value, list):
        return [filled(item, schema.items) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: filled(item, child_of(schema, key)) for key, item in value.items()}
    for key in schema.always:
        if key not in out:
            child = schema.fields[key]
            out[key] = filled(zero_of(child), child)
    return out


def _defaults(schema: Schema) -> dict[str, Any]:
    """What a key of the list's elements is where an element does not say it."""
    if schema.items is None:
        return {}
    out: dict[str, Any] = {}
    for key in schema.list_map_keys:
        field = schema.items.fields.get(key)
        if field is None:
            continue
        if field.has_default:
            out[key] = field.default
        elif key in schema.items.always:
            out[key] = zero_of(field)
    return out


def elements(items: list[Any], schema: Schema) -> list[str] | None:
    """The path element of every item; None if one has none (the list is then treated as one field)."""
    out: list[str] = []
    if schema.list_type == "set":
        for item in items:
            if item is None or isinstance(item, (dict, list)):
                return None
            out.append(value_element(item))
        return out
    defaults = _defaults(schema)
    for item in items:
        element = key_element(item, schema.list_map_keys, defaults)
        if element is None:
            return None
        out.append(element)
    return out


def field_set(value: Obj, schema: Schema | None, *, lenient: bool = False) -> FieldSet:
    """The fields that a configuration speaks of: leaves, list elements, entries of maps.

    PatchError for lists with duplicate or missing keys; with `lenient`, which is for whole objects, such elements are
    one field together, and such lists one field.
    """
    return _contents(value, schema, lenient, ()) or {}


_NO_FIELDS: dict[str, Schema] = {}


def _contents(value: Any, schema: Schema | None, lenient: bool, path: tuple[str, ...]) -> FieldSet | None:
    """The node of a value: LEAF where it is one field, None where it has none."""
    form = form_of(value, schema)
    if value is not None and schema is not None and (wrong := unfit(value, schema)):
        if lenient:
            return LEAF
        raise PatchError(f"{show(path)}: {wrong}")
    if form == "leaf":
        if not lenient and schema is not None:
            _check_inside(value, schema, path)
        return LEAF
    if not value:
        return None
    if form == "list":
        assert schema is not None
        return _list_contents(value, schema, lenient, path)
    out: FieldSet = {}
    fields, values = (schema.fields, schema.values) if schema is not None else (_NO_FIELDS, None)
    for key, item in value.items():
        element = "f:" + key
        kind = type(item)
        declared = fields.get(key)
        child = declared or values
        if (kind is not dict and kind is not list) or (kind is dict and not item):
            if not lenient and item is not None and child is not None and (wrong := unfit(item, child)):
                raise PatchError(f"{show((*path, element))}: {wrong}")
            out[element] = LEAF
            continue
        node = _contents(item, child, lenient, (*path, element))
        if declared is None:
            out[element] = {".": LEAF, **node} if node else LEAF
        elif node is not None:
            out[element] = node
    return out or None


def _list_contents(items: list[Any], schema: Schema, lenient: bool, path: tuple[str, ...]) -> FieldSet | None:
    names = elements(items, schema)
    if names is None:
        if lenient:
            return LEAF
        raise PatchError(f"{show(path)}: {_missing_key(items, schema)}")
    out: FieldSet = {}
    for name, item in zip(names, items, strict=True):
        if name in out:
            if not lenient:
                raise PatchError(f"{show(path)}: duplicate entries for key {show((name,))}")
            out[name] = LEAF
            continue
        node = _contents(item, schema.items, lenient, (*path, name))
        out[name] = {".": LEAF, **node} if node else LEAF
    return out


def unfit(value: Any, schema: Schema) -> str:
    """Why a value that is not null is not of the schema's sort, in upstream's words; "" where it is."""
    match schema.kind:
        case "any":
            return ""
        case "object" | "map":
            return "" if isinstance(value, dict) else f"expected map, got {go_text(value)}"
        case "list":
            return "" if isinstance(value, list) else f"expected list, got {go_text(value)}"
        case "boolean":
            return "" if isinstance(value, bool) else f"expected boolean, got {go_text(value)}"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if schema.kind in ("integer", "number"):
        return "" if is_number else f"expected numeric (int or float), got {go_type(value)}"
    if schema.int_or_string or schema.format == "quantity":
        is_scalar = is_number or isinstance(value, (bool, str))
        return "" if is_scalar else f"expected any scalar, got {go_text(value)}"
    if isinstance(value, str):
        return ""
    return f"expected string, got &value.valueUnstructured{{Value:{go_literal(value)}}}"


def _check_inside(value: Any, schema: Schema, path: tuple[str, ...]) -> None:
    """An atomic value is one field, but the lists in it must be sound as well."""
    if isinstance(value, dict):
        for key, item in value.items():
            if (child := child_of(schema, key)) is not None and isinstance(item, (dict, list)):
                _contents(item, child, False, (*path, "f:" + key))
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                _contents(item, schema.items, False, (*path, f"i:{index}"))


def _missing_key(items: list[Any], schema: Schema) -> str:
    """Why the first element that has no name has none."""
    for index, item in enumerate(items):
        if elements([item], schema) is None:
            return f"element {index}: {_why_nameless(item, schema)}"
    raise AssertionError("every element has a name")


def _why_nameless(item: Any, schema: Schema) -> str:
    if schema.list_type == "set":
        if isinstance(item, dict):
            return "associative list without keys has an element that's a map type"
        if isinstance(item, list):
            return "not supported: associative list with lists as elements"
        return "associative list without keys has an element that's an explicit null"
    if not isinstance(item, dict):
        return f"associative list with keys may not have {'a null element' if item is None else 'non-map elements'}"
    keys = " ".join(f'"{key}"' for key in schema.list_map_keys)
    return (
        f"associative list with keys has an element that omits all key fields [{keys}] "
        "(and doesn't have default values for any key fields)"
    )


def with_named_fields(fields: FieldSet, schema: Schema | None) -> FieldSet:
    """The set in which a declared field is a member whenever something below it is."""
    out: FieldSet = {}
    for key, node in fields.items():
        if not node:
            out[key] = node
            continue
        if key.startswith("f:"):
            name = key[2:]
            child = child_of(schema, name)
            inner = with_named_fields(node, child)
            if schema is not None and name in schema.fields and "." not in inner:
                inner["."] = LEAF
            out[key] = inner
        else:
            out[key] = with_named_fields(node, schema.items if schema is not None else None)
    return out

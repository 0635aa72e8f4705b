"""From annotated TypedDicts to `machinery.schema.Schema`, the tree that everything generic reads.

In: a TypedDict class written in the words of `api.annotations`. Out: its Schema, made once per type and shared by
every field that refers to it. Nodes are lazily built and may be recursive (JSONSchemaProps refers to itself): a
type's `fields` mapping is one dict, filled in after the node exists, and every field node of that type shares it.

A field's node is the type's node with what the field adds (protobuf number, merge keys, description).

Formats that only the types of a CustomResourceDefinition use, all of kind `any`:
    json                any JSON value
    schema-or-bool      the schema in `items`, or a bool          (protobuf: allows = 1, schema = 2)
    schema-or-array     the schema in `items`, or a list of them  (protobuf: schema = 1, jSONSchemas = 2)
    schema-or-strings   the schema in `items`, or strings         (protobuf: schema = 1, property = 2)
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from typing import Annotated, Any, ForwardRef, Required, get_args, get_origin, is_typeddict

from api.always import always_there, short_name
from api.annotations import (
    Default,
    Enum,
    Format,
    In,
    ListMap,
    ListType,
    MapType,
    Patch,
    Proto,
    facts_of,
)
from api.pointers import pointers
from machinery.schema import Kind, Schema

_SCALARS: dict[Any, Kind] = {str: "string", int: "integer", bool: "boolean", float: "number", Any: "any"}
_ANY_FORMATS = frozenset({"json", "schema-or-bool", "schema-or-array", "schema-or-strings"})


def schema_named(module: str, name: str) -> Schema:
    """The Schema of a type by the module that holds it: what a Resource's lazy `schema` calls."""
    return schema_of(getattr(import_module(module), name))


def schema_of(cls: type) -> Schema:
    """The Schema of one TypedDict. The result is shared: never change it."""
    node = _made.get(cls)
    if node is None:
        node = _made[cls] = _shell(cls)  # known before its fields are, for types that refer to themselves
        _by_name[node.name] = node
        for name, annotation in cls.__annotations__.items():
            node.fields[name] = _node(annotation, cls.__module__)
    return node


_made: dict[type, Schema] = {}
_by_name: dict[str, Schema] = {}


def type_named(name: str) -> Schema | None:
    """The node of a built-in type itself, of which a field's node is a copy with the field's own words."""
    return _by_name.get(name)


def _shell(cls: type) -> Schema:
    """The type's node with `fields` still empty."""
    facts = facts_of(cls)
    annotations = cls.__annotations__
    required = frozenset(n for n, a in annotations.items() if _origin(a) is Required)
    package = _said_by_package(cls.__module__, "PACKAGE")
    gvks: tuple[tuple[str, str, str], ...] = ()
    if "apiVersion" in annotations and "metadata" in annotations:
        group, version = (_said_by_package(cls.__module__, word) for word in ("GROUP", "VERSION"))
        gvks = ((group, version, cls.__name__),)
    name = f"{package}.{cls.__name__}"
    return Schema(
        "object",
        name=name,
        description=(cls.__doc__ or "").strip(),
        required=required,
        always=always_there(short_name(name), required, is_kind=bool(gvks)),
        pointers=pointers(short_name(name)),
        map_type="atomic" if facts.map_type == "atomic" else "",
        proto_inline={number: schema_of(part) for number, part in facts.inline},
        gvks=gvks,
    )


def _said_by_package(module: str, word: str) -> str:
    """PACKAGE, GROUP or VERSION of the module itself or of the nearest package above it."""
    while module:
        value = getattr(sys.modules[module], word, None)
        if value is not None:
            return str(value)
        module = module.rpartition(".")[0]
    raise LookupError(f"no package above the type says its {word}")


def _node(annotation: Any, module: str) -> Schema:
    marks: list[Any] = []
    while True:
        if _origin(annotation) is Required:
            annotation = get_args(annotation)[0]
        elif _origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            marks += more
        else:
            break
    lazy_module = next((m.module for m in marks if isinstance(m, In)), "")
    return _marked(_plain(annotation, module, lazy_module, marks), marks)


def _origin(annotation: Any) -> Any:
    return get_origin(annotation)


def _plain(annotation: Any, module: str, lazy_module: str, marks: list[Any]) -> Schema:
    """The node of a type without its field's marks (a Format mark decides what a union means)."""
    format_ = next((m for m in marks if isinstance(m, Format)), Format(""))
    if format_.format in _ANY_FORMATS:
        schema = get_args(annotation)[0] if get_args(annotation) else None
        items = _type_node(schema, module, lazy_module) if schema is not None else None
        return Schema("any", items=items)
    if format_.format == "int-or-string":
        return Schema("string", int_or_string=True)
    if format_.format in ("raw-extension", "fields-v1"):
        return Schema("object", preserve_unknown=True)
    if annotation in _SCALARS:
        return Schema(_SCALARS[annotation])
    if _origin(annotation) is list:
        return Schema("list", items=_node(get_args(annotation)[0], module))
    if _origin(annotation) is dict:
        return Schema("map", values=_node(get_args(annotation)[1], module))
    return _type_node(annotation, module, lazy_module)


def _type_node(annotation: Any, module: str, lazy_module: str) -> Schema:
    cls = _resolve(annotation, module, lazy_module)
    if not is_typeddict(cls):
        raise TypeError(f"{annotation!r} in {module} is not a type of the wire")
    return schema_of(cls)


def _resolve(annotation: Any, module: str, lazy_module: str) -> Any:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    found = getattr(sys.modules[module], annotation, None)
    return found if found is not None else getattr(import_module(lazy_module or module), annotation)


def _marked(node: Schema, marks: list[Any]) -> Schema:
    """A copy of the node that carries what the field says; it shares `fields` with the type's node."""
    changes: dict[str, Any] = {}
    for mark in marks:
        match mark:
            case str():
                changes["description"] = mark
            case Proto():
                changes["proto"] = mark.number
            case ListType():
                changes["list_type"] = mark.kind
            case ListMap():
                changes["list_type"] = "map"
                changes["list_map_keys"] = mark.keys
            case MapType():
                changes["map_type"] = mark.kind
            case Patch():
                changes["patch_strategy"] = frozenset(mark.strategy.split(","))
                changes["merge_key"] = mark.key
            case Format():
                changes["format"] = mark.format
                changes["name"] = mark.name or node.name
            case Enum():
                changes["enum"] = mark.values
            case Default():
                changes["default"] = mark.value
                changes["has_default"] = True
    return replace(node, **changes) if changes else node

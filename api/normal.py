"""The form in which objects of built-in kinds are kept and given back: as upstream's types would say them.

Upstream reads an object into Go structs, stores these as protobuf and writes them as JSON. On that way empty lists and maps go, and
zeros of fields that are no pointers, unless JSON never leaves the field out: then it is there even where nobody set it.

    args: []            → gone       hostNetwork: false  → gone       (a list; a plain value)
    replicas: 0         → stays      emptyDir: {}        → stays      (pointers: being there says something)
    resources absent    → {}         rules: [] or absent → null       (`Schema.always`)

Two walks, so that who works on an object in between sees absent fields:

    forget(obj)     what was read: without what the types forget, and without nulls but those that would stand there anyway
    complete(obj)   what is about to be kept: the same, and everything that is always there

In: an object as the codec gives it. Out: the same object, changed in place; a walk done twice changes nothing. `Schema.always` and
`Schema.pointers` are all that they know: nothing is said here of any kind. Values of maps, elements of lists and what has no schema
stay as they are. Walks are made once a type and take a few microseconds an object, since every write takes them.

Definitions are stored as JSON upstream: their empty lists stay lists where the field is always there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from machinery.patch.apply.typed import zero_of
from machinery.schema import Schema

Obj = dict[str, Any]
Walk = Callable[[Any], None]
_Fields = Callable[[Schema, dict[str, Walk]], Walk]
_STORED_AS_JSON = "io.k8s.apiextensions-apiserver."


class Normaliser:
    """Both walks of one root's types, made when first used."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._forget: Walk | None = None
        self._complete: Walk | None = None

    def forget(self, obj: Obj) -> None:
        if self._forget is None:
            self._forget = _Walks(_forgetting).of_object(self._schema)
        self._forget(obj)

    def complete(self, obj: Obj) -> None:
        if self._complete is None:
            self._complete = _Walks(_completing).of_object(self._schema)
        self._complete(obj)


def born(node: Schema) -> dict[str, Any]:
    """The fields that are always there, each with what stands in it where nobody set it."""
    return {
        name: None if name in node.pointers else zero_of(node.fields[name]) for name in sorted(node.always)
    }


class _Walks:
    """One sort of walk through the types, made as they are met: types may refer to themselves."""

    def __init__(self, fields: _Fields) -> None:
        self._fields = fields
        self._made: dict[str, Walk] = {}

    def of_object(self, node: Schema) -> Walk:
        made = self._made.get(node.name)
        if made is None:
            inside: dict[str, Walk] = {}
            made = self._made[node.name] = self._fields(node, inside)
            for name, child in node.fields.items():
                inner = self._of(child)
                if inner is not None:
                    inside[name] = inner
        return made

    def _of(self, node: Schema | None) -> Walk | None:
        """The walk of a value; None where nothing in it can be otherwise."""
        if node is None:
            return None
        if node.kind == "object":
            return None if node.preserve_unknown else self.of_object(node)
        if node.kind == "list":
            inner = self._of(node.items)
            return _each(inner) if inner is not None else None
        if node.kind == "map":
            inner = self._of(node.values)
            return _each_value(inner) if inner is not None else None
        if node.kind == "any" and node.items is not None:
            return _by_sort(self.of_object(node.items))
        return None


def _forgotten(node: Schema) -> frozenset[str]:
    """Fields that are gone where they are zero: being there would say nothing."""
    return frozenset(
        name
        for name, child in node.fields.items()
        if name not in node.always and name not in node.pointers and child.kind not in ("object", "any")
    )


def _forgetting(node: Schema, inside: dict[str, Walk]) -> Walk:
    """Of one type; `inside` is filled in later."""
    drops = _forgotten(node)
    nulls_stay = frozenset(
        name
        for name, child in node.fields.items()
        if child.kind == "any" or (name in node.always - node.pointers and zero_of(child) is None)
    )

    def walk(obj: Obj) -> None:
        if all(obj.values()):
            if inside:
                for name in inside.keys() & obj.keys():
                    inside[name](obj[name])
            return
        gone = None
        for name, value in obj.items():
            if value:
                inner = inside.get(name)
                if inner is not None:
                    inner(value)
            elif name in drops or (value is None and name not in nulls_stay):
                gone = [name] if gone is None else [*gone, name]
        if gone is not None:
            for name in gone:
                del obj[name]

    return walk


def _completing(node: Schema, inside: dict[str, Walk]) -> Walk:
    """Of one type; `inside` is filled in later."""
    drops, zeros = _forgotten(node), born(node)
    lists_stay = node.name.startswith(_STORED_AS_JSON)
    nulls = frozenset(
        name
        for name in node.always - node.pointers
        if node.fields[name].kind == "map" or (node.fields[name].kind == "list" and not lists_stay)
    )
    always = frozenset(zeros)

    def give_birth(obj: Obj, name: str) -> None:
        zero = zeros[name]
        if zero == {}:
            zero = {}
            if name in inside:
                inside[name](zero)
        obj[name] = zero

    def change(obj: Obj) -> None:
        gone = None
        for name, value in obj.items():
            if value:
                inner = inside.get(name)
                if inner is not None:
                    inner(value)
            elif name in drops:
                gone = [name] if gone is None else [*gone, name]
            elif name in nulls:
                obj[name] = None
            elif value is None:
                if name in zeros:
                    give_birth(obj, name)
            elif name in inside:
                inside[name](value)
        if gone is not None:
            for name in gone:
                del obj[name]

    def walk(obj: Obj) -> None:
        if not all(obj.values()):
            change(obj)
        elif inside:
            for name in inside.keys() & obj.keys():
                inside[name](obj[name])
        if not always <= obj.keys():
            for name in zeros:
                if name not in obj:
                    give_birth(obj, name)

    return walk


def _each(walk: Walk) -> Walk:
    def walk_all(items: list[Any]) -> None:
        for item in items:
            walk(item)

    return walk_all


def _each_value(walk: Walk) -> Walk:
    def walk_all(entries: Obj) -> None:
        for item in entries.values():
            walk(item)

    return walk_all


def _by_sort(walk: Walk) -> Walk:
    """Of what is of the type in question, a list of such, or something else."""

    def walk_any(value: Any) -> None:
        if isinstance(value, dict):
            walk(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    walk(item)

    return walk_any

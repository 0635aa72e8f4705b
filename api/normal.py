"""The form in which objects of built-in kinds are kept and given back: as upstream's types would say them.

Upstream reads an object into Go structs, stores these as protobuf and writes them as JSON. On that way empty lists and maps go, and
zeros of fields that are no pointers, unless JSON never leaves the field out: then it is there even where nobody set it.

    args: []            → gone       hostNetwork: false  → gone       (a list; a plain value)
    replicas: 0         → stays      emptyDir: {}        → stays      (pointers: being there says something)
    resources absent    → {}         rules: [] or absent → null       (`Schema.always`)

In: an object as the codec gives it. Out: the same object, changed in place; doing it twice changes nothing. `Schema.always` and
`Schema.pointers` are all that it knows of types, so nothing is said here of any kind. Values of maps, elements of lists and what has no
schema stay as they are. A walk is made once a type and takes some microseconds an object, since every write is walked.

Definitions are stored as JSON upstream: their empty lists stay lists where the field is always there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from machinery.patch.apply.typed import zero_of
from machinery.schema import Schema

Walk = Callable[[Any], None]
_STORED_AS_JSON = "io.k8s.apiextensions-apiserver."


class Normaliser:
    """The walks of one root's types, made as they are met: types may refer to themselves."""

    def __init__(self, schema: Schema) -> None:
        self._made: dict[str, Walk] = {}
        self.walk = self._of_object(schema)

    def _of(self, node: Schema | None) -> Walk | None:
        """The walk of a value; None where nothing in it can be otherwise."""
        if node is None:
            return None
        if node.kind == "object":
            return None if node.preserve_unknown else self._of_object(node)
        if node.kind == "list":
            inner = self._of(node.items)
            return _each(inner) if inner is not None else None
        if node.kind == "map":
            inner = self._of(node.values)
            return _each_value(inner) if inner is not None else None
        if node.kind == "any" and node.items is not None:
            return _by_sort(self._of_object(node.items))
        return None

    def _of_object(self, node: Schema) -> Walk:
        made = self._made.get(node.name)
        if made is None:
            inside: dict[str, Walk] = {}
            made = self._made[node.name] = _fields(node, inside)
            for name, child in node.fields.items():
                inner = self._of(child)
                if inner is not None:
                    inside[name] = inner
        return made


def _fields(node: Schema, inside: dict[str, Walk]) -> Walk:
    """`inside` is filled in later."""
    drops = frozenset(name for name in node.fields if name not in node.always and not _says(node, name))
    zeros = {
        name: None if name in node.pointers else zero_of(node.fields[name]) for name in sorted(node.always)
    }
    lists_stay = node.name.startswith(_STORED_AS_JSON)
    nulls = frozenset(
        name
        for name in node.always - node.pointers
        if node.fields[name].kind == "map" or (node.fields[name].kind == "list" and not lists_stay)
    )
    is_born = tuple(zeros)
    whole = zeros.keys()

    def walk(obj: dict[str, Any]) -> None:
        gone = None
        for name, value in obj.items():
            if value:
                inner = inside.get(name)
                if inner is not None:
                    inner(value)
            elif name in drops:
                gone = [name] if gone is None else [*gone, name]
            elif value is None:
                if name in whole:
                    obj[name] = {} if zeros[name] == {} else zeros[name]
                    if zeros[name] == {} and name in inside:
                        inside[name](obj[name])
            elif name in nulls:
                obj[name] = None
            elif name in inside:
                inside[name](value)
        if gone is not None:
            for name in gone:
                del obj[name]
        for name in is_born:
            if name not in obj:
                zero = zeros[name]
                if zero == {}:
                    zero = {}
                    if name in inside:
                        inside[name](zero)
                obj[name] = zero

    return walk


def _says(node: Schema, name: str) -> bool:
    """Whether a zero of a field that may be left out says something by being there."""
    child = node.fields[name]
    return child.kind in ("object", "any") or name in node.pointers


def _each(walk: Walk) -> Walk:
    def walk_all(items: list[Any]) -> None:
        for item in items:
            walk(item)

    return walk_all


def _each_value(walk: Walk) -> Walk:
    def walk_all(entries: dict[str, Any]) -> None:
        for item in entries.values():
            walk(item)

    return walk_all


def _by_sort(walk: Walk) -> Walk:
    """Of what is the schema in question, a list of such, or something else."""

    def walk_any(value: Any) -> None:
        if isinstance(value, dict):
            walk(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    walk(item)

    return walk_any

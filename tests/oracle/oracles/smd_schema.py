"""structured-merge-diff's schemas as ours."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import yaml

from machinery.schema import Schema

_SCALARS: dict[str, Any] = {
    "string": "string",
    "numeric": "number",
    "boolean": "boolean",
    "untyped": "string",
}
_UNTYPED: dict[str, Any] = {"__untyped_atomic_": "atomic", "__untyped_deduced_": ""}


class Unlike(Exception):
    """A schema of a sort that nothing here has: several kinds of values at one place that are not all kinds, or an unknown one."""


@lru_cache(maxsize=4096)
def schema_of(text: str, reference: str) -> Schema:
    types = {item["name"]: item for item in (yaml.safe_load(text) or {}).get("types") or []}
    made: dict[tuple[str, str], Schema] = {}

    def refer(ref: dict[str, Any]) -> Schema:
        name, override = ref.get("namedType"), ref.get("elementRelationship", "")
        if name is None:
            node = build(Schema("any"), ref)
            if override:
                _relate(node, override)
            return node
        if name in _UNTYPED and name not in types:
            return Schema("any", map_type=_UNTYPED[name])
        if name not in types:
            raise Unlike(name)
        if (name, override) not in made:
            shell = made[name, override] = Schema("any")
            build(shell, types[name])
            if override:
                _relate(shell, override)
        return made[name, override]

    def build(node: Schema, atom: dict[str, Any]) -> Schema:
        kinds = [kind for kind in ("scalar", "list", "map") if atom.get(kind) is not None]
        if len(kinds) == 3:
            if atom["list"].get("elementRelationship") == "associative":
                raise Unlike("a list of anything that is a set")
            node.map_type = "atomic" if atom["map"].get("elementRelationship") == "atomic" else ""
            return node
        if len(kinds) != 1:
            raise Unlike(str(kinds))
        if kinds == ["scalar"]:
            if atom["scalar"] not in _SCALARS:
                raise Unlike(atom["scalar"])
            node.kind = _SCALARS[atom["scalar"]]
        elif kinds == ["list"]:
            held = atom["list"]
            node.kind, node.list_map_keys = "list", tuple(held.get("keys") or ())
            node.items = refer(held["elementType"])
            _relate(node, held.get("elementRelationship", "atomic"))
        else:
            held = atom["map"]
            node.kind = "object"
            for field in held.get("fields") or ():
                child = node.fields[field["name"]] = refer(field["type"])
                if field.get("default") is not None:
                    child = node.fields[field["name"]] = replace(
                        child, default=field["default"], has_default=True
                    )
            if held.get("elementType"):
                node.values = refer(held["elementType"])
            _relate(node, held.get("elementRelationship", "separable"))
        return node

    return refer(yaml.safe_load(reference))


def _relate(node: Schema, relationship: str) -> None:
    if node.kind == "list":
        node.list_type = "atomic" if relationship == "atomic" else "map" if node.list_map_keys else "set"
    elif node.kind != "any":
        node.map_type = "atomic" if relationship == "atomic" else "granular"

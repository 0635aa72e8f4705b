"""Which fields upstream's types always have, and which are pointers: what `Schema.always` and `Schema.pointers` say.

The oracle tells of all types at once; a question is about one of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from oracles.process import Answer, Ask, Request

from api import registry
from machinery.schema import Schema

_WITHOUT_ZERO = ("date-time", "micro-time")
_made: dict[str, Schema] = {}
_asked: dict[str, dict[str, str]] = {}


def types() -> dict[str, Schema]:
    """The types of all kinds that are stored or sent, by their full names."""
    if not _made:
        for resource in registry.load():
            _gather(resource.schema())
        for body in registry.bodies().values():
            _gather(body.schema())
    return _made


def _gather(node: Schema | None) -> None:
    if node is None or node.name in _made:
        return
    if node.kind == "object" and node.name and node.fields:
        _made[node.name] = node
    for inner in (*node.fields.values(), node.items, node.values):
        _gather(inner)


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    _asked.update(_asked or ask({"fn": "always"})["out"])
    for name in sorted(types().keys() & _asked.keys()):
        yield {"fn": "always", "type": name}, {"out": _asked[name]}


def ours(request: Request) -> Answer:
    node = types()[request["type"]]
    scalars = {
        name
        for name, child in node.fields.items()
        if child.kind not in ("object", "map", "list", "any") and child.format not in _WITHOUT_ZERO
    }
    return {
        "out": {
            "always": sorted(node.always),
            "pointers": sorted(node.pointers),
            "told": sorted(scalars | node.always),
            "known": sorted(node.fields),
        }
    }


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    said, out = theirs["out"], mine["out"]
    always = sorted(name for name, kind in said.items() if " to " not in kind and name in out["known"])
    pointers = sorted(
        name for name, kind in said.items() if kind.startswith(("ptr", "pointer")) and name in out["told"]
    )
    wrong = []
    if always != out["always"]:
        wrong.append(f"always {always}, mine {out['always']}")
    if pointers != out["pointers"]:
        wrong.append(f"pointers {pointers}, mine {out['pointers']}")
    return "; ".join(wrong)

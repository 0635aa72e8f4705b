"""Sets of fields: union, difference, intersection, and the order in which members are told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson
from oracles.process import Answer, Ask, Request

from machinery.patch.apply import sets

_ELEMENTS = ("f:a", "f:b", "f:c.d", "v:1", 'v:"x"', "v:10", "v:9", "v:true", "i:0", 'k:{"name":"a"}',
             'k:{"port":443,"protocol":"TCP"}', 'k:{"port":80,"protocol":"TCP"}', 'k:{"port":80,"protocol":"UDP"}')  # fmt: skip


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    for do in ("union", "difference", "intersection", "paths"):
        request = {"fn": "smd", "do": do, "left": _set(rng, 0), "right": _set(rng, 0)}
        yield request, ask(request)


def _set(rng: random.Random, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for element in rng.sample(_ELEMENTS, rng.randrange(1, 5)):
        node = {} if depth > 2 or rng.random() < 0.5 else _set(rng, depth + 1)
        if node and rng.random() < 0.4:
            node["."] = {}
        out[element] = node
    return out


def ours(request: Request) -> Answer:
    left, right = request["left"], request["right"]
    match request["do"]:
        case "union":
            return {"out": sets.union(left, right)}
        case "difference":
            return {"out": sets.difference(left, right)}
        case "intersection":
            return {"out": sets.intersection(left, right)}
    return {"out": [sets.show(path) for path in sets.paths(left)]}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    out = theirs["out"] if request["do"] == "paths" else orjson.loads(theirs["out"])
    return "" if out == mine["out"] else f"theirs {out}\n mine {mine['out']}"

"""OpenAPI v2 in protobuf, which kubectl asks for: gnostic's own code reads what we write, and must find the document in it.

The documents are those of random definitions (area `published`). A request holds the document and what we wrote of it, the answer what
upstream read.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

from oracles.process import Answer, Ask, Request
from oracles.published import definition_of

from api.apiextensions.v1.customresource import resources_of
from api.openapi import document_v2, gnostic

_BOUNDS = frozenset(
    f"{end}{of}" for end in ("min", "max") for of in ("imum", "Length", "Items", "Properties")
)


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    definition = definition_of(rng)
    document = document_v2(resources_of(definition))
    own = ".".join(reversed(definition["spec"]["group"].split(".")))
    document["definitions"] = {k: v for k, v in document["definitions"].items() if k.startswith(own)}
    paths = sorted(document["paths"])
    document["paths"] = {path: document["paths"][path] for path in rng.sample(paths, 1)}
    body = base64.b64encode(gnostic.encode(document)).decode()
    request = {"fn": "gnostic", "document": document, "body": body}
    yield request, ask({"fn": "gnostic", "body": body})


def ours(request: Request) -> Answer:
    written = base64.b64encode(gnostic.encode(request["document"])).decode()
    return {"out": request["document"] if written == request["body"] else "written otherwise"}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    mine = _without_zeros(mine)
    return "" if theirs == mine else "\n".join(_differences(theirs, mine, "")[:8])


def _without_zeros(node: Any, *, named: bool = False) -> Any:
    """gnostic's form cannot tell a bound of 0 from none. `named`: the keys are somebody's names."""
    if isinstance(node, list):
        return [_without_zeros(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value
        if key in ("example", "enum")
        else _without_zeros(value, named=key == "properties" and not named)
        for key, value in node.items()
        if named or value is False or value != 0 or key not in _BOUNDS
    }


def _differences(theirs: Any, mine: Any, path: str) -> list[str]:
    if isinstance(theirs, dict) and isinstance(mine, dict):
        return [
            line
            for key in sorted(theirs.keys() | mine.keys())
            for line in _differences(theirs.get(key, "<absent>"), mine.get(key, "<absent>"), f"{path}/{key}")
        ]
    if isinstance(theirs, list) and isinstance(mine, list) and len(theirs) == len(mine):
        pairs = enumerate(zip(theirs, mine, strict=True))
        return [line for at, pair in pairs for line in _differences(*pair, f"{path}/{at}")]
    return [] if theirs == mine else [f"{path}\n  theirs {theirs!r}\n  mine   {mine!r}"]

"""JSON patch and merge patch, as the API server and kubectl use them: the value, or that there is none."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from oracles.process import Answer, Ask, Request

from machinery.patch import PatchError, json_patch, merge

_KEYS = ("a", "b", "c", "x/y", "m~n")


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    one, other, third = (_map(rng, 0, False) for _ in range(3))
    for request in (
        {"fn": "jsonpatch", "original": one, "patch": [_operation(rng) for _ in range(rng.randint(1, 3))]},
        {"fn": "mergepatch", "do": "patch", "original": one, "patch": _map(rng, 0, True)},
        {"fn": "mergepatch", "do": "two", "original": one, "modified": other},
        {"fn": "mergepatch", "do": "three", "original": one, "modified": other, "current": third},
    ):
        yield request, ask(request)


def _map(rng: random.Random, depth: int, nulls: bool) -> dict[str, Any]:
    return {key: _value(rng, depth + 1, nulls) for key in rng.sample(_KEYS, rng.randint(1, 4))}


def _value(rng: random.Random, depth: int, nulls: bool) -> Any:
    if depth < 3 and rng.random() < 0.5:
        return _map(rng, depth, nulls)
    if depth < 3 and rng.random() < 0.4:
        return [_value(rng, depth + 1, False) for _ in range(rng.randint(0, 3))]
    return rng.choice((1, 2, "t", True, *((None, None) if nulls else ())))


def _operation(rng: random.Random) -> dict[str, Any]:
    def pointer() -> str:
        steps = ("/a", "/b", "/c", "/x~1y", "/m~0n", "/0", "/1", "/-", "/9", "/01", "/z")
        return "".join(rng.choice(steps) for _ in range(rng.randint(1, 3)))

    out: dict[str, Any] = {
        "op": rng.choice(("add", "add", "remove", "replace", "move", "copy", "test")),
        "path": pointer(),
    }
    if out["op"] in ("move", "copy"):
        out["from"] = pointer()
    if out["op"] in ("add", "replace", "test"):
        out["value"] = _value(rng, 2, False)
    return out


def ours(request: Request) -> Answer:
    given = copy.deepcopy(request)
    try:
        if request["fn"] == "jsonpatch":
            return {"out": json_patch.apply(given["original"], given["patch"])}
        match request["do"]:
            case "patch":
                return {"out": merge.apply(given["original"], given["patch"])}
            case "two":
                return {"out": merge.diff(given["original"], given["modified"])}
        return {"out": merge.three_way(given["original"], given["modified"], given["current"])}
    except PatchError as error:
        return {"error": str(error)}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if ("out" in theirs) != ("out" in mine) or theirs.get("out") != mine.get("out"):
        return f"theirs {theirs}\n mine {mine}"
    return ""

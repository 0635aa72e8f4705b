"""Strategic merge patch: applying one, and making one of two objects or of three (`kctl apply`).

Objects are random ones of built-in kinds; patches are those that upstream makes of two or three, and those of `_scribbled`,
which have directives where no sane client puts them. Whether a patch is refused must agree; the words need not.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from oracles import owners
from oracles.process import Answer, Ask, Request
from oracles.values import Shape

from machinery.patch import PatchError, strategic, strategic_diff

Obj = dict[str, Any]


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    known = owners.kinds_known()
    name = rng.choice([name for name in known if name.split()[1] in owners._POPULAR])
    resource = known[name]
    shape = Shape(rng, resource.schema(), share=rng.choice((0.15, 0.3)), by_merge_key=True)
    words = {"fn": "strategic", "apiVersion": resource.gvr.api_version, "kind": resource.kind}
    one, other = shape.value(rng), shape.value(rng)
    third = shape.value(rng) if rng.random() < 0.5 else _near(rng, other)
    if rng.random() < 0.5:
        other = _near(rng, one)
    two = {**words, "do": "two", "original": one, "modified": other}
    answer = ask(two)
    yield two, answer
    patches = [answer.get("out"), _scribbled(rng, shape.value(rng))]
    three = {**words, "do": "three", "original": one, "modified": other, "current": third, "overwrite": True}
    answer = ask(three)
    yield three, answer
    patches.append(answer.get("out"))
    for patch in patches:
        if patch is not None:
            request = {**words, "do": "patch", "original": rng.choice((one, third)), "patch": patch}
            yield request, ask(request)


def _near(rng: random.Random, obj: Any) -> Any:
    """A value that differs in a place or two."""
    if isinstance(obj, dict):
        return {key: _near(rng, value) for key, value in obj.items() if rng.random() > 0.08}
    if isinstance(obj, list):
        items = [_near(rng, item) for item in obj if rng.random() > 0.15]
        if rng.random() < 0.2:
            rng.shuffle(items)
        return items
    return obj


def _scribbled(rng: random.Random, obj: Any, depth: int = 0) -> Any:
    """A patch with directives in odd places."""
    if isinstance(obj, dict):
        out = {}
        for key, value in obj.items():
            dice = rng.random()
            if dice < 0.08:
                out[key] = None
                continue
            if isinstance(value, list) and value and not isinstance(value[0], dict) and dice < 0.3:
                out["$deleteFromPrimitiveList/" + key] = value[:2]
                if rng.random() < 0.5:
                    out["$setElementOrder/" + key] = value[1:]
                continue
            if (
                isinstance(value, list)
                and value
                and isinstance(value[0], dict)
                and dice < 0.3
                and "name" in value[0]
            ):
                out["$setElementOrder/" + key] = [{"name": item.get("name", "a")} for item in value]
            out[key] = _scribbled(rng, value, depth + 1)
        if depth and rng.random() < 0.12:
            out["$patch"] = rng.choice(("delete", "replace", "merge", "odd"))
        if depth and rng.random() < 0.05:
            out["$retainKeys"] = [key for key in out if not key.startswith("$") and rng.random() < 0.95] + [
                "x"
            ]
        return out
    if isinstance(obj, list):
        items = [_scribbled(rng, item, depth + 1) for item in obj]
        if items and isinstance(items[0], dict) and rng.random() < 0.1:
            items.append({"$patch": "replace"})
        return items
    return obj


def ours(request: Request) -> Answer:
    schema = owners.kinds_known()[f"{request['apiVersion']} {request['kind']}"].schema()
    given = copy.deepcopy(request)
    try:
        match request["do"]:
            case "patch":
                return {"out": strategic.apply(given["original"], given["patch"], schema)}
            case "two":
                return {"out": strategic_diff.two_way(given["original"], given["modified"], schema)}
        return {
            "out": strategic_diff.three_way(given["original"], given["modified"], given["current"], schema)
        }
    except PatchError as error:
        return {"error": str(error)}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if "out" not in theirs or "out" not in mine:
        return (
            ""
            if ("out" in theirs) == ("out" in mine)
            else f"theirs {owners._short(theirs)}\n mine {owners._short(mine)}"
        )
    return "" if theirs["out"] == mine["out"] else owners._where(theirs["out"], mine["out"], "")

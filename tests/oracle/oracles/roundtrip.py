"""Random objects of built-in kinds, full of empty lists and maps, zeros and nulls, as upstream's types give them back.

Upstream reads the object, stores it as protobuf (definitions: as JSON) and writes it as JSON; we decode and normalise it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from oracles import owners
from oracles.process import Answer, Ask, Request
from oracles.values import Shape

from api import registry
from api.resource import Resource
from machinery.errors import ApiError
from machinery.patch.apply.typed import child_of
from machinery.schema import Schema

_kinds: dict[str, Resource] = {}


def kinds() -> dict[str, Resource]:
    """Those whose types client-go has."""
    if not _kinds:
        for resource in registry.load():
            if (
                resource.kind not in ("APIService", "ComponentStatus")
                and "metadata" in resource.schema().fields
            ):
                _kinds[f"{resource.gvr.api_version} {resource.kind}"] = resource
    return _kinds


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    for name in rng.sample(sorted(kinds()), 6):
        resource = kinds()[name]
        schema = resource.schema()
        share = rng.choice((0.15, 0.3, 0.6))
        obj = Shape(rng, schema, share=share, zeros=0.3).value(rng, sparse=rng.choice((0.0, 0.3)))
        obj = _emptied(obj, schema, rng, rng.choice((0.03, 0.15)))
        for claim in (obj.get("spec") or {}).get("volumeClaimTemplates") or ():
            # Protobuf forgets what they are, and the conversion from the version inside, which is not asked here, says it anew.
            claim.pop("apiVersion", None)
            claim.pop("kind", None)
        obj["apiVersion"], obj["kind"] = name.split()
        request = {"fn": "roundtrip", "apiVersion": obj["apiVersion"], "kind": obj["kind"], "object": obj}
        yield request, ask(request)


def _emptied(value: Any, schema: Schema | None, rng: random.Random, share: float) -> Any:
    """The value, some of it replaced by its type's zero or null."""
    if isinstance(value, dict) and schema is not None and schema.kind in ("object", "map"):
        made: dict[str, Any] = {}
        for key, item in value.items():
            child = child_of(schema, key)
            if child is None or child.kind == "any" or child.preserve_unknown:
                made[key] = item
            elif rng.random() < share and schema.kind == "object":
                made[key] = _zero(item, child, rng)
            else:
                made[key] = _emptied(item, child, rng, share)
        return made
    if isinstance(value, list) and schema is not None and schema.items is not None:
        return [_emptied(item, schema.items, rng, share) for item in value]
    return value


def _zero(item: Any, schema: Schema, rng: random.Random) -> Any:
    if rng.random() < 0.25 or schema.format in ("date-time", "micro-time"):
        return None
    if isinstance(item, bool):
        return False
    if isinstance(item, (dict, list)):
        return type(item)()
    if schema.format in ("quantity", "duration"):
        return "0" if schema.format == "quantity" else "0s"
    return 0 if isinstance(item, int) or schema.int_or_string else 0.0 if isinstance(item, float) else ""


def ours(request: Request) -> Answer:
    codec = kinds()[f"{request['apiVersion']} {request['kind']}"].codec()
    try:
        obj, unknown = codec.decode(copy.deepcopy(request["object"]))
    except ApiError as error:
        return {"error": str(error)}
    codec.forget(obj)
    codec.complete(obj)
    return {"out": obj} if not unknown else {"error": f"unknown: {unknown}"}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if "out" not in theirs or "out" not in mine:
        return "" if set(theirs) == set(mine) else f"theirs {theirs}\n mine {mine}"
    if theirs["out"] == mine["out"]:
        return ""
    return owners._where(theirs["out"], mine["out"], "")

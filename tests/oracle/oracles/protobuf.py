"""Protobuf bodies of random objects, filled and written by upstream, read by us: the same as upstream's JSON of them.

Zeros that typed objects have anyway (`Schema.always`) are looked over on both sides; every other zero must be told or
left out as upstream's JSON does.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

from oracles import owners
from oracles.process import Answer, Ask, Request

from machinery.codec import protobuf
from machinery.patch.apply.typed import child_of
from machinery.schema import Schema


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    known = owners.kinds_known()
    for name in rng.sample(sorted(known), 6):
        api_version, kind = name.split()
        request: Request = {
            "fn": "protobuf",
            "apiVersion": api_version,
            "kind": kind,
            "seed": rng.randrange(2**31),
        }
        request |= {"nil": rng.choice((0.1, 0.5, 0.8)), "depth": rng.choice((6, 9, 12))}
        answer = ask(request)
        if "out" in answer:
            yield {**request, "body": answer["out"]["body"]}, {"out": answer["out"]["json"]}


def ours(request: Request) -> Answer:
    schema = owners.kinds_known()[f"{request['apiVersion']} {request['kind']}"].schema()
    try:
        return {"out": protobuf.decode(base64.b64decode(request["body"]), schema)}
    except protobuf.ProtobufError as error:
        return {"error": str(error)}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if "out" not in mine:
        return f"mine {mine}"
    schema = owners.kinds_known()[f"{request['apiVersion']} {request['kind']}"].schema()
    left, right = _set(theirs["out"], schema), _set(mine["out"], schema)
    return "" if left == right else owners._where(left, right, "")


def _set(value: Any, schema: Schema | None) -> Any:
    """Without the zeros of fields that are always there."""
    if isinstance(value, dict):
        always = schema.always if schema is not None else ()
        made = {key: _set(item, child_of(schema, key)) for key, item in value.items()}
        return {key: item for key, item in made.items() if not (key in always and not _is_set(item))}
    if isinstance(value, list):
        return [_set(item, schema.items if schema is not None else None) for item in value]
    return value


def _is_set(value: Any) -> bool:
    return value not in (None, 0, "", "0", False, {}, [])

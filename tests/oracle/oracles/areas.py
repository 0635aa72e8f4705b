"""The list of what is compared. An area is a module with

fresh(rng, ask)                 → (request, upstream's answer), a few of them, asked of the oracle
ours(request)                   → our answer to the same
difference(request, theirs, mine) → what differs, in words; "" for nothing
"""

from __future__ import annotations

from types import ModuleType

from oracles import (
    cel,
    field_sets,
    gnostic,
    go_types,
    owners,
    patches,
    protobuf,
    proxied,
    published,
    roundtrip,
    small,
    strategic,
    suite,
)
from oracles.process import Answer, Ask, Request

AREAS: dict[str, ModuleType] = {
    "cel": cel,
    "gnostic": gnostic,
    "owners": owners,
    "patches": patches,
    "protobuf": protobuf,
    "proxied": proxied,
    "published": published,
    "roundtrip": roundtrip,
    "sets": field_sets,
    "small": small,
    "strategic": strategic,
    "suite": suite,
    "types": go_types,
}

__all__ = ["AREAS", "Ask", "compared"]


def compared(area: ModuleType, request: Request, theirs: Answer) -> str:
    found: str = area.difference(request, theirs, area.ours(request))
    return found

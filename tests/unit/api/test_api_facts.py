"""Every field of every served type, against the recorded facts of Kubernetes 1.36 (skipped where they are absent)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import registry
from machinery.schema import Schema

FACTS = Path(__file__).resolve().parents[4] / "shared" / "reference" / "api-facts.json"


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    if not FACTS.exists():
        pytest.skip(f"SKIPPED LOUDLY: {FACTS.name} is not beside the repository; served fields are unchecked")
    loaded: dict[str, Any] = json.loads(FACTS.read_text())
    return loaded


def served_types() -> dict[str, Schema]:
    found: dict[str, Schema] = {}

    def walk(node: Schema | None) -> None:
        if node is None:
            return
        if node.name and node.kind == "object" and not node.format:
            if node.name in found:
                return
            found[node.name] = node
        for child in [*node.fields.values(), node.items, node.values]:
            walk(child)

    for resource in registry.load():
        walk(resource.schema())
    for body in registry.bodies().values():
        walk(body.schema())
    return found


def described(node: Schema) -> str:
    """A node in the notation of the facts."""
    if node.name and node.format not in ("json",) and node.kind in ("object", "any", "string"):
        return node.name
    match node.kind:
        case "list":
            assert node.items is not None
            return f"[{described(node.items)}]"
        case "map":
            assert node.values is not None
            return f"{{{described(node.values)}}}"
        case "any":
            return node.name
    return f"{node.kind}:{node.format}" if node.format else node.kind


def inlined(facts: dict[str, Any], name: str) -> Iterator[tuple[int, str]]:
    for number, part in facts[name].get("protoInline", {}).items():
        yield int(number), part


def test_served_types_against_facts_have_every_field(facts: dict[str, Any]) -> None:
    missing: list[str] = []
    wrong: list[str] = []
    total = 0
    types = served_types()
    for name, schema in sorted(types.items()):
        if name not in facts:
            continue  # a part of protobuf's only, such as ProbeHandler
        fact = facts[name]
        inner = {field for part in schema.proto_inline.values() for field in part.fields}
        for field, (kind, *more) in fact.get("fields", {}).items():
            total += 1
            have = schema.fields.get(field)
            said = more[0] if more else {}
            if have is None:
                missing.append(f"{name}.{field}")
                continue
            if described(have) != kind:
                wrong.append(f"{name}.{field}: {described(have)} is not {kind}")
            if field not in inner and have.proto != said.get("proto", 0):
                wrong.append(f"{name}.{field}: protobuf number {have.proto} is not {said.get('proto', 0)}")
            expected_list = said.get("listType", "") if kind.startswith("[") else ""
            if have.list_type != expected_list:
                wrong.append(f"{name}.{field}: list type {have.list_type!r} is not {expected_list!r}")
            if list(have.list_map_keys) != said.get("listMapKeys", []):
                wrong.append(f"{name}.{field}: keys {have.list_map_keys}")
            if have.merge_key != said.get("mergeKey", ""):
                wrong.append(f"{name}.{field}: merge key {have.merge_key}")
            if have.patch_strategy != frozenset(filter(None, said.get("patchStrategy", "").split(","))):
                wrong.append(f"{name}.{field}: patch strategy {sorted(have.patch_strategy)}")
            if (field in schema.required) != said.get("required", False):
                wrong.append(f"{name}.{field}: required differs")
        extra = schema.fields.keys() - fact.get("fields", {}).keys()
        wrong += [f"{name}.{field} is not upstream's" for field in sorted(extra)]
        if (schema.map_type or "") != fact.get("mapType", ""):
            wrong.append(f"{name}: map type {schema.map_type!r} is not {fact.get('mapType', '')!r}")
        if sorted(schema.proto_inline) != sorted(number for number, _ in inlined(facts, name)):
            wrong.append(f"{name}: inlined messages differ")
    share = 100 * (total - len(missing)) / total
    assert share >= 99
    print(f"{total - len(missing)} of {total} fields of {len(types)} served types ({share:.1f} %)")
    assert not missing
    assert not wrong
    assert total > 2000


def test_every_stable_kind_of_the_facts_is_served(facts: dict[str, Any]) -> None:
    stable = {
        gvk
        for name, fact in facts.items()
        if not name.startswith("proto:")
        for gvk in fact.get("gvk", ())
        if not re.search(r" (DeleteOptions|WatchEvent|Status|API\w+|\w+List)$", gvk)
    }
    served = {f"{r.gvr.api_version} {r.kind}" for r in registry.load()}
    served |= {f"{group}/{version} {kind}".removeprefix("/") for group, version, kind in registry.bodies()}
    print(f"{len(stable & served)} of {len(stable)} stable kinds are served")
    assert stable <= served, sorted(stable - served)

"""The fields of the OpenAPI that a running cluster serves, against those of Kubernetes 1.36's API description."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

# Parts of protobuf's only, and discovery's and watches' own types: the served description has kinds and what is in them.
UNDESCRIBED = re.compile(
    r"^proto:|\.(API(Group|GroupList|Resource|ResourceList|Versions)|GroupVersionForDiscovery|GroupResource"
    r"|ServerAddressByClientCIDR|WatchEvent)$|\.version\.Info$"
)
FACTS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "api-facts.json"


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    if not FACTS.exists():
        pytest.skip(f"SKIPPED LOUDLY: {FACTS.name} is not beside the repository; served fields are unchecked")
    loaded: dict[str, Any] = json.loads(FACTS.read_text())
    return loaded


def test_served_description_has_the_kinds_and_fields_of_upstreams(wire, facts):
    schemas: dict[str, Any] = {}
    for entry in wire.send("GET", "/openapi/v3").json["paths"].values():
        document = wire.send("GET", entry["serverRelativeURL"]).json
        schemas |= document.get("components", {}).get("schemas", {})
    types = {
        name: fact for name, fact in facts.items() if fact.get("fields") and not UNDESCRIBED.search(name)
    }
    kinds = {
        name
        for name, fact in types.items()
        if any(
            re.search(r" (?!\w+List$|\w*Options$|API|Status$|WatchEvent$)\w+$", gvk)
            for gvk in fact.get("gvk", ())
        )
    }
    fields = {(name, field) for name, fact in types.items() for field in fact["fields"]}
    served_kinds = kinds & schemas.keys()
    served = {(name, field) for name, field in fields if field in schemas.get(name, {}).get("properties", {})}
    missing = sorted(f"{name}.{field}" for name, field in fields - served)
    kind_share, field_share = 100 * len(served_kinds) / len(kinds), 100 * len(served) / len(fields)
    print(
        f"{len(served_kinds)} of {len(kinds)} kinds ({kind_share:.1f} %), "
        f"{len(served)} of {len(fields)} fields of {len(types)} types ({field_share:.1f} %)"
    )
    assert kind_share >= 99, sorted(kinds - served_kinds)
    assert field_share >= 99, "\n".join(missing)

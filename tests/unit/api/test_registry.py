"""The registry: cheap to import, whole, and equal to what upstream's discovery says."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from api import registry

RESOURCES = Path(__file__).resolve().parents[4] / "shared" / "reference" / "api-resources.tsv"


def test_listing_kinds_imports_neither_pydantic_nor_the_types_below_them() -> None:
    code = (
        "import sys; from api import registry; registry.load(); "
        "print([m for m in sys.modules if m.startswith('pydantic') or m.endswith('_types') or m in "
        "('api.core.v1.podspec', 'api.core.v1.container', 'api.apiextensions.v1.jsonschema', 'api.codec')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_two_resources_share_a_name() -> None:
    names = [(r.gvr.group, r.gvr.version, r.gvr.resource) for r in registry.load()]
    assert len(names) == len(set(names))


def test_names_verbs_and_subresources_are_upstreams() -> None:
    if not RESOURCES.exists():
        pytest.skip(f"SKIPPED LOUDLY: {RESOURCES.name} is not beside the repository; discovery is unchecked")
    with RESOURCES.open() as lines:
        upstream = {
            (
                row["group"].replace("core", "") if row["group"] == "core" else row["group"],
                row["resource"],
            ): row
            for row in csv.DictReader(lines, delimiter="\t")
        }
    for resource in registry.load():
        row = upstream[resource.gvr.group, resource.gvr.resource]
        subresources = {
            each.partition("(")[0]: (each.partition("(")[2].partition(")")[0], each.rpartition(":")[2])
            for each in row["subresources"].split()
        }
        assert {
            "kind": resource.kind,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "singular": resource.singular,
            "verbs": ",".join(sorted(resource.verbs)),
            "shortNames": ",".join(resource.short_names),
            "categories": ",".join(resource.categories),
        } == {key: row[key] for key in ("kind", "scope", "singular", "verbs", "shortNames", "categories")}
        assert {
            n: (",".join(sorted(s.verbs)), s.kind) for n, s in resource.subresources.items()
        } == subresources


def test_every_resource_of_upstreams_discovery_is_served() -> None:
    if not RESOURCES.exists():
        pytest.skip(f"SKIPPED LOUDLY: {RESOURCES.name} is not beside the repository; discovery is unchecked")
    with RESOURCES.open() as lines:
        upstream = {
            ("" if row["group"] == "core" else row["group"], row["version"], row["resource"])
            for row in csv.DictReader(lines, delimiter="\t")
        }
    served = {(r.gvr.group, r.gvr.version, r.gvr.resource) for r in registry.load()}
    print(f"{len(upstream & served)} of {len(upstream)} resources of upstream's discovery are served")
    assert served == upstream

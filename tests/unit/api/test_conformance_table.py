"""docs/conformance.md names tests that exist, every behaviour that the reference lists for the server, and what the real suite said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "docs/conformance.md").read_text()
REFERENCE = ROOT.parent / "shared/reference/conformance-behaviours.md"


def test_every_test_that_is_named_exists() -> None:
    files = {path.name: path for path in (ROOT / "tests").rglob("*") if path.suffix in (".py", ".txt")}
    named = re.findall(r"\| `([^`]+)` \|$", TABLE, flags=re.MULTILINE)
    assert len(named) > 80
    for each in named:
        file, _, test = each.partition("::")
        text = files[Path(file).name].read_text()
        assert not test or f"def {test}(" in text, each


def test_no_behaviour_of_the_server_is_left_out() -> None:
    if not REFERENCE.exists():
        pytest.skip("the list of behaviours is not here")
    wanted = re.findall(r"^- [abf]: (.*)$", REFERENCE.read_text(), flags=re.MULTILINE)
    told = re.findall(r"^\| (.*?) \| [abf] \|", TABLE, flags=re.MULTILINE)
    assert sorted(told) == sorted(wanted)


def test_outcomes_of_the_real_suite_are_told_and_what_failed_is_expected() -> None:
    suite = ROOT / "tests/conformance"
    outcomes = [line.split("\t") for line in (suite / "outcomes.tsv").read_text().splitlines()]
    failed = [spec for verdict, spec in outcomes if verdict != "PASSED"]
    expected = yaml.safe_load((suite / "expected.yaml").read_text())["failing"]
    assert [spec for spec in failed if not any(part in spec for part in expected)] == []
    assert f"{len(outcomes) - len(failed)} passed, {len(failed)} failed" in TABLE

"""docs/conformance.md names tests that exist, and every behaviour that the reference lists for the server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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

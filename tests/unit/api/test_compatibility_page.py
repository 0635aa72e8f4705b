"""docs/compatibility.md names what is stored and not acted on, and links to what exists."""

from __future__ import annotations

import re
from pathlib import Path

from api.unserved import UNSERVED

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"


def test_every_kind_on_which_nothing_acts_is_named_and_no_other() -> None:
    section = PAGE.read_text().partition("## Kinds that are stored")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z.8,\- ]+) \| (.+) \|$", section, re.MULTILINE)
    named = {kind for _, kinds in rows for kind in re.findall(r"[A-Z]\w+", re.sub(r"\(.*?\)", "", kinds))}
    assert named == {kind.rpartition("/")[2] for kind in UNSERVED}


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text())
    assert links and [link for link in links if not (PAGE.parent / link).exists()] == []

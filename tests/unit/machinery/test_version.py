"""The version that running parts tell is the one that is installed."""

from __future__ import annotations

import tomllib
from pathlib import Path

from machinery.version import VERSION


def test_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION

"""Property tests draw the same examples in every run, so that a run that was green stays green.

To search further: `HYPOTHESIS_PROFILE=explore .venv/bin/pytest tests/property`.

Tests marked `kubectl` are skipped, loudly, where there is none: neither on the PATH nor unpacked by tools/setup.sh.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

UNPACKED = Path(__file__).parents[1] / ".venv/kubectl"
if shutil.which("kubectl") is None and (UNPACKED / "kubectl").exists():
    os.environ["PATH"] += f":{UNPACKED}"  # before any test's module asks for it


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kubectl") is not None and shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the PATH")

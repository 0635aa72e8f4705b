"""The implementations that the runtime contract runs on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from runtime_worlds import NEEDS_ROOT, RUNNERS, Body


@pytest.fixture(params=["fake", pytest.param("native", marks=[pytest.mark.node, NEEDS_ROOT])])
def in_runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Body], None]:
    """Runs an async body in a fresh world of each implementation."""
    runner = RUNNERS[request.param]
    return lambda body: runner(body, tmp_path)

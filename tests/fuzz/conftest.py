"""The fuzz tests' server: one for all of them, in this process, with RBAC, admission and virtual time.

After each test it must still answer, and must not have logged that a request failed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from served import Served


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _server_lives(served: Served, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert served.alive()
    told = capfd.readouterr()
    assert "a request failed" not in told.err + told.out, (told.err + told.out)[-4000:]

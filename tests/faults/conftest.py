"""Clusters to break. Every test has a KCTL_HOME of its own, and what it leaves running is taken down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))
from clusters import Cluster, home, make_cluster


@pytest.fixture
def described() -> Iterator[Cluster]:
    """A cluster that is not up yet."""
    with home() as directory:
        made = make_cluster(directory, "fault")
        try:
            yield made
        finally:
            made.kctl("down", "fault", "--delete")


@pytest.fixture
def broken(described: Cluster) -> Cluster:
    """A cluster of two simulated nodes, to be broken."""
    described.kctl("up", "fault", "--fake-runtime", "--nodes", "2").checked()
    return described

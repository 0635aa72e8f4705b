"""Clusters to break. Every test has a KCTL_HOME of its own, and what it leaves running is taken down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
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

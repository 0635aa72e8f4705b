"""A whole cluster as a pytest fixture, for any project: no root, no Docker, no sockets, no waiting.

    def test_my_operator(kctl_simulation):
        async def scenario(cluster):
            await cluster.client.create(DEPLOYMENTS, my_deployment)
            await cluster.clock.sleep(600)          # ten minutes, at once
            ...
        kctl_simulation(scenario, nodes=3, seed=1)

Installed with the package (entry point pytest11); it imports the cluster only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def kctl_simulation() -> Callable[..., Any]:
    """`standalone.simulation.simulate`: runs an async scenario against a fresh cluster on a virtual clock."""
    from standalone.simulation import simulate

    return simulate

"""@kubernetes/client-node, the official JavaScript client: javascript/client.mjs, one program whose scenarios run side by side.

`tools/setup.sh test-packages` installs it into .venv/javascript where there is npm; without it, or without node, the tests are skipped.
"""

from __future__ import annotations

import pytest
from javascript import SCENARIOS, ClientNode


@pytest.fixture(scope="module")
def outcomes(compat_cluster, new_namespace, widgets) -> dict[str, str]:
    """What each scenario says went wrong; "" where nothing did."""
    return ClientNode.installed().run(compat_cluster.kubeconfig, new_namespace())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_client_node(scenario, outcomes):
    assert not outcomes[scenario], outcomes[scenario]

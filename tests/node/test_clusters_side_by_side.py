"""Two clusters of one name, under two homes, on one host: nothing in the kernel is shared between them."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from clusters import home, make_cluster, why_no_containers

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


def test_clusters_of_one_name_started_at_once_run_side_by_side_and_end_alone() -> None:
    if why := why_no_containers():
        pytest.skip(why)
    name = f"twin-{time.time_ns() % 10**8}"
    with home() as one, home() as two:
        twins = [make_cluster(directory, name) for directory in (one, two)]
        try:
            ups = [
                subprocess.Popen(
                    ["kctl", "up", name],
                    env=twin.environment(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                for twin in twins
            ]
            said = [process.communicate(timeout=80)[0] for process in ups]
            assert [process.returncode for process in ups] == [0, 0], "\n".join(said)
            configs = [json.loads((twin.data_dir / "cluster.json").read_text()) for twin in twins]
            for what in ("identity", "api_port", "network_index"):
                assert configs[0][what] != configs[1][what]
            twins[0].kctl("down", name, "--delete").checked()
            nodes = json.loads(twins[1].kctl("get", "nodes", "-o", "json").checked())["items"]
            ready = [
                c["status"] for node in nodes for c in node["status"]["conditions"] if c["type"] == "Ready"
            ]
            assert ready == ["True"]
            assert twins[1].kctl("get", "--raw", "/readyz").checked() == "ok"
        finally:
            for twin in twins:
                if twin.data_dir.exists():
                    twin.kctl("down", name, "--delete").checked()

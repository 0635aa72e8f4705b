"""Upstream's informers while the API server below them is killed: in the end they know what there is, and nothing was told
twice, backwards or not at all. Skipped where the program of tools/upstream/client has not been built.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from client_go import client_go
from clusters import Cluster


def api_server(cluster: Cluster) -> int:
    state = json.loads((cluster.data_dir / "run" / "state.json").read_text())
    return int(next(each["pid"] for each in state["components"] if each["name"] == "apiserver"))


@pytest.mark.timeout(120)
def test_informers_of_client_go_come_through_kills_of_the_api_server(broken: Cluster) -> None:
    command = [str(client_go()), "-kubeconfig", str(broken.kubeconfig), "informers", "through-kills", "5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line) == {"step": "churning"}:
                break
        for _ in range(2):
            victim = api_server(broken)
            os.kill(victim, signal.SIGKILL)
            wait = f"until kctl get --raw /readyz && ! kill -0 {victim}; do sleep 0.1; done >/dev/null 2>&1"
            broken.run("bash", "-c", wait, timeout_s=30).checked()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    told = [json.loads(line) for line in out.splitlines()]
    assert [each for each in told if "error" in each] == [], err
    assert len(told) == 5  # the churn, and four informers that agree

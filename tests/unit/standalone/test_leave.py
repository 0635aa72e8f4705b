"""What a machine that leaves takes down is its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from standalone.config import ClusterConfig, ConfigError
from standalone.join import joined_nodes
from standalone.layout import Layout
from standalone.leave import is_of_node, leave
from standalone.node_credentials import issue, store
from standalone.pki import ensure_pki, utc_now
from standalone.up import UpRequest, up


@pytest.mark.parametrize(
    ("address", "expected"), [("10.244.2.1", True), ("10.244.3.1", False), ("172.17.0.1", False)]
)
def test_bridge_of_another_program_is_not_taken_for_the_nodes(address: str, expected: bool) -> None:
    told = json.dumps([{"ifname": "cni0", "addr_info": [{"local": address, "prefixlen": 32}]}])
    assert is_of_node(told, "10.244.2.0/24") is expected


def test_bridge_that_is_not_there_is_not_the_nodes() -> None:
    assert not is_of_node("", "10.244.2.0/24")


def test_machine_that_got_its_credentials_and_came_no_further_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KCTL_HOME", str(tmp_path))
    cluster, joined = Layout(tmp_path / "lab"), Layout(tmp_path / "joined" / "worker-1")
    for layout in (cluster, joined):
        layout.make()
    config = ClusterConfig("lab", "native", "sqlite", 1, 0, advertise="127.0.0.1")  # where nothing listens
    ensure_pki(cluster.pki, [], utc_now())
    store(joined, json.dumps(issue(cluster, config, "worker-1", "192.0.2.7")).encode())
    assert joined_nodes() == ["worker-1"]
    result = leave(joined, delete=True, on_stage=lambda what: None)
    assert "127.0.0.1:1" in result.still_known and result.node == "worker-1" and not result.remains
    assert not joined.root.exists() and joined_nodes() == []
    with pytest.raises(ConfigError, match="no node of this machine"):
        leave(joined, delete=True, on_stage=lambda what: None)


def test_cluster_may_not_have_the_place_of_joined_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KCTL_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="choose another name"):
        up(UpRequest("joined", fake_runtime=True), lambda what, took: None)

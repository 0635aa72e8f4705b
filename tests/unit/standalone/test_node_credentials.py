"""Credentials that one machine makes and another joins with."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from standalone.config import ClusterConfig, ConfigError
from standalone.layout import Layout
from standalone.node_credentials import issue, node_of, store, stored
from standalone.pki import ensure_pki, utc_now


@pytest.fixture
def control(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "control")
    layout.make()
    ensure_pki(layout.pki, [], utc_now())
    return layout


def cluster(advertise: str = "10.77.0.1") -> ClusterConfig:
    return ClusterConfig("lab", "native", "sqlite", 6443, 1, advertise=advertise)


def test_what_one_machine_issues_another_stores_and_reads(control: Layout, tmp_path: Path) -> None:
    text = json.dumps(issue(control, cluster(), "worker", "10.77.0.2")).encode()
    machine = Layout(tmp_path / "machine")
    machine.make()
    store(machine, text)
    found = stored(machine, utc_now())
    assert (found.node, found.address) == ("worker", "10.77.0.2")
    assert (found.client.server, found.cluster_cidr) == ("https://10.77.0.1:6443", "10.243.0.0/16")
    assert found.client.ssl_context() is not None
    assert (machine.pki / "node.crt").read_bytes() == found.client.cert_data
    assert (machine.pki / "node.key").stat().st_mode & 0o77 == 0


def test_key_stays_nowhere_where_it_was_issued(control: Layout) -> None:
    issue(control, cluster(), "worker", "10.77.0.2")
    assert not [path.name for path in control.pki.iterdir() if "worker" in path.name]


@pytest.mark.parametrize("address", ["worker.example", "127.0.0.1", "0.0.0.0", "fd00::1"])
def test_address_that_others_cannot_use_is_refused(control: Layout, address: str) -> None:
    with pytest.raises(ConfigError):
        issue(control, cluster(), "worker", address)


def test_cluster_that_no_machine_can_reach_issues_nothing(control: Layout) -> None:
    with pytest.raises(ConfigError, match="--advertise-address"):
        issue(control, cluster(advertise=""), "worker", "10.77.0.2")


def test_expired_credentials_are_named(control: Layout, tmp_path: Path) -> None:
    path = tmp_path / "node.kubeconfig"
    path.write_text(json.dumps(issue(control, cluster(), "worker", "10.77.0.2")))
    assert node_of(path, utc_now()) == "worker"
    with pytest.raises(ConfigError, match="expired on"):
        node_of(path, utc_now() + timedelta(days=400))


def test_machine_without_credentials_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--token or --kubeconfig"):
        stored(Layout(tmp_path), utc_now())

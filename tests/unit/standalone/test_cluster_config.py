"""A cluster's description: planned, written, read back, and refused when it is broken."""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
from pathlib import Path

import pytest

from standalone import config as cluster_config
from standalone.config import ClusterConfig, ConfigError
from standalone.layout import Layout
from standalone.programs import plan_programs


def make(**changes: object) -> ClusterConfig:
    fields = {"name": "lab", "runtime": "native", "store": "sqlite", "api_port": 6443, "network_index": 0}
    return ClusterConfig(**{**fields, **changes})


def test_saved_cluster_is_read_back_equal(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    config = cluster_config.with_nodes(make(), 3)
    cluster_config.save(layout, config)
    assert cluster_config.load(layout) == config


def test_missing_file_is_a_new_cluster(tmp_path: Path) -> None:
    assert cluster_config.load(Layout(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"nodes": [{}]}'])
def test_broken_file_is_named_not_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.json").write_text(text)
    with pytest.raises(ConfigError, match=r"cluster\.json cannot be read.*kctl down --delete"):
        cluster_config.load(Layout(tmp_path))


def test_more_nodes_keep_the_old_ones_as_they_are() -> None:
    two = cluster_config.with_nodes(make(), 2)
    three = cluster_config.with_nodes(two, 3)
    assert three.nodes[:2] == two.nodes
    assert len({node.ip for node in three.nodes}) == 3
    assert len({node.pod_cidr for node in three.nodes}) == 3


def test_nodes_and_pods_lie_inside_the_clusters_networks() -> None:
    config = cluster_config.with_nodes(make(network_index=3), 5)
    for node in config.nodes:
        assert ipaddress.ip_address(node.ip) in config.node_network
        assert ipaddress.ip_network(node.pod_cidr).subnet_of(config.pod_network)


def test_fake_nodes_share_loopback_with_ports_of_their_own() -> None:
    config = cluster_config.with_nodes(make(runtime="fake"), 3)
    assert {node.ip for node in config.nodes} == {"127.0.0.1"}
    assert len({node.kubelet_port for node in config.nodes}) == 3


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "x" * 33, "../etc"])
def test_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a cluster name"):
        cluster_config.check_name(name)


def test_network_index_avoids_other_clusters_and_routes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    cluster_config.save(Layout(tmp_path / "a"), make(network_index=0))
    assert cluster_config.free_network_index(tmp_path, ["10.98.0.0/16"]) == 2


def test_cluster_gets_no_network_in_which_services_have_their_addresses(tmp_path: Path) -> None:
    taken = ["10.99.0.0/24", "10.98.0.0/24", "10.97.0.0/24"]
    index = cluster_config.free_network_index(tmp_path, taken)
    assert not make(network_index=index).node_network.overlaps(
        ipaddress.IPv4Network(cluster_config.SERVICE_CIDR)
    )


def test_taken_port_is_not_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cluster_config.free_port(port) != port


def test_link_names_fit_the_kernels_limit() -> None:
    from standalone.topology import veth_name

    config = cluster_config.with_nodes(make(name="x" * 32), 100)
    assert len(config.bridge) <= 15
    names = [veth_name(config, node) for node in config.nodes]
    assert all(len(name) <= 15 for name in names)
    assert len(set(names)) == 100


def test_flags_of_the_api_server_are_remembered_and_come_last(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    cluster_config.save(layout, make(apiserver_args=("audit-policy-file=/a", "--v=2")))
    config = cluster_config.load(layout)
    assert config is not None and config.apiserver_args == ("audit-policy-file=/a", "--v=2")
    (server,) = [each for each in plan_programs(layout, config) if each.name == "apiserver"]
    assert server.argv[-2:] == ("--audit-policy-file=/a", "--v=2")


@pytest.mark.parametrize(("advertise", "expected"), [("", "127.0.0.1"), ("192.0.2.1", "192.0.2.1")])
def test_cluster_that_no_machine_can_join_is_not_known_by_its_nodes_bridge(
    tmp_path: Path, advertise: str, expected: str
) -> None:
    programs = plan_programs(Layout(tmp_path), make(advertise=advertise))
    (controllers,) = [each for each in programs if each.name == "controllers"]
    (public,) = [word for word in controllers.argv if word.startswith("--public-api-server=")]
    assert public.startswith(f"--public-api-server=https://{expected}:")


def test_without_controllers_and_schedulers_nothing_of_them_is_started(tmp_path: Path) -> None:
    names = [program.name for program in plan_programs(Layout(tmp_path), make(controllers=0, schedulers=0))]
    assert "apiserver" in names
    assert not [name for name in names if name.startswith(("controllers", "scheduler"))]


def test_every_node_answers_dns_unless_that_is_left_to_somebody_else(tmp_path: Path) -> None:
    def flags(config: ClusterConfig) -> tuple[list[str], list[str]]:
        argv = {each.name: each.argv for each in plan_programs(Layout(tmp_path), config)}
        network = [word for word in argv.get("network", ()) if word.startswith("--dns=")]
        return network, [word for word in argv["apiserver"] if word.startswith("--cluster-dns=")]

    two = cluster_config.with_nodes(make(), 2)
    assert flags(two) == (
        ["--dns=node-1=10.99.0.11", "--dns=node-2=10.99.0.12"],
        ["--cluster-dns=10.96.0.10"],
    )
    assert flags(dataclasses.replace(two, dns=False)) == ([], [])
    assert flags(cluster_config.with_nodes(make(runtime="fake"), 1)) == ([], [])

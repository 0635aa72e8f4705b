"""The network that a cluster asks of the kernel, as plans."""

from __future__ import annotations

from standalone.config import ClusterConfig, with_nodes
from standalone.topology import plan_bridge, plan_firewall, plan_node

CONFIG = with_nodes(ClusterConfig("lab", "native", "sqlite", 6443, 0), 3)


def test_bridge_carries_the_gateway() -> None:
    assert plan_bridge(CONFIG)[1] == f"addr add 10.99.0.1/24 dev {CONFIG.bridge}"


def test_node_reaches_every_other_nodes_pods_and_the_world() -> None:
    plan = plan_node(CONFIG, CONFIG.nodes[0])
    assert plan.netns == "kctl-lab-node-1"
    assert "route add default via 10.99.0.1" in plan.inside
    assert plan.inside[-2:] == (
        "route replace 10.244.2.0/24 via 10.99.0.12",
        "route replace 10.244.3.0/24 via 10.99.0.13",
    )


def test_host_reaches_the_nodes_pods() -> None:
    plan = plan_node(CONFIG, CONFIG.nodes[1])
    assert plan.host[-1] == f"route replace 10.244.2.0/24 via 10.99.0.12 dev {CONFIG.bridge}"


def test_only_what_leaves_the_cluster_is_masqueraded() -> None:
    rules = plan_firewall(CONFIG)
    assert "ip saddr { 10.99.0.0/24, 10.244.0.0/16 } ip daddr != { 10.99.0.0/24, 10.244.0.0/16 }" in rules

"""Routes to other machines' pods: which are wanted, what changes make them so, and that nobody else's are touched."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

from network.routes import internal_ip, parse_networks, parse_routes, plan_changes, plan_routes

Obj = dict[str, Any]
HOME = [IPv4Network("10.77.0.0/24")]


def node(name: str, address: str, cidr: str = "") -> Obj:
    return {
        "metadata": {"name": name},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]} if cidr else {},
        "status": {
            "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]
        },
    }


def test_each_other_node_with_a_range_is_reached_by_its_own_address() -> None:
    nodes = [
        node("b", "10.77.0.2", "10.244.2.0/24"),
        node("a", "10.77.0.1", "10.244.1.0/24"),
        node("new", "10.77.0.3"),
    ]
    plan = plan_routes(nodes, "a", HOME)
    assert (plan.wanted, plan.unreachable) == ({"10.244.2.0/24": "10.77.0.2"}, {})


def test_node_behind_a_router_is_named_instead_of_routed() -> None:
    plan = plan_routes([node("far", "192.168.5.9", "10.244.9.0/24")], "a", HOME)
    assert plan.wanted == {}
    assert "192.168.5.9 is in none of this machine's networks" in plan.unreachable["far"]


def test_node_without_an_address_is_named() -> None:
    silent = {"metadata": {"name": "silent"}, "spec": {"podCIDR": "10.244.9.0/24"}}
    assert plan_routes([silent], "a", HOME).unreachable == {"silent": "it has no IPv4 InternalIP"}


def test_only_the_ipv4_range_of_a_node_with_two_is_routed() -> None:
    both = node("b", "10.77.0.2", "10.244.2.0/24")
    both["spec"]["podCIDRs"].append("fd00::/64")
    assert plan_routes([both], "a", HOME).wanted == {"10.244.2.0/24": "10.77.0.2"}


def test_first_ipv4_internal_address_counts() -> None:
    several = node("b", "fd00::2")
    several["status"]["addresses"].append({"type": "InternalIP", "address": "10.77.0.2"})
    assert internal_ip(several) == "10.77.0.2"


def test_changes_remove_what_is_not_wanted_and_leave_what_is_right() -> None:
    present = {"10.244.2.0/24": "10.77.0.2", "10.244.3.0/24": "10.77.0.3", "10.244.4.0/24": "10.77.0.4"}
    wanted = {"10.244.2.0/24": "10.77.0.2", "10.244.3.0/24": "10.77.0.30", "10.244.5.0/24": "10.77.0.5"}
    assert plan_changes(wanted, present) == [
        "route del 10.244.4.0/24 proto 76",
        "route replace 10.244.3.0/24 via 10.77.0.30 proto 76",
        "route replace 10.244.5.0/24 via 10.77.0.5 proto 76",
    ]


def test_networks_are_those_of_links_that_lead_to_neighbours() -> None:
    links = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
        {"ifname": "eth0", "addr_info": [{"local": "10.77.0.1", "prefixlen": 24}]},
        {"ifname": "cni0", "addr_info": [{"local": "10.244.1.1", "prefixlen": 32}]},
    ]
    assert parse_networks(json.dumps(links)) == HOME
    assert parse_networks("") == []


def test_routes_are_read_back_as_ip_prints_them() -> None:
    printed = '[{"dst":"10.244.2.0/24","gateway":"10.77.0.2","dev":"eth0","flags":[]}]'
    assert parse_routes(printed) == {"10.244.2.0/24": "10.77.0.2"}
    assert parse_routes("") == {}

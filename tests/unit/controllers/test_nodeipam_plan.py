"""Which range of pod addresses a node gets."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from controllers.nodeipam import node_ipam, plan_range, ranges_of

CLUSTER = IPv4Network("10.244.0.0/22")


def test_lowest_free_range_is_given_and_a_freed_one_again() -> None:
    assert plan_range(CLUSTER, []) == "10.244.1.0/24"
    assert plan_range(CLUSTER, ["10.244.1.0/24", "10.244.3.0/24"]) == "10.244.2.0/24"


def test_range_of_another_size_is_not_overlapped() -> None:
    assert plan_range(CLUSTER, ["10.244.1.128/25", "10.244.2.0/28"]) == "10.244.3.0/24"


def test_none_is_left_when_all_are_given() -> None:
    assert plan_range(CLUSTER, ["10.244.0.0/22"]) is None


def test_range_is_read_from_either_field() -> None:
    assert ranges_of({"spec": {"podCIDR": "10.1.0.0/24"}}) == ["10.1.0.0/24"]
    assert ranges_of({"spec": {"podCIDRs": ["10.1.0.0/24", "fd00::/64"]}}) == ["10.1.0.0/24", "fd00::/64"]
    assert ranges_of({}) == []


def test_cluster_smaller_than_a_nodes_range_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be shared out"):
        node_ipam("10.244.0.0/24")

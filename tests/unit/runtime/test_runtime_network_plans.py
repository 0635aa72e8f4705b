"""Addresses, firewall text, pod files: the pure parts of a pod's network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cri import DnsConfig, Namespaces, PortMapping, RuntimeFailure, SandboxConfig
from runtime.network.firewall import Firewall, plan_ruleset
from runtime.network.ipam import AddressesExhausted, AddressPool
from runtime.service.pod_files import plan_pod_files


def test_freed_address_is_the_last_to_be_given_again() -> None:
    pool = AddressPool("10.1.0.0/29")
    given = [pool.allocate(name) for name in "abcde"]
    assert given == [f"10.1.0.{n}" for n in range(2, 7)]
    assert pool.allocate("a") == "10.1.0.2"
    with pytest.raises(AddressesExhausted):
        pool.allocate("f")
    pool.release("b")
    pool.release("b")
    pool.release("d")
    assert [pool.allocate(name) for name in "fg"] == ["10.1.0.3", "10.1.0.5"]


@pytest.mark.parametrize("cidr", ["10.0.0.0/31", "fd00::/64", "nonsense"])
def test_unusable_range_is_refused(cidr: str) -> None:
    with pytest.raises(ValueError):
        AddressPool(cidr)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_no_address_ever_has_two_owners(steps: list[tuple[bool, int]]) -> None:
    pool = AddressPool("10.1.0.0/28")
    for take, owner in steps:
        if take:
            pool.allocate(str(owner))
        else:
            pool.release(str(owner))
        held = pool.snapshot()
        assert len(set(held.values())) == len(held)
        assert pool.gateway not in held.values()
        again = AddressPool("10.1.0.0/28")
        for name, address in held.items():
            again.restore(name, address)
        assert again.snapshot() == held


def test_host_ports_become_translations() -> None:
    pods = {
        "b": ("10.1.0.3", (PortMapping("UDP", 53, 5353, "127.0.0.1"),)),
        "a": ("10.1.0.2", (PortMapping("TCP", 80, 8080), PortMapping("TCP", 81, 0))),
    }
    text = plan_ruleset("10.1.0.0/24", "10.1.0.0/16", pods)
    assert "tcp dport 8080 dnat to 10.1.0.2:80" in text
    assert "ip daddr 127.0.0.1 udp dport 5353 dnat to 10.1.0.3:53" in text
    assert ":81" not in text
    assert "ip daddr != { 10.1.0.0/16, 224.0.0.0/4 } masquerade" in text
    assert text == plan_ruleset("10.1.0.0/24", "10.1.0.0/16", dict(reversed(pods.items())))


def test_pods_outside_the_cluster_range_still_see_each_others_addresses() -> None:
    text = plan_ruleset("10.88.0.0/24", "10.244.0.0/16", {})
    assert "ip daddr != { 10.88.0.0/24, 10.244.0.0/16, 224.0.0.0/4 } masquerade" in text


def test_host_port_has_one_owner() -> None:
    firewall = Firewall("10.244.0.0/16")
    firewall.add_pod("a", "10.1.0.2", (PortMapping("TCP", 80, 8080),))
    firewall.add_pod("b", "10.1.0.3", (PortMapping("UDP", 80, 8080),))
    with pytest.raises(RuntimeFailure, match="8080/TCP"):
        firewall.add_pod("c", "10.1.0.4", (PortMapping("TCP", 80, 8080, "0.0.0.0"),))
    firewall.remove_pod("a")
    firewall.add_pod("c", "10.1.0.4", (PortMapping("TCP", 80, 8080),))


def sandbox(**changes: object) -> SandboxConfig:
    return SandboxConfig("p", "default", "u", 0, "web-0", "/logs", **changes)


def test_pod_files_fall_back_to_the_nodes_own() -> None:
    files = plan_pod_files(sandbox(), "10.1.0.2", "nameserver 9.9.9.9\n", "host file\n")
    assert files["resolv.conf"] == "nameserver 9.9.9.9\n"
    assert files["hostname"] == "web-0\n"
    assert files["hosts"].endswith("10.1.0.2\tweb-0\n")
    shared = plan_pod_files(
        sandbox(namespaces=Namespaces(host_network=True), dns=DnsConfig(("1.1.1.1",))), "", "x", "host file\n"
    )
    assert shared["hosts"] == "host file\n"
    assert shared["resolv.conf"] == "nameserver 1.1.1.1\n"

"""What a machine that leaves takes down is its own."""

from __future__ import annotations

import json

import pytest

from standalone.leave import is_of_node


@pytest.mark.parametrize(
    ("address", "expected"), [("10.244.2.1", True), ("10.244.3.1", False), ("172.17.0.1", False)]
)
def test_bridge_of_another_program_is_not_taken_for_the_nodes(address: str, expected: bool) -> None:
    told = json.dumps([{"ifname": "cni0", "addr_info": [{"local": address, "prefixlen": 32}]}])
    assert is_of_node(told, "10.244.2.0/24") is expected


def test_bridge_that_is_not_there_is_not_the_nodes() -> None:
    assert not is_of_node("", "10.244.2.0/24")

"""Which remembered flows of datagrams lead to nobody who serves any more."""

from __future__ import annotations

import struct

from network.proxy.conntrack import Flow, concerns, parse_flow, plan_stale
from network.proxy.plan import Endpoint, Forward

OLD, NEW = Endpoint("10.1.0.2", 8053), Endpoint("10.1.0.3", 8053)
SERVICE, NODE = Endpoint("10.96.0.9", 53), Endpoint("10.99.0.11", 30053)


def forward(*ends: Endpoint, address: str = SERVICE.ip, port: int = 53, protocol: str = "udp") -> Forward:
    return Forward(address, protocol, port, ends)


def stale(flows: list[Flow], before: list[Forward], now: list[Forward]) -> list[Flow]:
    return plan_stale(flows, before, now, lambda address: address == NODE.ip)


def flow(to: Endpoint, answered_by: Endpoint) -> Flow:
    return Flow(to, answered_by, b"")


def test_flow_to_an_endpoint_that_is_gone_is_stale() -> None:
    flows = [flow(SERVICE, OLD), flow(SERVICE, NEW)]
    assert stale(flows, [forward(OLD, NEW)], [forward(NEW)]) == flows[:1]


def test_flow_from_before_there_was_an_endpoint_is_stale() -> None:
    flows = [flow(SERVICE, SERVICE)]
    assert stale(flows, [], [forward(NEW)]) == flows


def test_flows_of_a_service_that_is_gone_are_stale() -> None:
    flows = [flow(SERVICE, OLD)]
    assert stale(flows, [forward(OLD)], []) == flows


def test_flows_to_a_port_of_this_node_are_stale_and_those_passing_to_another_are_not() -> None:
    ports = [forward(NEW, address="", port=30053)]
    other = Endpoint("10.99.0.12", 30053)
    led, from_before, good, passing = flow(NODE, OLD), flow(NODE, NODE), flow(NODE, NEW), flow(other, other)
    assert stale([led, from_before, good, passing], [], ports) == [led, from_before]


def test_flows_of_others_are_left_alone() -> None:
    elsewhere = flow(Endpoint("192.0.2.1", 53), Endpoint("192.0.2.1", 53))
    assert stale([elsewhere], [forward(OLD)], [forward(NEW)]) == []
    assert stale([flow(SERVICE, OLD)], [forward(OLD, protocol="tcp")], []) == []


def test_only_changes_of_datagrams_concern_flows() -> None:
    assert concerns([forward(OLD)], [forward(NEW)])
    assert not concerns([forward(OLD, protocol="tcp")], [forward(NEW, protocol="tcp")])


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def ends(source: bytes, to: bytes, protocol: int) -> bytes:
    addresses = attribute(0x8001, attribute(1, source[:4]) + attribute(2, to[:4]))
    ports = attribute(1, bytes([protocol])) + attribute(2, source[4:]) + attribute(3, to[4:])
    return addresses + attribute(0x8002, ports)


def test_flow_is_read_as_the_kernel_writes_it() -> None:
    client, service, end = (
        b"\x0a\x01\x00\x09\x10\x00",
        b"\x0a\x60\x00\x09\x00\x35",
        b"\x0a\x01\x00\x02\x1f\x75",
    )
    key = ends(client, service, 17)
    message = attribute(0x8001, key) + attribute(0x8002, ends(end, client, 17)) + attribute(3, b"\0" * 4)
    assert parse_flow(message) == Flow(SERVICE, OLD, key)
    tcp = attribute(0x8001, ends(client, service, 6)) + attribute(0x8002, ends(end, client, 6))
    assert parse_flow(tcp) is None
    for length in range(len(message)):
        parse_flow(message[:length])

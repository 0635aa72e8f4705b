"""The ruleset in the real kernel: connections through a Service's address reach its endpoints."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.namespaces import run_within
from network.proxy.conntrack import forget, is_local
from network.proxy.nft import apply, render
from network.proxy.plan import Endpoint, Forward

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft"),
]

_DEAD = ("10.96.0.11", "10.96.0.12", "192.0.2.9")
_TALK = """
import socket, sys, threading
ends = [("127.0.0.2", 8080), ("127.0.0.3", 8080)]
for ip, port in ends:
    listener = socket.create_server((ip, port))
    def serve(listener=listener, ip=ip):
        while True:
            peer, _ = listener.accept(); peer.sendall(ip.encode()); peer.close()
    threading.Thread(target=serve, daemon=True).start()
seen = set()
for _ in range(64):
    with socket.create_connection(("10.96.0.9", 80), 2) as c: seen.add(c.recv(64).decode())
sticky = set()
for _ in range(16):
    with socket.create_connection(("10.96.0.10", 80), 2) as c: sticky.add(c.recv(64).decode())
def tried(address):
    try:
        socket.create_connection((address, 80), 2); return "connected"
    except ConnectionRefusedError:
        return "refused"
print(",".join(sorted(seen)), len(sticky), *map(tried, sys.argv[1:]))
"""


@pytest.fixture
def netns() -> Iterator[Path]:
    name = f"kctl-test-proxy-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        lines = "link set lo up\nroute add 10.96.0.0/16 dev lo src 127.0.0.1\nroute add 192.0.2.0/24 dev lo src 127.0.0.1\n"
        subprocess.run(["ip", "-n", name, "-batch", "-"], input=lines, text=True, check=True)
        yield Path("/run/netns") / name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_connections_spread_stick_and_are_refused(netns: Path) -> None:
    # 10.96.0.11 has no endpoint, 10.96.0.12 no Service, 192.0.2.9 is a load balancer's without endpoint
    ends = (Endpoint("127.0.0.2", 8080), Endpoint("127.0.0.3", 8080))
    rules = render(
        [
            Forward("10.96.0.9", "tcp", 80, ends, owner="ns/web"),
            Forward("10.96.0.10", "tcp", 80, ends, sticky_s=600, owner="ns/sticky"),
            Forward("10.96.0.11", "tcp", 80, ()),
            Forward("192.0.2.9", "tcp", 80, ()),
        ],
        service_network="10.96.0.0/16",
    )
    asyncio.run(apply(rules, netns))
    asyncio.run(apply(rules, netns))  # twice: the whole table is replaced
    talk = subprocess.run(
        ["ip", "netns", "exec", netns.name, "python3", "-c", textwrap.dedent(_TALK), *_DEAD],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert talk.stdout.split() == ["127.0.0.2,127.0.0.3", "1", *["refused"] * 3]


_STICK = """
import socket, sys, threading
for ip in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
    listener = socket.create_server((ip, 8080))
    def serve(listener=listener, ip=ip):
        while True:
            peer, _ = listener.accept(); peer.sendall(ip.encode()); peer.close()
    threading.Thread(target=serve, daemon=True).start()
for _ in sys.stdin:
    seen = set()
    for _ in range(24):
        with socket.create_connection(("10.96.0.10", 80), 2) as c: seen.add(c.recv(64).decode())
    print(",".join(sorted(seen)), flush=True)
"""


def _sticky(*ips: str, seconds: int = 600) -> list[Forward]:
    ends = tuple(Endpoint(ip, 8080) for ip in ips)
    return [Forward("10.96.0.10", "tcp", 80, ends, sticky_s=seconds, owner="ns/sticky")]


def test_client_keeps_its_endpoint_while_others_come_and_go(netns: Path) -> None:
    def applied(now: list[Forward], before: list[Forward] | None) -> None:
        asyncio.run(apply(render(now, before), netns))

    def listed() -> str:
        shown = ["ip", "netns", "exec", netns.name, "nft", "list", "table", "ip", "kctl-services"]
        return subprocess.run(shown, capture_output=True, text=True, check=True).stdout

    command = ["ip", "netns", "exec", netns.name, "python3", "-c", textwrap.dedent(_STICK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin and client.stdout

        def used() -> str:  # by a client that asks again and again
            client.stdin.write("\n")
            client.stdin.flush()
            return client.stdout.readline().strip()

        two, three = _sticky("127.0.0.2", "127.0.0.3"), _sticky("127.0.0.2", "127.0.0.3", "127.0.0.4")
        applied(two, None)
        had = used()
        assert had in ("127.0.0.2", "127.0.0.3")
        applied(three, two)
        assert used() == had and "expires" in listed()
        without = _sticky(*({"127.0.0.2", "127.0.0.3", "127.0.0.4"} - {had}))
        applied(without, three)
        other = used()
        assert other != had and "," not in other
        applied(three, without)
        assert used() == other
        applied([], three)
        assert "chain svc-" not in listed() and "set had-" not in listed()
        client.stdin.close()


def test_rules_of_a_state_are_the_same_by_whatever_way_it_was_reached(netns: Path) -> None:
    def listed() -> list[str]:
        shown = ["ip", "netns", "exec", netns.name, "nft", "-s", "list", "table", "ip", "kctl-services"]
        return sorted(subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split("\n"))

    plain = [Forward("10.96.0.9", "tcp", 80, (Endpoint("127.0.0.2", 80),), owner="ns/web")]
    dead = [Forward("", "udp", 30053, (), owner="ns/dead")]
    states: list[list[Forward]] = [
        plain,
        [*plain, *_sticky("127.0.0.2", "127.0.0.3")],
        [*dead, *_sticky("127.0.0.3")],
        [*dead, *_sticky("127.0.0.3", seconds=5), *plain],
        [],
        [*plain, *dead],
    ]
    before: list[Forward] | None = None
    reached = []
    for state in states:
        asyncio.run(apply(render(state, before), netns))
        reached.append(listed())
        before = state
    for state, found in zip(states, reached, strict=True):
        asyncio.run(apply(render(state), netns))
        assert listed() == found


_SEND = """
import socket, sys, threading
for ip in ("127.0.0.2", "127.0.0.3"):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind((ip, 8053))
    def serve(server=server, ip=ip):
        while True:
            server.sendto(ip.encode(), server.recvfrom(64)[1])
    threading.Thread(target=serve, daemon=True).start()
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); client.settimeout(2); client.bind(("127.0.0.1", 4000))
for _ in sys.stdin:
    client.sendto(b"?", ("10.96.0.9", 53))
    print(client.recv(64).decode(), flush=True)
"""


def test_datagrams_from_the_same_port_reach_an_endpoint_that_is_there(netns: Path) -> None:
    def to(ip: str) -> list[Forward]:
        return [Forward("10.96.0.9", "udp", 53, (Endpoint(ip, 8053),), owner="ns/dns")]

    command = ["ip", "netns", "exec", netns.name, "python3", "-c", textwrap.dedent(_SEND)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin and client.stdout

        def answered_by() -> str:
            client.stdin.write("\n")
            client.stdin.flush()
            return client.stdout.readline().strip()

        first, second = to("127.0.0.2"), to("127.0.0.3")
        asyncio.run(apply(render(first), netns))
        assert answered_by() == "127.0.0.2"
        asyncio.run(apply(render(second, first), netns))
        assert answered_by() == "127.0.0.2"  # the kernel remembers
        assert asyncio.run(forget(first, second, netns)) == 1
        assert answered_by() == "127.0.0.3"
        assert asyncio.run(forget(first, second, netns)) == 0
        client.stdin.close()


def test_addresses_are_local_in_their_own_namespace_alone(netns: Path) -> None:
    subprocess.run(["ip", "-n", netns.name, "addr", "add", "10.254.78.1/32", "dev", "lo"], check=True)
    assert run_within(netns, lambda: (is_local("10.254.78.1"), is_local("10.254.78.2"))) == (True, False)
    assert not is_local("10.254.78.1")

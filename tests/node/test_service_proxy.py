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

from network.proxy.nft import apply, render
from network.proxy.plan import Endpoint, Forward

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft"),
]

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
try:
    socket.create_connection(("10.96.0.11", 80), 2); dead = "connected"
except ConnectionRefusedError:
    dead = "refused"
print(",".join(sorted(seen)), len(sticky), dead)
"""


@pytest.fixture
def netns() -> Iterator[Path]:
    name = f"kctl-test-proxy-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        lines = "link set lo up\nroute add 10.96.0.0/16 dev lo src 127.0.0.1\n"
        subprocess.run(["ip", "-n", name, "-batch", "-"], input=lines, text=True, check=True)
        yield Path("/run/netns") / name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_connections_spread_stick_and_are_refused(netns: Path) -> None:
    ends = (Endpoint("127.0.0.2", 8080), Endpoint("127.0.0.3", 8080))
    rules = render(
        [
            Forward("10.96.0.9", "tcp", 80, ends, comment="ns/web"),
            Forward("10.96.0.10", "tcp", 80, ends, sticky=True),
            Forward("10.96.0.11", "tcp", 80, ()),
        ]
    )
    asyncio.run(apply(rules, netns))
    asyncio.run(apply(rules, netns))  # twice: the whole table is replaced
    talk = subprocess.run(
        ["ip", "netns", "exec", netns.name, "python3", "-c", textwrap.dedent(_TALK)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert talk.stdout.split() == ["127.0.0.2,127.0.0.3", "1", "refused"]

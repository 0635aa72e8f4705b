"""The DNS behind its Service's address in a node's own network namespace: rules, sockets and resolvers as they are."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from dns_upstream import Upstream
from dns_world import HandFed
from service_objects import endpoint, service, slice_of

from machinery.clock import SystemClock
from machinery.gvk import ENDPOINTSLICES, SERVICES
from network.component import ServiceProxy
from network.dns.component import ClusterDns, Place, Settings

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft"),
]
NODE = "10.254.77.1"
PORTS = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
_ASK = """
import sys
import dns.message, dns.query
for tcp in (False, True):
    for word in sys.argv[1:]:
        name, kind = word.split("/")
        ask = dns.query.tcp if tcp else dns.query.udp
        answer = ask(dns.message.make_query(name, kind), "10.96.0.10", timeout=10)
        print(word, *sorted(data.to_text() for rrset in answer.answer for data in rrset))
"""


@pytest.fixture
def netns() -> Iterator[Path]:
    name = f"kctl-test-dns-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        lines = f"link set lo up\naddr add {NODE}/32 dev lo\nroute add 10.96.0.0/16 dev lo src {NODE}\n"
        subprocess.run(["ip", "-n", name, "-batch", "-"], input=lines, text=True, check=True)
        yield Path("/run/netns") / name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_services_peers_aliases_and_the_world_are_resolved_at_the_services_address(
    netns: Path, tmp_path: Path
) -> None:
    fed = HandFed()
    fed.put(
        SERVICES,
        service("kubernetes", "default", clusterIP="10.96.0.1", ports=[{"name": "https", "port": 443}]),
        service("kube-dns", "kube-system", clusterIP="10.96.0.10", ports=PORTS),
        service("db", clusterIP="None"),
        service("out", type="ExternalName", externalName="www.example.com"),
    )
    fed.put(ENDPOINTSLICES, slice_of(endpoint("10.1.0.2", "db-0"), endpoint("10.1.0.3", "db-1"), name="db"))
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    wanted = {
        "kubernetes.default.svc.cluster.local/A": "10.96.0.1",
        "db-1.db.ns.svc.cluster.local/A": "10.1.0.3",
        "_http._tcp.db.ns.svc.cluster.local/SRV": "0 50 8080 db-0.db.ns.svc.cluster.local. "
        "0 50 8080 db-1.db.ns.svc.cluster.local.",
        "out.ns.svc.cluster.local/A": "192.0.2.80 www.example.com.",
        "www.example.com/A": "192.0.2.80",
    }

    async def main() -> str:
        async with Upstream({("www.example.com.", "A"): ["192.0.2.80"]}).running() as upstream:
            settings = Settings(
                {"node": Place(NODE, netns)},
                (IPv4Network("10.244.0.0/16"),),
                resolv_conf=tmp_path / "resolv.conf",
                resolvers_port=upstream.port,
            )
            dns = ClusterDns(fed, SystemClock(), random.Random(1), settings)
            proxy = ServiceProxy(fed, SystemClock(), {"node": netns}, offer=dns.offer)
            assert dns.open() and await proxy.sync_once()
            task = asyncio.ensure_future(dns.run())
            try:
                process = await asyncio.create_subprocess_exec(
                    *(
                        "ip",
                        "netns",
                        "exec",
                        netns.name,
                        sys.executable,
                        "-c",
                        textwrap.dedent(_ASK),
                        *wanted,
                    ),
                    stdout=asyncio.subprocess.PIPE,
                )
                output, _ = await process.communicate()
                return output.decode()
            finally:
                task.cancel()
                await asyncio.wait([task])

    told = dict(line.split(" ", 1) for line in asyncio.run(main()).splitlines())
    assert told == wanted
    assert not []  # not here


def test_sockets_of_one_port_that_is_taken_are_had_at_another(netns: Path) -> None:
    from network.dns.sockets import open_sockets

    first = open_sockets(NODE, netns)
    second = open_sockets(NODE, netns)
    try:
        assert first.ports == (10053, 10053)
        assert set(second.ports).isdisjoint({10053, 0})
    finally:
        first.close()
        second.close()


def test_namespace_that_is_not_there_is_an_error() -> None:
    from network.dns.sockets import open_sockets

    with pytest.raises(FileNotFoundError):
        open_sockets(NODE, Path("/run/netns/kctl-test-there-is-none"))

"""Pods on a real bridge: each other, the node, host ports, port-forward, host network."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime_worlds import NEEDS_ROOT, World, run_native

from runtime.cri import DnsConfig, Namespaces, PortMapping, RuntimeFailure, Sandbox

pytestmark = [pytest.mark.node, NEEDS_ROOT]
Run = Callable[[Any], None]
needs_nft = pytest.mark.skipif(shutil.which("nft") is None, reason="needs the nft command (nftables)")
SERVE = ("sh", "-c", 'while true; do echo "from $(hostname)" | nc -l -p 8080; done')


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda body: run_native(body, tmp_path)


async def ask(host: str, port: int, attempts: int = 100) -> bytes:
    """What a TCP server says, from the node's own network."""
    for _ in range(attempts):
        try:
            reader, writer = await asyncio.open_connection(host, port)
            data = await reader.read(100)
            writer.close()
            if data:
                return data
        except OSError:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody answers at {host}:{port}")


async def ask_from(world: World, container: str, address: str, port: int = 8080) -> bytes:
    for _ in range(50):
        result = await world.runtime.exec_sync(container, ["nc", "-w", "2", address, str(port)], timeout_s=5)
        if result.stdout:
            return result.stdout
        await world.clock.sleep(0.02)
    raise AssertionError(f"nobody answers at {address}:{port}")


def test_node_and_pods_reach_each_other(run: Run) -> None:
    async def body(world: World) -> None:
        one, two = await world.sandbox(), await world.sandbox()
        await world.start(one, *SERVE)
        client = await world.start(two, "sleep", "100")
        expected = f"from {one.config.hostname}\n".encode()
        assert await ask(one.ips[0], 8080) == expected
        assert await ask_from(world, client, one.ips[0]) == expected
        server = await asyncio.start_server(_greet, "10.88.1.1", 9000)
        async with server:
            assert await ask_from(world, client, "10.88.1.1", 9000) == b"node"

    run(body)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"node")
    writer.close()


def test_containers_of_a_pod_share_loopback_and_shared_memory(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        await world.start(sandbox, "sh", "-c", f"echo seen > /dev/shm/x; {SERVE[2]}")
        other = await world.start(sandbox, "sleep", "100", name="other", log_path="o/0.log")
        assert b"from" in await ask_from(world, other, "127.0.0.1")
        assert (await world.runtime.exec_sync(other, ["cat", "/dev/shm/x"])).stdout == b"seen\n"

    run(body)


@needs_nft
def test_host_port_leads_to_the_pod_and_goes_with_it(run: Run) -> None:
    async def body(world: World) -> None:
        mapping = PortMapping("TCP", 8080, 18080)
        sandbox = await world.sandbox(port_mappings=(mapping,))
        await world.start(sandbox, *SERVE)
        expected = f"from {sandbox.config.hostname}\n".encode()
        assert await ask("127.0.0.1", 18080) == expected
        assert await ask("10.88.1.1", 18080) == expected
        with pytest.raises(RuntimeFailure, match="18080"):
            await world.sandbox(port_mappings=(mapping,))
        assert len(await world.runtime.list_pod_sandboxes()) == 1
        await world.runtime.stop_pod_sandbox(sandbox.id)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", 18080)
        again = await world.sandbox(port_mappings=(mapping,))
        await world.start(again, *SERVE)
        assert await ask("127.0.0.1", 18080) == f"from {again.config.hostname}\n".encode()

    run(body)


def test_port_forward_reaches_a_server_inside_the_pod(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        await world.start(sandbox, "sh", "-c", "echo hidden | nc -l -p 7000; sleep 100")
        for _ in range(100):
            try:
                connection = await world.runtime.port_forward(sandbox.id, 7000)
                break
            except RuntimeFailure:
                await world.clock.sleep(0.02)
        assert await connection.read() == b"hidden\n"
        await connection.write(b"bye")
        await connection.close()

    run(body)


def test_host_network_pod_sees_the_nodes_links(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox(namespaces=Namespaces(host_network=True))
        container = await world.start(sandbox, "sleep", "100")
        links = (await world.runtime.exec_sync(container, ["ls", "/sys/class/net"])).stdout.decode()
        assert "cni0" in links

    run(body)


def test_pod_files_say_what_the_pod_was_given(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox: Sandbox = await world.sandbox(
            dns=DnsConfig(("10.96.0.10",), ("default.svc.cluster.local", "cluster.local"), ("ndots:5",))
        )
        container = await world.start(sandbox, "sleep", "100")
        result = await world.runtime.exec_sync(
            container, ["cat", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"]
        )
        text = result.stdout.decode()
        assert text.startswith(
            "search default.svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
        )
        assert f"{sandbox.ips[0]}\t{sandbox.config.hostname}" in text

    run(body)


def test_addresses_run_out_with_a_clear_word(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        runtime: Any = world.runtime
        await runtime.update_pod_cidr("10.88.9.0/29")
        kept = [await world.sandbox() for _ in range(5)]
        with pytest.raises(RuntimeFailure, match="no address is left"):
            await world.sandbox()
        await runtime.remove_pod_sandbox(kept[0].id)
        assert (await world.sandbox()).ips == kept[0].ips

    run_native(body, tmp_path)


def test_many_pods_at_once_all_get_a_network(run: Run) -> None:
    async def body(world: World) -> None:
        sandboxes = await asyncio.gather(*(world.sandbox() for _ in range(20)))
        assert len({s.ips[0] for s in sandboxes}) == 20
        containers = await asyncio.gather(
            *(world.start(s, "ip", "-4", "addr", "show", "eth0") for s in sandboxes)
        )
        for sandbox, container in zip(sandboxes, containers, strict=True):
            ended = await world.ended(container)
            assert f"inet {sandbox.ips[0]}/32" in world.printed(ended)

    run(body)


@needs_nft
def test_translated_service_address_works_between_pods_of_a_node_and_to_oneself(run: Run) -> None:
    async def body(world: World) -> None:
        one, two = await world.sandbox(), await world.sandbox()
        server = await world.start(one, *SERVE)
        client = await world.start(two, "sleep", "100")
        rules = f"""table ip svc {{
          chain pre {{ type nat hook prerouting priority -100; ip daddr 10.96.7.7 tcp dport 80 dnat to {one.ips[0]}:8080; }}
          chain post {{ type nat hook postrouting priority 100; ip saddr {one.ips[0]} ip daddr {one.ips[0]} masquerade; }}
        }}"""
        nft = await asyncio.create_subprocess_exec("nft", "-f", "-", stdin=asyncio.subprocess.PIPE)
        await nft.communicate(rules.encode())
        assert nft.returncode == 0
        expected = f"from {one.config.hostname}\n".encode()
        assert await ask_from(world, client, "10.96.7.7", 80) == expected
        assert await ask_from(world, server, "10.96.7.7", 80) == expected

    run(body)

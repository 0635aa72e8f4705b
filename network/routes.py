"""Routes to the pods of nodes on other machines, by way of those machines' own addresses ("host gateway").

        this node 10.77.0.1 ── one network ── node vm2 10.77.0.2          10.244.2.0/24 via 10.77.0.2
              │                                    │
         pods 10.244.1.0/24                   pods 10.244.2.0/24

In come Nodes; out go routes in the kernel's table, marked with a protocol number of ours, so that they can be told
from everybody else's: what bears the mark and is not wanted any more is removed, nothing else is touched.

That needs no encapsulation and costs nothing, but every machine must be a neighbour: a node behind a router cannot be
reached so, gets no route, and is named in the log and in `unreachable`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

from client.informer import InformerFactory
from client.logs import get_logger
from machinery.clock import Clock
from machinery.gvk import NODES

log = get_logger("network")
Obj = dict[str, Any]
PROTOCOL = "76"  # the mark; the kernel gives numbers from 5 on no meaning
_GATHER_S = 0.01
_RETRY_S = 2.0
_REFRESH_S = 60.0  # a link that went away took its routes along, and says nothing to us


class RoutesFailed(Exception):
    """The kernel refused a route; str() holds the command and its answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`wanted`: pod range → the machine to send it to. `unreachable`: node → why it has no route."""

    wanted: Mapping[str, str] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)


def plan_routes(nodes: Iterable[Obj], own: str, neighbours: Sequence[IPv4Network]) -> Plan:
    """`own` is this node's name; `neighbours` are the networks that its links are in."""
    wanted: dict[str, str] = {}
    unreachable: dict[str, str] = {}
    for node in sorted(nodes, key=lambda each: str(each["metadata"]["name"])):
        name = node["metadata"]["name"]
        ranges = ranges_of(node)
        if name == own or not ranges:
            continue
        address = internal_ip(node)
        if not address:
            unreachable[name] = "it has no IPv4 InternalIP"
        elif not any(ip_address(address) in network for network in neighbours):
            unreachable[name] = (
                f"{address} is in none of this machine's networks, and tunnels are not supported"
            )
        else:
            wanted |= dict.fromkeys(ranges, address)
    return Plan(wanted, unreachable)


def ranges_of(node: Obj) -> list[str]:
    """The IPv4 ranges of the node's pods."""
    spec = node.get("spec") or {}
    ranges = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return [cidr for cidr in ranges if ":" not in cidr]


def internal_ip(node: Obj) -> str:
    """The first IPv4 address of the type InternalIP, "" without one."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    found = (a["address"] for a in addresses if a["type"] == "InternalIP" and ":" not in a["address"])
    return next(found, "")


def plan_changes(wanted: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """Lines for `ip -batch` that make the marked routes be as wanted."""
    gone = [f"route del {cidr} proto {PROTOCOL}" for cidr in sorted(present.keys() - wanted.keys())]
    new = [
        f"route replace {cidr} via {gateway} proto {PROTOCOL}"
        for cidr, gateway in sorted(wanted.items())
        if present.get(cidr) != gateway
    ]
    return gone + new


def parse_networks(addresses: str) -> list[IPv4Network]:
    """The networks of `ip -json -4 address`: those of real links, not of loopback or of a single address."""
    found = []
    for link in json.loads(addresses or "[]"):
        for entry in link.get("addr_info", ()):
            network = ip_network(f"{entry['local']}/{entry['prefixlen']}", strict=False)
            if isinstance(network, IPv4Network) and network.prefixlen < 32 and not network.is_loopback:
                found.append(network)
    return found


def parse_routes(routes: str) -> dict[str, str]:
    """destination → gateway, of `ip -json -4 route show proto N`."""
    return {route["dst"]: route.get("gateway", "") for route in json.loads(routes or "[]")}


Run = Callable[[Sequence[str], str], Awaitable[str]]


class NodeRoutes:
    """Runs in the namespace of its node. `run_ip(arguments, input)` gives ip's output or raises RoutesFailed."""

    def __init__(self, informers: InformerFactory, clock: Clock, own: str, run_ip: Run | None = None) -> None:
        self._clock = clock
        self._own = own
        self._run_ip = run_ip or _run_ip
        self._nodes = informers.informer(NODES)
        self._changed = asyncio.Event()
        self._synced = False
        self.unreachable: Mapping[str, str] = {}

    def has_synced(self) -> bool:
        return self._synced

    async def run(self) -> None:
        """Keeps the routes until cancelled; they stay, so that a restart cuts no connection."""

        def mark(*_: Any) -> None:
            self._changed.set()

        def mark_if_moved(old: Obj, new: Obj) -> None:
            if (ranges_of(old), internal_ip(old)) != (ranges_of(new), internal_ip(new)):
                self._changed.set()

        self._nodes.add_handler(on_add=mark, on_update=mark_if_moved, on_delete=mark)
        await self._nodes.wait_synced()
        while True:
            self._changed.clear()
            try:
                await self.sync_once()
                wait_s = _REFRESH_S
            except (RoutesFailed, OSError) as error:
                log.error("routes refused", node=self._own, why=str(error))
                wait_s = _RETRY_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
                await self._clock.sleep(_GATHER_S)
            except TimeoutError:
                continue

    async def sync_once(self) -> None:
        """Raises RoutesFailed."""
        neighbours = parse_networks(await self._run_ip(("-json", "-4", "address"), ""))
        plan = plan_routes(self._nodes.lister.list(), self._own, neighbours)
        for name, why in plan.unreachable.items():
            if self.unreachable.get(name) != why:
                log.error("no way to a node's pods", node=name, why=why)
        self.unreachable = plan.unreachable
        present = parse_routes(await self._run_ip(("-json", "-4", "route", "show", "proto", PROTOCOL), ""))
        lines = plan_changes(plan.wanted, present)
        if lines:
            await self._run_ip(("-batch", "-"), "\n".join(lines) + "\n")
        self._synced = True


async def _run_ip(arguments: Sequence[str], text: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "ip",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(text.encode())
    if process.returncode:
        told = errors.decode(errors="replace").strip()
        raise RoutesFailed(f"`ip {' '.join(arguments)}` failed: {told}\n{text}".strip()[:2000])
    return output.decode()

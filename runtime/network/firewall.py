"""The runtime's own nftables table: pods' way out of the cluster, and host ports to pods.

One table, computed whole from what the node holds and put in place in one transaction (`nft -f -`); a
sync that would change nothing does nothing. It never touches a table of another's.

    prerouting, output   dnat: host port → pod (only to addresses of the node itself)
    postrouting          masquerade: pods → outside the cluster; host's localhost → pod; pod → itself

Source: the CNI portmap and bridge plugins (ipMasq).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from ipaddress import ip_network

from runtime.cri import PortMapping, RuntimeFailure
from runtime.linux.program import run_program

TABLE = "kctl-pods"
Pods = Mapping[str, tuple[str, Sequence[PortMapping]]]


def plan_ruleset(pod_cidr: str, cluster_cidr: str, pods: Pods) -> str:
    """The text for nft; sandbox id → (address, mappings)."""
    dnat = []
    hairpin = []
    for sandbox_id in sorted(pods):
        address, mappings = pods[sandbox_id]
        for mapping in mappings:
            if not mapping.host_port:
                continue
            protocol = mapping.protocol.lower()
            only = f"ip daddr {mapping.host_ip} " if mapping.host_ip not in ("", "0.0.0.0") else ""
            match = f"{only}{protocol} dport {mapping.host_port}"
            dnat.append(f"    {match} dnat to {address}:{mapping.container_port}")
        if any(mapping.host_port for mapping in mappings):
            hairpin.append(f"    ip saddr {address} ip daddr {address} masquerade")
    lines = [
        f"table ip {TABLE}",
        f"delete table ip {TABLE}",
        f"table ip {TABLE} {{",
        "  chain hostports {",
        *dnat,
        "  }",
        "  chain prerouting {",
        "    type nat hook prerouting priority -100;",
        "    fib daddr type local jump hostports",
        "  }",
        "  chain output {",
        "    type nat hook output priority -100;",
        "    fib daddr type local jump hostports",
        "  }",
        "  chain postrouting {",
        "    type nat hook postrouting priority 100;",
        *hairpin,
        f"    ip saddr 127.0.0.0/8 ip daddr {pod_cidr} masquerade",
        f"    ip saddr {pod_cidr} ip daddr != {{ {_inside(pod_cidr, cluster_cidr)} }} masquerade",
        "  }",
        "}",
        "",
    ]
    return "\n".join(lines)


def _inside(pod_cidr: str, cluster_cidr: str) -> str:
    """Destinations that see a pod's own address: the cluster's pods, and multicast."""
    pods, cluster = ip_network(pod_cidr), ip_network(cluster_cidr)
    own = () if pods.overlaps(cluster) else (pod_cidr,)
    return ", ".join((*own, cluster_cidr, "224.0.0.0/4"))


class Firewall:
    """Holds the wanted state; `sync` makes it so. Without nft, host ports are refused and the rest is left."""

    def __init__(self, cluster_cidr: str) -> None:
        self._cluster_cidr = cluster_cidr
        self._pod_cidr = ""
        self._pods: dict[str, tuple[str, tuple[PortMapping, ...]]] = {}
        self._applied = ""
        self._lock = asyncio.Lock()

    def set_pod_cidr(self, cidr: str) -> None:
        self._pod_cidr = cidr

    def set_pods(self, pods: Pods) -> None:
        self._pods = {key: (address, tuple(maps)) for key, (address, maps) in pods.items() if maps}

    def add_pod(self, sandbox_id: str, address: str, mappings: Sequence[PortMapping]) -> None:
        """Raises RuntimeFailure where another pod holds one of the host ports."""
        taken = {_slot(m): key for key, (_, maps) in self._pods.items() for m in maps if m.host_port}
        for mapping in mappings:
            if mapping.host_port and _slot(mapping) in taken:
                raise RuntimeFailure(
                    "HostPortConflict",
                    f"host port {mapping.host_port}/{mapping.protocol} is used by another pod",
                )
        self._pods[sandbox_id] = (address, tuple(mappings))

    def remove_pod(self, sandbox_id: str) -> None:
        self._pods.pop(sandbox_id, None)

    async def sync(self) -> None:
        """Raises RuntimeFailure with nft's own words."""
        if not self._pod_cidr:
            return
        async with self._lock:
            ruleset = plan_ruleset(self._pod_cidr, self._cluster_cidr, self._pods)
            if ruleset == self._applied:
                return
            if shutil.which("nft") is None:
                if self._pods:
                    raise RuntimeFailure("NftMissing", "host ports need the nft command (package nftables)")
                return
            await _nft(ruleset)
            self._applied = ruleset

    async def remove(self) -> None:
        async with self._lock:
            if self._applied:
                await _nft(f"table ip {TABLE}\ndelete table ip {TABLE}\n")
                self._applied = ""


def _slot(mapping: PortMapping) -> tuple[str, int, str]:
    ip = "" if mapping.host_ip == "0.0.0.0" else mapping.host_ip
    return (mapping.protocol, mapping.host_port, ip)


async def _nft(ruleset: str) -> None:
    code, words = await run_program(["nft", "-f", "-"], ruleset.encode())
    if code:
        raise RuntimeFailure("NftFailed", f"nft: {words}")

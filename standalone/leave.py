"""`kctl leave`: this machine stops being a node; nothing of it stays in the kernel, and with `delete` nothing on disk.

The node acts in the machine's own network namespace, so what it made there is removed by name: the pods' bridge, two
firewall tables, and the routes that bear our mark. Works from what is there, and twice.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from standalone import config as cluster_config
from standalone.config import ConfigError
from standalone.down import stop_supervisor
from standalone.layout import Layout
from standalone.node_credentials import node_of
from standalone.pki import utc_now
from standalone.remains import find_remains, purge_node
from standalone.supervisor import running_pid

_ROUTE_PROTOCOL = "76"  # network/routes.py
_BRIDGE = "cni0"  # runtime/spawner/netmaker.py
_TABLES = ("kctl-pods", "kctl-services")
_ASK_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class LeaveResult:
    node: str
    still_known: str  # that the cluster lists the node still, in words; "" where it does not
    remains: tuple[str, ...]


def leave(layout: Layout, *, delete: bool, on_stage: Callable[[str], None]) -> LeaveResult:
    """Raises ConfigError where this machine never joined, DownFailed when a process will not end. One that got its
    credentials and came no further leaves as well."""
    config = cluster_config.load(layout)
    if config is None:
        name = node_of(_credentials(layout), utc_now())
        remains: tuple[str, ...] = ()
    else:
        (node,) = config.nodes
        name = node.name
        if pid := running_pid(layout):
            stop_supervisor(layout, pid)
            on_stage("components stopped")
        purge_node(layout, config, node)
        _remove_network(node.pod_cidr)
        on_stage("containers and network removed")
        remains = (*find_remains(layout, config), *_network_left(node.pod_cidr))
    still_known = _still_known(layout, name)
    if delete and not remains:
        shutil.rmtree(layout.root)
    return LeaveResult(name, still_known, remains)


def _credentials(layout: Layout) -> Path:
    path = layout.component_kubeconfig("node")
    if not path.exists():
        raise ConfigError(f"no node of this machine keeps its things in {layout.root}")
    return path


def is_of_node(addresses: str, pod_cidr: str) -> bool:
    """Whether a link is the node's own, by `ip -json -4 address show dev NAME`: another program may use its name too."""
    held = [each["local"] for link in json.loads(addresses or "[]") for each in link.get("addr_info", ())]
    return any(ip_address(address) in ip_network(pod_cidr) for address in held)


def _has_bridge(pod_cidr: str) -> bool:
    command = ["ip", "-json", "-4", "address", "show", "dev", _BRIDGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode == 0 and is_of_node(done.stdout, pod_cidr)


def _remove_network(pod_cidr: str) -> None:
    for command in (
        *((("ip", "link", "del", _BRIDGE),) if _has_bridge(pod_cidr) else ()),
        ("ip", "route", "flush", "proto", _ROUTE_PROTOCOL),
        *(("nft", "delete", "table", "ip", table) for table in _TABLES),
    ):
        # What is not there needs no removal.
        subprocess.run(command, capture_output=True, check=False, timeout=30)


def _network_left(pod_cidr: str) -> list[str]:
    tables = subprocess.run(
        ["nft", "list", "tables"], capture_output=True, text=True, check=False, timeout=30
    ).stdout
    found = [f"firewall table ip {table}" for table in _TABLES if f"table ip {table}\n" in tables]
    return found + ([f"link {_BRIDGE}"] if _has_bridge(pod_cidr) else [])


def _still_known(layout: Layout, node: str) -> str:
    """Asked as the node itself, which may read its Node but not remove it. The machine is taken down all the same."""
    from client.client import Client
    from client.kubeconfig import KubeconfigError, load
    from client.transport import TransportError
    from machinery.errors import ApiError, NotFound
    from machinery.gvk import NODES

    async def ask() -> None:
        transport = load(str(layout.component_kubeconfig("node"))).transport()
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                await Client(transport, user_agent="kctl-leave").get(NODES, node)
        finally:
            await transport.close()

    try:
        asyncio.run(ask())
    except NotFound:
        return ""
    except TimeoutError:
        return "the cluster may still list the node (it does not answer)"
    except (ApiError, TransportError, KubeconfigError) as error:
        return f"the cluster may still list the node ({error})"
    return "the cluster still lists the node"

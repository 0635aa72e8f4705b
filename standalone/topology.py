"""The cluster's own network on one host: a bridge, and a network namespace for every node.

        host ── bridge kctl-ID (10.99.0.1/24) ──┬── veth ── netns node-1 (10.99.0.11) ── cni0 ── pods 10.244.1.0/24
                                                └── veth ── netns node-2 (10.99.0.12) ── cni0 ── pods 10.244.2.0/24

Nodes reach each other's pods by routes over the bridge; the host reaches every pod by routes of its
own; what leaves for elsewhere is masqueraded by one firewall table on the host. Everything is named
after the cluster, so taking it down needs no memory of what was set up, and works twice.

`plan_*` are pure and return the lines for `ip -batch` and nft; `apply`/`remove` run them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from standalone.config import ClusterConfig, NodeConfig

_NETNS = Path("/run/netns")
# A node routes for its pods. They know no neighbour but their gateway, so all they send passes the node's IP layer and
# the service proxy's rules; the kernel must neither hand bridged packets to the firewall a second time nor tell pods of
# a shorter way.
_NODE_SYSCTLS = (
    "echo 1 > /proc/sys/net/ipv4/ip_forward; "
    "echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects; "
    "echo 0 > /proc/sys/net/ipv4/conf/default/send_redirects; "
    "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || true"
)
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


class TopologyError(Exception):
    """The kernel refused a link, address or rule; str() holds the command and its answer."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What makes one node's namespace: lines run on the host, then lines run inside."""

    netns: str
    host: tuple[str, ...]
    inside: tuple[str, ...]


def veth_name(config: ClusterConfig, node: NodeConfig) -> str:
    """At most 15 characters, unique on the host."""
    return f"kn{config.short_id}{node.index}"


def plan_bridge(config: ClusterConfig) -> tuple[str, ...]:
    prefix = config.node_network.prefixlen
    return (
        f"link add {config.bridge} type bridge",
        f"addr add {config.gateway}/{prefix} dev {config.bridge}",
        f"link set {config.bridge} up",
    )


def plan_node(config: ClusterConfig, node: NodeConfig) -> NodePlan:
    veth, netns = veth_name(config, node), config.netns(node)
    others = [n for n in config.nodes if n.name != node.name]
    return NodePlan(
        netns=netns,
        host=(
            f"link add {veth} type veth peer name eth0 netns {netns}",
            f"link set {veth} master {config.bridge} up",
            f"route replace {node.pod_cidr} via {node.ip} dev {config.bridge}",
        ),
        inside=(
            "link set lo up",
            f"addr add {node.ip}/{config.node_network.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {config.gateway}",
            *(f"route replace {other.pod_cidr} via {other.ip}" for other in others),
        ),
    )


def plan_routes_to(config: ClusterConfig, node: NodeConfig) -> tuple[str, ...]:
    """For a node that stands already: the routes to all others, which may be new."""
    return plan_node(config, node).inside[4:]


def plan_firewall(config: ClusterConfig) -> str:
    """One nft table: what pods and nodes send to the world wears the host's address. Replaced as a whole."""
    own = f"{{ {config.node_network}, {config.pod_network} }}"
    return f"""
table ip {config.bridge} {{}}
delete table ip {config.bridge}
table ip {config.bridge} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {own} ip daddr != {own} oifname != "{config.bridge}" masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "{config.bridge}" accept
        oifname "{config.bridge}" accept
    }}
}}
"""


def apply(config: ClusterConfig) -> bool:
    """Sets up what is missing. Returns whether it had to turn on the host's IPv4 forwarding."""
    if not _link_exists(config.bridge):
        _ip_batch(plan_bridge(config))
    for node in config.nodes:
        plan = plan_node(config, node)
        if (_NETNS / plan.netns).exists() and _link_exists(veth_name(config, node)):
            _ip_batch(plan_routes_to(config, node), plan.netns)
            _ip_batch((plan.host[2],))
            continue
        remove_node(config, node)
        _run(["ip", "netns", "add", plan.netns])
        _ip_batch(plan.host)
        _ip_batch(plan.inside, plan.netns)
        _run(["ip", "netns", "exec", plan.netns, "sh", "-c", _NODE_SYSCTLS])
    turned_on = _FORWARD.read_text().strip() == "0"
    if turned_on:
        _FORWARD.write_text("1")
    _run(["nft", "-f", "-"], plan_firewall(config))
    return turned_on


def remove_node(config: ClusterConfig, node: NodeConfig) -> None:
    _run(["ip", "netns", "del", config.netns(node)], ok_if_fails=True)
    _run(["ip", "link", "del", veth_name(config, node)], ok_if_fails=True)


def remove(config: ClusterConfig, *, restore_forwarding: bool) -> None:
    """Takes everything down; succeeds where nothing stands."""
    for node in config.nodes:
        remove_node(config, node)
    _run(["ip", "link", "del", config.bridge], ok_if_fails=True)
    _run(["nft", "delete", "table", "ip", config.bridge], ok_if_fails=True)
    if _NETNS.is_dir() and not any(_NETNS.iterdir()):
        _run(["umount", str(_NETNS)], ok_if_fails=True)  # `ip netns add` mounted it, and will again
    if restore_forwarding:
        _FORWARD.write_text("0")


def leftovers(config: ClusterConfig) -> list[str]:
    """What of the cluster's network still stands, in words; empty after `remove`."""
    found = [
        f"network namespace {config.netns(n)}" for n in config.nodes if (_NETNS / config.netns(n)).exists()
    ]
    names = [config.bridge, *(veth_name(config, node) for node in config.nodes)]
    found += [f"link {name}" for name in names if _link_exists(name)]
    if f"table ip {config.bridge}" in _run(["nft", "list", "tables"], ok_if_fails=True):
        found.append(f"firewall table ip {config.bridge}")
    return found


def host_routes(but: str = "") -> list[str]:
    """Destinations of the host's IPv4 routes that are networks; not those over the link `but`."""
    lines = _run(["ip", "-4", "route", "show", "table", "all"], ok_if_fails=True).splitlines()
    words = [line.split() for line in lines]
    return [w[0] for w in words if w and "/" in w[0] and not (but and but in w)]


def _link_exists(name: str) -> bool:
    return Path(f"/sys/class/net/{name}").exists()


def _ip_batch(lines: Sequence[str], netns: str = "") -> None:
    if lines:
        where = ["-n", netns] if netns else []
        _run(["ip", *where, "-batch", "-"], "\n".join(lines) + "\n")


def _run(argv: Sequence[str], text: str = "", *, ok_if_fails: bool = False) -> str:
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=30)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        if ok_if_fails:
            return ""
        raise TopologyError(f"{argv[0]}: {error}; `kctl doctor` tells what to install") from error
    if done.returncode != 0 and not ok_if_fails:
        raise TopologyError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}\n{text.strip()}")
    return done.stdout

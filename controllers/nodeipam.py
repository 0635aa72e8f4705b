"""Node IPAM: every node gets a range of pod addresses of its own out of the cluster's.

Owns     a Node's spec.podCIDR and spec.podCIDRs, as long as they are empty: once set they never change.
Woken by changes of Nodes.

Invariants: no two nodes' ranges overlap, whoever set them; the lowest free range is given; a range is free again
when its Node is gone. Without one left the node is told so by an event, and tried again.

Source: kube-controller-manager's --allocate-node-cidrs, range allocator. IPv4.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from typing import Any

from controllers.framework import Context, Key, Reconciler, reconciler
from machinery.gvk import NODES
from machinery.objects import is_being_deleted

Obj = dict[str, Any]

NAME = "nodeipam"
NODE_MASK_SIZE = 24
_RETRY_S = 30.0


def ranges_of(node: Obj) -> list[str]:
    spec = node.get("spec") or {}
    return list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))


def plan_range(cluster: IPv4Network, taken: Iterable[str], mask_size: int = NODE_MASK_SIZE) -> str | None:
    """The lowest range of the cluster's that overlaps none of `taken`; None when all are given away.

    The first is left out: `kctl up` counts its own nodes from the second.
    """
    used = [ip_network(cidr, strict=False) for cidr in taken]
    subnets = cluster.subnets(new_prefix=mask_size)
    next(subnets)
    return next((str(subnet) for subnet in subnets if not any(subnet.overlaps(each) for each in used)), None)


def node_ipam(cluster_cidr: str, mask_size: int = NODE_MASK_SIZE) -> Reconciler:
    """The reconciler for one cluster's range. Raises ValueError for one that cannot be shared out."""
    cluster = IPv4Network(cluster_cidr)
    if not cluster.prefixlen < mask_size <= 30:
        raise ValueError(f"{cluster_cidr} cannot be shared out in ranges of /{mask_size}")
    given: dict[str, str] = {}  # node → range: what the cache may not show yet

    @reconciler(
        NODES,
        name=NAME,
        relevant=lambda old, new: ranges_of(old) != ranges_of(new),
        event_source="cidrAllocator",
    )
    async def reconcile(ctx: Context, key: Key) -> float | None:
        node = ctx.get(key)
        if node is None or ranges_of(node):
            given.pop(key.name, None)
            return None
        if is_being_deleted(node) or key.name in given:
            return None
        shown = [cidr for each in ctx.lister(NODES).list() for cidr in ranges_of(each)]
        free = plan_range(cluster, [*shown, *given.values()], mask_size)
        if free is None:
            ctx.events.event(node, "Warning", "CIDRNotAvailable", f"no range is left in {cluster_cidr}")
            return _RETRY_S
        # With its version: a node that somebody gave a range meanwhile is a conflict, and looked at anew.
        meta = {"resourceVersion": node["metadata"]["resourceVersion"]}
        spec = {"podCIDR": free, "podCIDRs": [free]}
        await ctx.client.patch(NODES, key.name, {"metadata": meta, "spec": spec}, type="merge")
        given[key.name] = free
        return None

    return reconcile

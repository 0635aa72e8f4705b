"""The pod garbage collector: removes pods that nobody will ever finish.

Owns     nothing; force-deletes pods that are
         * bound to a node that has not existed for 40 s (marked Failed first),
         * being deleted but were never scheduled,
         * being deleted on a node tainted out-of-service,
         * ended, beyond 12500 ended pods in the cluster (oldest first).
Woken by changes of pods' phase, node or deletion, by nodes that go, and when a quarantine ends.

Invariant: a node's absence is asked of the server, not of the cache, before its pods go.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from controllers.framework import Context, Index, Key, Watch, reconciler
from controllers.nodelifecycle import POD_NODE_INDEX, pod_node_index
from controllers.podstate import is_terminated, phase_of
from machinery.clock import rfc3339
from machinery.errors import NotFound
from machinery.gvk import NODES, PODS, key_of
from machinery.objects import is_being_deleted, uid

Obj = dict[str, Any]

QUARANTINE_S = 40.0
TERMINATED_LIMIT = 12500
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_TERMINATED_INDEX = "terminated"


def terminated_index(pod: Obj) -> Iterable[str]:
    return ("yes",) if is_terminated(pod) else ()


def node_to_pods(ctx: Context, node: Obj) -> Iterable[Key]:
    return [key_of(pod) for pod in ctx.lister(PODS).by_index(POD_NODE_INDEX, node["metadata"]["name"])]


def excess(pods: list[Obj], limit: int) -> list[Obj]:
    """The oldest of the ended pods, as many as exceed the limit."""
    ordered = sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
    return ordered[: max(0, len(pods) - limit)]


def _said(pod: Obj) -> tuple[Any, ...]:
    return phase_of(pod), (pod.get("spec") or {}).get("nodeName"), is_being_deleted(pod)


def _is_out_of_service(node: Obj) -> bool:
    return any(taint["key"] == OUT_OF_SERVICE for taint in (node.get("spec") or {}).get("taints") or ())


@reconciler(
    PODS,
    name="podgc",
    relevant=lambda old, new: _said(old) != _said(new),
    watches=(
        Watch(
            NODES, node_to_pods, relevant=lambda old, new: _is_out_of_service(old) != _is_out_of_service(new)
        ),
    ),
    indexes=(
        Index(PODS, POD_NODE_INDEX, pod_node_index),
        Index(PODS, _TERMINATED_INDEX, terminated_index),
    ),
    event_source="pod-garbage-collector",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    pod = ctx.get(key)
    if pod is None:
        ctx.memory.pop(key, None)
        return None
    node_name = (pod.get("spec") or {}).get("nodeName")
    if not node_name:
        if is_being_deleted(pod):
            await _remove(ctx, pod, "")
        return None
    node = ctx.lister(NODES).get("", node_name)
    if node is None:
        return await _orphaned(ctx, key, pod, node_name)
    ctx.memory.pop(key, None)
    if is_being_deleted(pod) and _is_out_of_service(node):
        await _remove(ctx, pod, "")
    elif is_terminated(pod):
        for old in excess(ctx.lister(PODS).by_index(_TERMINATED_INDEX, "yes"), TERMINATED_LIMIT):
            await _remove(ctx, old, "")
    return None


async def _orphaned(ctx: Context, key: Key, pod: Obj, node_name: str) -> float | None:
    since = ctx.memory.setdefault(key, ctx.now)
    left_s = since + QUARANTINE_S - ctx.now
    if left_s > 0:
        return float(left_s)
    try:
        await ctx.client.get(NODES, node_name)
    except NotFound:
        await _remove(ctx, pod, "PodGC: node no longer exists")
        ctx.memory.pop(key, None)
        return None
    return QUARANTINE_S  # it is there after all, and the cache will see it


async def _remove(ctx: Context, pod: Obj, message: str) -> None:
    """Force-deletes; a pod that has not ended is marked Failed first, so that owners count it right."""
    meta = pod["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    with contextlib.suppress(NotFound):
        if not is_terminated(pod) and (pod.get("spec") or {}).get("nodeName"):
            status: Obj = {"phase": "Failed"}
            if message:
                condition = {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "DeletionByPodGC",
                    "message": message,
                    "lastTransitionTime": rfc3339(ctx.now),
                }
                status["conditions"] = [condition]
            patch = {"metadata": {"uid": uid(pod)}, "status": status}
            await ctx.client.patch(PODS, name, patch, namespace, type="strategic", subresource="status")
        await ctx.client.delete(PODS, name, namespace, grace_period_s=0, uid=uid(pod))

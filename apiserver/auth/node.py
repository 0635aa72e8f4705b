"""The Node authorizer: a node may read what its own pods need, and write what is its own.

A node is user `system:node:NAME` in group `system:nodes`. Source: Kubernetes "Using Node
Authorization". What a write may contain is judged by the NodeRestriction admission plugin.
"""

from __future__ import annotations

from apiserver.auth.node_graph import NodeGraph, Ref
from apiserver.auth.rules import compile_rules
from apiserver.auth.seams import Decision
from apiserver.auth.user import Attributes, User
from apiserver.storage.follow import Follower
from apiserver.storage.store import Entry, Obj, Store

GROUP = "system:nodes"
PREFIX = "system:node:"
LEASE_NAMESPACE = "kube-node-lease"
ALLOWED = Decision(True)
NO_OPINION = Decision(False)


def _rule(verbs: str, group: str, resources: str) -> dict[str, list[str]]:
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}


# What every node may do, whichever it is.
NODE_RULES = (
    _rule("create", "authentication.k8s.io", "tokenreviews selfsubjectreviews"),
    _rule("create", "authorization.k8s.io", "subjectaccessreviews localsubjectaccessreviews"),
    _rule("list watch", "", "nodes"),
    _rule("get list watch", "", "services"),
    # The agent is also the node's service proxy and enforces network policies.
    _rule("get list watch", "discovery.k8s.io", "endpointslices"),
    _rule("get list watch", "networking.k8s.io", "networkpolicies"),
    _rule("get list watch", "", "namespaces"),
    _rule("list watch", "", "pods"),
    _rule("create", "", "pods nodes pods/eviction"),
    _rule("create update patch", "", "events"),
    _rule("create update patch", "events.k8s.io", "events"),
    _rule("get list watch", "node.k8s.io", "runtimeclasses"),
    _rule("get list watch", "storage.k8s.io", "csidrivers volumeattachments"),
    _rule("get", "", "persistentvolumes"),
    _rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
)
_WRITES = frozenset({"update", "patch"})


def node_name(user: User) -> str:
    """The node that the user is, "" for anybody else."""
    if user.name.startswith(PREFIX) and GROUP in user.groups:
        return user.name.removeprefix(PREFIX)
    return ""


def is_nameless_node(user: User) -> bool:
    """Of the nodes, but which: may be held for anybody's node and is none's."""
    return user.name == PREFIX and GROUP in user.groups


def _is_unbound(pod: Entry) -> bool:
    return pod.fields.get("spec.nodeName") == ""


class NodeAuthorizer:
    """Kept current by following the pods' Store."""

    def __init__(self, pods: Store) -> None:
        self.graph = NodeGraph()
        self._rules = compile_rules(NODE_RULES)
        self._follower = Follower(pods, self._on_pod, skips=_is_unbound)

    async def run(self) -> None:
        await self._follower.run()

    async def wait_synced(self) -> None:
        await self._follower.synced.wait()

    def authorize(self, attributes: Attributes) -> Decision:
        node = node_name(attributes.user)
        if not node or attributes.path:
            return NO_OPINION
        a = attributes
        if a.group == "":
            if a.resource in ("secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts"):
                return self._related(node, a)
            if a.resource == "pods":
                if a.name and (a.subresource, a.verb) in _POD_REQUESTS:
                    return self._own_pod(node, a)
            elif a.resource == "nodes" and a.name:
                return self._own_node(node, a)
        elif a.group == "coordination.k8s.io" and a.resource == "leases":
            return _lease(node, a)
        elif a.group == "storage.k8s.io" and a.resource == "csinodes":
            return ALLOWED if a.name in (node, "") else NO_OPINION
        for rule in self._rules:
            if rule.allows_resource(a.verb, a.group, a.resource, a.subresource):
                return ALLOWED
        return NO_OPINION

    def _related(self, node: str, a: Attributes) -> Decision:
        """Read by name, and only what a pod on the node refers to; a token only for a pod's own account."""
        if a.resource == "serviceaccounts" and a.subresource == "token":
            wanted = a.verb == "create"
        elif a.resource == "persistentvolumeclaims" and a.subresource == "status":
            wanted = a.verb in ("get", "update", "patch")
        else:
            wanted = a.verb in ("get", "list", "watch") and not a.subresource
        if not wanted:
            return Decision(False, f"a node can only read resources of this type, not {a.verb} them")
        if a.name and self.graph.refers(node, Ref(a.resource, a.namespace, a.name)):
            return ALLOWED
        return Decision(False, f"no relationship found between node '{node}' and this object")

    def _own_pod(self, node: str, a: Attributes) -> Decision:
        """Also of a pod that is gone already, whose last status must not fail as forbidden but as not found."""
        if self.graph.refers(node, Ref("pods", a.namespace, a.name)):
            return ALLOWED
        if a.subresource == "status" or a.verb == "delete" or not a.subresource:
            return self._unknown_pod(a)
        return NO_OPINION

    def _unknown_pod(self, a: Attributes) -> Decision:
        if self.graph.knows_pod(a.namespace, a.name):
            return Decision(False, f"pod {a.namespace}/{a.name} is not bound to this node")
        return ALLOWED

    def _own_node(self, node: str, a: Attributes) -> Decision:
        reads = a.verb in ("get", "list", "watch") and a.subresource in ("", "status")
        writes = a.verb in _WRITES and a.subresource in ("", "status")
        if not reads and not writes:
            return NO_OPINION
        if a.name == node:
            return ALLOWED
        return Decision(False, f"node '{node}' cannot {a.verb} node '{a.name}', only its own")

    def _on_pod(self, namespace: str, name: str, pod: Obj | None) -> None:
        self.graph.set_pod(namespace, name, pod)


_POD_REQUESTS = frozenset(
    {
        ("", "get"),
        ("", "list"),
        ("", "watch"),
        ("", "delete"),
        ("status", "get"),
        ("status", "update"),
        ("status", "patch"),
        ("eviction", "create"),
    }
)


def _lease(node: str, a: Attributes) -> Decision:
    if a.namespace != LEASE_NAMESPACE:
        return Decision(False, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if a.verb not in ("get", "create", "update", "patch", "delete"):
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if a.verb != "create" and a.name != node:
        return Decision(False, "can only access node lease with the same name as the requesting node")
    return ALLOWED

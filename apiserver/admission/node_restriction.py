"""NodeRestriction: what a node may write of the things it may write at all.

The Node authorizer lets a node at its own Node, its pods' status, its lease and tokens for its pods'
accounts; this judges the contents, so that one captured node cannot speak for another or take pods
and labels it was not given. Source: Kubernetes "Admission Control", NodeRestriction.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Lookup, Plugin, forbidden, is_resource, name_of
from apiserver.admission.service_account import is_mirror
from apiserver.auth.node import LEASE_NAMESPACE, node_name
from apiserver.auth.node_graph import pod_refs

RESTRICTED = "node-restriction.kubernetes.io"
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "kubernetes.io/role",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)
_OWN_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction(Plugin):
    """`pods` and `nodes` look up what is stored."""

    name = "NodeRestriction"

    def __init__(self, pods: Lookup, nodes: Lookup) -> None:
        self._pods = pods
        self._nodes = nodes

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation != "CONNECT"

    async def admit(self, request: AdmissionRequest) -> bool:
        """Judges, too: it changes nothing."""
        node = node_name(request.user)
        if not node:
            return False
        if is_resource(request, "", "pods"):
            await self._pod(request, node)
        elif is_resource(request, "", "nodes"):
            _node(request, node)
        elif is_resource(request, "coordination.k8s.io", "leases"):
            _named_as(request, node, "lease")
            if request.namespace != LEASE_NAMESPACE:
                raise forbidden(
                    request, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
                )
        elif is_resource(request, "storage.k8s.io", "csinodes"):
            _named_as(request, node, "CSINode")
        elif is_resource(request, "", "serviceaccounts") and request.subresource == "token":
            await self._token(request, node)
        return False

    async def _pod(self, request: AdmissionRequest, node: str) -> None:
        if request.subresource == "eviction":
            old = await self._pods(request.namespace, request.name)
            if old is not None:
                _own_pod(request, node, old, "evict")
        elif request.operation == "CREATE" and not request.subresource:
            await self._mirror(request, node)
        elif request.operation == "DELETE":
            _own_pod(request, node, request.old or {}, "delete")
        elif request.subresource == "status" and request.old is not None and request.obj is not None:
            _own_pod(request, node, request.old, "update status for")
            if _labels(request.old) != _labels(request.obj):
                raise forbidden(request, f"node '{node}' cannot update labels through pod status")
        elif request.operation in ("CREATE", "UPDATE"):
            raise forbidden(
                request, f"unexpected pod subresource '{request.subresource}', only status and eviction"
            )

    async def _mirror(self, request: AdmissionRequest, node: str) -> None:
        """A node creates only images of the static pods it runs itself, which need nothing of the cluster's."""
        pod = request.obj or {}
        if not is_mirror(pod):
            raise forbidden(
                request,
                f"pod does not have kubernetes.io/config.mirror annotation, node '{node}' can only create mirror pods",
            )
        if pod["spec"].get("nodeName") != node:
            raise forbidden(request, f"node '{node}' can only create pods with spec.nodeName set to itself")
        owners = pod["metadata"].get("ownerReferences") or []
        if owners:
            standing = await self._nodes("", node)
            uid = standing["metadata"]["uid"] if standing else ""
            owner = owners[0]
            if (
                len(owners) > 1
                or owner.get("kind") != "Node"
                or owner.get("name") != node
                or owner.get("uid") != uid
            ):
                raise forbidden(
                    request, f"node '{node}' can only create pods with an owner reference set to itself"
                )
        if pod["spec"].get("serviceAccountName"):
            raise forbidden(request, f"node '{node}' can not create pods that reference a service account")
        plain = {**pod, "metadata": {"name": name_of(pod)}}
        for ref in pod_refs(request.namespace, name_of(pod), plain):
            if ref.resource in ("secrets", "configmaps", "persistentvolumeclaims"):
                raise forbidden(request, f"node '{node}' can not create pods that reference {ref.resource}")

    async def _token(self, request: AdmissionRequest, node: str) -> None:
        """Only for a pod that runs there, named with its uid."""
        ref = ((request.obj or {}).get("spec") or {}).get("boundObjectRef") or {}
        if ref.get("kind") != "Pod" or not ref.get("name"):
            raise forbidden(request, f"node '{node}' requested token not bound to a pod")
        if not ref.get("uid"):
            raise forbidden(request, f"node '{node}' requested token with a pod binding without a uid")
        pod = await self._pods(request.namespace, ref["name"])
        if pod is None or pod["metadata"].get("uid") != ref["uid"]:
            raise forbidden(
                request, f"node '{node}' requested token bound to a pod that is not there (any more)"
            )
        if pod["spec"].get("nodeName") != node:
            raise forbidden(
                request, f"node '{node}' requested token bound to a pod scheduled on a different node"
            )


def _node(request: AdmissionRequest, node: str) -> None:
    _named_as(request, node, "node")
    new, old = request.obj, request.old
    if new is None:
        return
    if request.operation == "CREATE":
        changed = _labels(new)
    else:
        old = old or {}
        before, after = _labels(old), _labels(new)
        changed = {key: "" for key in {*before, *after} if before.get(key) != after.get(key)}
        if (old.get("spec") or {}).get("taints", []) != (new.get("spec") or {}).get("taints", []):
            raise forbidden(request, f"node '{node}' is not allowed to modify taints")
        if (old["metadata"].get("ownerReferences") or []) != (new["metadata"].get("ownerReferences") or []):
            raise forbidden(request, f"node '{node}' is not allowed to modify ownerReferences")
    refused = sorted(key for key in changed if not may_label(key))
    if refused:
        raise forbidden(request, f"is not allowed to modify labels: {', '.join(refused)}")


def may_label(key: str) -> bool:
    """Whether a node may set the label on itself: any but Kubernetes' own, of which it has a few."""
    prefix, slash, _ = key.partition("/")
    if not slash:
        return True
    if prefix == RESTRICTED or prefix.endswith("." + RESTRICTED):
        return False
    if key in _OWN_LABELS or any(prefix == own or prefix.endswith("." + own) for own in _OWN_PREFIXES):
        return True
    return not any(prefix == word or prefix.endswith("." + word) for word in ("kubernetes.io", "k8s.io"))


def _named_as(request: AdmissionRequest, node: str, what: str) -> None:
    name = request.name or name_of(request.obj or request.old or {})
    if name != node:
        raise forbidden(request, f"node '{node}' is not allowed to modify {what} '{name}'")


def _own_pod(request: AdmissionRequest, node: str, pod: Obj, verb: str) -> None:
    if (pod.get("spec") or {}).get("nodeName") != node:
        raise forbidden(request, f"node '{node}' can only {verb} pods with spec.nodeName set to itself")


def _labels(obj: Obj) -> Mapping[str, str]:
    labels: Mapping[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return labels

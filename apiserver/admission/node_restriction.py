"""NodeRestriction: what a node may write of the things it may write at all.

The Node authorizer lets a node at its own Node, its pods' status, its lease, tokens for its pods' accounts and the
status of their claims; this judges the contents, so that one captured node cannot speak for another or take pods,
labels and claims it was not given. Source: Kubernetes "Admission Control", NodeRestriction; plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.certificates import common_name
from apiserver.admission.lookup import Lookup, Plugin, forbidden, is_resource, name_of
from apiserver.admission.node_restriction_pods import labels_of, wrong_mirror, wrong_status
from apiserver.admission.token_audiences import TokenAudiences
from apiserver.auth.node import LEASE_NAMESPACE, PREFIX, is_nameless_node, node_name
from apiserver.auth.seams import Authorizer, decide
from apiserver.auth.user import Attributes
from machinery.errors import not_found

RESTRICTED = "node-restriction.kubernetes.io"
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
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
_GROWTH = frozenset({"capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"})
_NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")


class NodeRestriction(Plugin):
    """`pods` and `nodes` look up what is stored. `authorizer`: who may have tokens for any audience; None for nobody."""

    name = "NodeRestriction"

    def __init__(
        self, pods: Lookup, nodes: Lookup, audiences: TokenAudiences, authorizer: Authorizer | None
    ) -> None:
        self._pods = pods
        self._nodes = nodes
        self._audiences = audiences
        self._authorizer = authorizer

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation != "CONNECT"

    async def admit(self, request: AdmissionRequest) -> bool:
        """Judges, too: it changes nothing."""
        node = node_name(request.user)
        if not node:
            if is_nameless_node(request.user):
                raise forbidden(request, f'could not determine node from user "{request.user.name}"')
            return False
        if is_resource(request, "", "pods"):
            await self._pod(request, node)
        elif is_resource(request, "", "nodes"):
            _node(request, node)
        elif is_resource(request, "", "persistentvolumeclaims"):
            _claim(request, node)
        elif is_resource(request, "", "serviceaccounts"):
            if request.operation == "CREATE" and request.subresource == "token":
                await self._token(request, node)
        elif is_resource(request, "coordination.k8s.io", "leases"):
            if request.namespace != LEASE_NAMESPACE:
                why = f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
                raise forbidden(request, why)
            _named_as(request, node, "can only access node lease with the same name as the requesting node")
        elif is_resource(request, "storage.k8s.io", "csinodes"):
            _named_as(request, node, "can only access CSINode with the same name as the requesting node")
        elif is_resource(request, "resource.k8s.io", "resourceslices"):
            _slice(request, node)
        elif is_resource(request, "certificates.k8s.io", "certificatesigningrequests"):
            _certificate(request, node)
        return False

    async def _pod(self, request: AdmissionRequest, node: str) -> None:
        operation, why = request.operation, ""
        if request.subresource == "eviction":
            old = await self._pods(request.namespace, request.name)
            if old is not None and old["spec"].get("nodeName") != node:
                why = f"node {node} can only evict pods with spec.nodeName set to itself"
        elif request.subresource == "status":
            why = wrong_status(request.obj or {}, request.old or {}, node)
        elif request.subresource:
            why = f"unexpected pod subresource \"{request.subresource}\", only 'status' and 'eviction' are allowed"
        elif operation == "CREATE":
            standing = await self._nodes("", node)
            why = wrong_mirror(request.obj or {}, node, standing["metadata"]["uid"] if standing else "")
        elif operation != "DELETE":
            why = f'unexpected operation "{operation}", node "{node}" can only create and delete mirror pods'
        elif ((request.old or {}).get("spec") or {}).get("nodeName") != node:
            why = f'node "{node}" can only delete pods with spec.nodeName set to itself'
        if why:
            raise forbidden(request, why)

    async def _token(self, request: AdmissionRequest, node: str) -> None:
        """Only for a pod that runs there, named with its uid, and for an audience that the pod's volumes name."""
        ref = ((request.obj or {}).get("spec") or {}).get("boundObjectRef") or {}
        if (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Pod") or not ref.get("name"):
            raise forbidden(request, "node requested token not bound to a pod")
        if not ref.get("uid"):
            raise forbidden(request, "node requested token with a pod binding without a uid")
        pod = await self._pods(request.namespace, ref["name"])
        if pod is None:
            raise not_found("", "pods", ref["name"])
        if pod["metadata"].get("uid") != ref["uid"]:
            raise forbidden(
                request,
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        if pod["spec"].get("nodeName") != node:
            raise forbidden(request, "node requested token bound to a pod scheduled on a different node")
        await self._audience(request, pod)

    async def _audience(self, request: AdmissionRequest, pod: Obj) -> None:
        wanted = ((request.obj or {}).get("spec") or {}).get("audiences") or [""]
        if len(wanted) > 1:
            raise forbidden(request, "node may only request 0 or 1 audiences")
        async for named in self._audiences.of(pod):
            if named == wanted[0]:
                return
        asked = Attributes(
            request.user,
            "request-serviceaccounts-token-audience",
            "",
            "v1",
            wanted[0],
            namespace=request.namespace,
            name=request.name,
        )
        if self._authorizer is None or not (await decide(self._authorizer, asked)).allowed:
            raise forbidden(
                request,
                f'audience "{wanted[0]}" not found in pod spec volume, '
                f"{request.user.name} is not authorized to request tokens for this audience",
            )


def _node(request: AdmissionRequest, node: str) -> None:
    name = request.name or name_of(request.obj or {})
    _named_as(request, node, f'node "{node}" is not allowed to modify node "{name}"')
    new, old = request.obj, request.old or {}
    if new is None:
        return
    source, had = ((each.get("spec") or {}).get("configSource") for each in (new, old))
    if request.operation == "CREATE":
        if source is not None:
            raise forbidden(
                request, f'node "{node}" is not allowed to create pods with a non-nil configSource'
            )
        refused = sorted(key for key in labels_of(new) if not may_label(key))
        if refused:
            why = f'node "{node}" is not allowed to set the following labels: {", ".join(refused)}'
            raise forbidden(request, why)
        return
    if source is not None and source != had:
        why = f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
        raise forbidden(request, why)
    if ((old.get("spec") or {}).get("taints") or []) != ((new.get("spec") or {}).get("taints") or []):
        raise forbidden(request, f'node "{node}" is not allowed to modify taints')
    if (old["metadata"].get("ownerReferences") or []) != (new["metadata"].get("ownerReferences") or []):
        raise forbidden(request, f'node "{node}" is not allowed to modify ownerReferences')
    before, after = labels_of(old), labels_of(new)
    refused = sorted(
        key for key in {*before, *after} if before.get(key) != after.get(key) and not may_label(key)
    )
    if refused:
        raise forbidden(request, f"is not allowed to modify labels: {', '.join(refused)}")


def _claim(request: AdmissionRequest, node: str) -> None:
    """How large it is, and how far its growth is: nothing else, metadata least of all."""
    if request.subresource != "status":
        raise forbidden(request, "may only update PVC status")
    if _beside_growth(request.old or {}) != _beside_growth(request.obj or {}):
        raise forbidden(
            request,
            f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions',
        )


def _beside_growth(claim: Obj) -> tuple[Obj, Obj, Obj]:
    meta = {k: v for k, v in claim["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in _GROWTH}
    return meta, claim.get("spec") or {}, status


def _slice(request: AdmissionRequest, node: str) -> None:
    """Devices of its own; changes of what is there are the authorizer's to judge."""
    for operation, slice_ in (("create", request.obj), ("delete", request.old)):
        if (
            request.operation == operation.upper()
            and ((slice_ or {}).get("spec") or {}).get("nodeName") != node
        ):
            why = f"can only {operation} ResourceSlice with the same NodeName as the requesting node"
            raise forbidden(request, why)


def _certificate(request: AdmissionRequest, node: str) -> None:
    spec = (request.obj or {}).get("spec") or {}
    if request.operation != "CREATE" or spec.get("signerName") not in _NODE_SIGNERS:
        return
    said = common_name(spec.get("request") or "")
    if said is None:
        raise forbidden(request, "unable to parse csr")
    if said != PREFIX + node:
        raise forbidden(request, f"can only create a node CSR with CN={PREFIX}{node}")


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


def _named_as(request: AdmissionRequest, node: str, why: str) -> None:
    if (request.name or name_of(request.obj or request.old or {})) != node:
        raise forbidden(request, why)

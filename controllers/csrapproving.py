"""The approver: nodes get their certificates without anybody asking, if RBAC lets who asks have them so.

Owns     the condition Approved of requests it recognises; every other request waits for a person.
Woken by changes of CertificateSigningRequests.

Recognised, each by a permission of who asks (`create certificatesigningrequests/SUBRESOURCE`):
    selfnodeclient   a node renews its own client certificate
    nodeclient       a machine that is to be a node gets its first one (by a bootstrap token)
    selfnodeserver   a node gets a serving certificate for names and addresses of its own Node object;
                     upstream leaves these to people or cloud controllers: delete the ClusterRoleBinding
                     `kctl:node-autoapprove-server` to have it so
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.certificate_request import (
    KUBELET_CLIENT,
    KUBELET_SERVING,
    NODE_PREFIX,
    NODES_GROUP,
    UnreadableRequest,
    Wanted,
    load_request,
    refusal,
    verdict_of,
    wanted_of,
)
from controllers.framework import GVR, Context, Key, reconciler
from machinery.gvk import CERTIFICATESIGNINGREQUESTS, NODES

Obj = dict[str, Any]

ACCESS_REVIEWS = GVR(
    "authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False, kind="SubjectAccessReview"
)
_MESSAGES = {
    "selfnodeclient": "Auto approving self kubelet client certificate after SubjectAccessReview.",
    "nodeclient": "Auto approving kubelet client certificate after SubjectAccessReview.",
    "selfnodeserver": "Auto approving self kubelet serving certificate after SubjectAccessReview.",
}


def plan_permissions(spec: Obj, wanted: Wanted, node: Obj | None) -> Sequence[str]:
    """The subresources of which one must be permitted, best first; none where it is not recognised."""
    signer, usages = spec.get("signerName", ""), spec.get("usages") or ()
    if signer not in (KUBELET_CLIENT, KUBELET_SERVING) or refusal(signer, wanted, usages):
        return ()
    own = spec.get("username") == wanted.common_name
    if signer == KUBELET_CLIENT:
        return ("selfnodeclient", "nodeclient") if own else ("nodeclient",)
    is_node = own and NODES_GROUP in (spec.get("groups") or ())
    return ("selfnodeserver",) if is_node and node is not None and _are_its_names(wanted, node) else ()


def _are_its_names(wanted: Wanted, node: Obj) -> bool:
    addresses = (node.get("status") or {}).get("addresses") or ()
    held = {each.get("address") for each in addresses} | {node["metadata"]["name"]}
    return {*wanted.dns, *wanted.ips} <= held


@reconciler(
    CERTIFICATESIGNINGREQUESTS, name="csrapproving", reads=(NODES,), event_source="certificate-controller"
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    csr = ctx.get(key)
    if csr is None or verdict_of(csr) or (csr.get("status") or {}).get("certificate"):
        return None
    spec = csr["spec"]
    if spec.get("signerName") not in (KUBELET_CLIENT, KUBELET_SERVING):
        return None
    try:
        wanted = wanted_of(load_request(csr))
    except UnreadableRequest as error:
        ctx.log.warning("a request for a certificate cannot be read", csr=key.name, error=str(error))
        return None
    node = ctx.lister(NODES).get("", wanted.common_name.removeprefix(NODE_PREFIX))
    tried = plan_permissions(spec, wanted, node)
    for subresource in tried:
        if await _is_permitted(ctx, spec, subresource):
            await ctx.client.update(
                CERTIFICATESIGNINGREQUESTS, _approved(csr, _MESSAGES[subresource]), subresource="approval"
            )
            return None
    if tried:
        ctx.log.info(
            "recognised a request for a certificate, but access was not granted",
            csr=key.name,
            tried=list(tried),
        )
    return None


async def _is_permitted(ctx: Context, spec: Obj, subresource: str) -> bool:
    asked = {
        "group": "certificates.k8s.io",
        "resource": "certificatesigningrequests",
        "verb": "create",
        "subresource": subresource,
    }
    said = {"user": spec.get("username", ""), "resourceAttributes": asked}
    said.update({name: spec[name] for name in ("uid", "groups", "extra") if spec.get(name)})
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": said}
    answer = await ctx.client.create(ACCESS_REVIEWS, review)
    return bool((answer.get("status") or {}).get("allowed"))


def _approved(csr: Obj, message: str) -> Obj:
    condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
    status = csr.get("status") or {}
    return {**csr, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}

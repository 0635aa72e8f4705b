"""NodeRestriction's judgements of pods: which a node may make (images of its own static pods, which need nothing of the
cluster's), and what it may say of those it runs.

Pure. Each gives the reason for a refusal, "" where there is none.
Source: plugin/pkg/admission/noderestriction, pkg/api/pod HasAPIObjectReference.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.resource import Obj
from apiserver.auth.node_graph import MIRROR, pod_refs

_VOLUMES = {
    "configMap": "configmaps (via configmap volumes)",
    "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets (via azureFile volumes)",
}
_PROJECTED = {
    "configMap": "configmaps (via projected volumes)",
    "secret": "secrets (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def wrong_mirror(pod: Obj, node: str, uid: str) -> str:
    """`uid`: of the Node that stands, "" where there is none."""
    if MIRROR not in (pod["metadata"].get("annotations") or {}):
        return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    can = f'node "{node}" can only create pods with'
    if pod["spec"].get("nodeName") != node:
        return f"{can} spec.nodeName set to itself"
    owners = pod["metadata"].get("ownerReferences") or []
    if len(owners) > 1:
        return f"{can} a single owner reference set to itself"
    owner = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        return f"{can} an owner reference set to itself"
    if not owner.get("controller"):
        return f"{can} a controller owner reference set to itself"
    if owner.get("blockOwnerDeletion"):
        return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    if owner.get("uid") != uid:
        return f"node {node} UID mismatch: expected {uid} got {owner.get('uid', '')}"
    used = reference_of(pod)
    return f'node "{node}" can not create pods that reference {used}' if used else ""


def reference_of(pod: Obj) -> str:
    """The first sort of API objects that the pod needs; "" where it needs none."""
    spec = pod["spec"]
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    plain = {**pod, "metadata": {"name": ""}}  # what a mirror pod refers to counts for nothing elsewhere
    found = {ref.resource for ref in pod_refs("", "", plain)}
    for resource in ("secrets", "configmaps"):
        if resource in found:
            return resource
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in spec.get("volumes") or ():
        for kind, what in _VOLUMES.items():
            if volume.get(kind) is not None:
                return what
        for source in (volume.get("projected") or {}).get("sources") or ():
            for kind, what in _PROJECTED.items():
                if source.get(kind) is not None:
                    return what
    return ""


def wrong_status(new: Obj, old: Obj, node: str) -> str:
    if (old.get("spec") or {}).get("nodeName") != node:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if labels_of(old) != labels_of(new):
        return f'node "{node}" cannot update labels through pod status'
    if _claims(old) != _claims(new):
        return f'node "{node}" cannot update resource claim statues'
    of_extended = [(each.get("status") or {}).get("extendedResourceClaimStatus") for each in (old, new)]
    return (
        ""
        if of_extended[0] == of_extended[1]
        else (f'node "{node}" cannot update extended resource claim status')
    )


def labels_of(obj: Obj) -> Mapping[str, str]:
    labels: Mapping[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return labels


def _claims(pod: Obj) -> list[tuple[object, object]]:
    statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    return [(each.get("name"), each.get("resourceClaimName")) for each in statuses]

"""A node speaks only for itself: its Node, the pods it runs, images of its static pods, its claims, slices and certificates."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from admission_requests import NODE, asking, go, things
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.node_restriction import NodeRestriction, may_label
from apiserver.admission.node_restriction_pods import reference_of
from apiserver.admission.token_audiences import TokenAudiences
from apiserver.auth.chain import ALLOWED, NO_OPINION
from apiserver.auth.seams import Decision
from apiserver.auth.user import Attributes, User
from machinery.errors import Forbidden, NotFound

Obj = dict[str, Any]
VOLUMES = [
    {"name": "api", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"configMap": {}}]}},
    {"name": "vault", "projected": {"sources": [{"serviceAccountToken": {"audience": "vault"}}]}},
    {"name": "inline", "csi": {"driver": "inline.example.com"}},
    {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}},
    {"name": "own", "ephemeral": {}},
    {"name": "unbound", "persistentVolumeClaim": {"claimName": "unbound"}},
]
MINE = {
    "metadata": {"name": "mine", "namespace": "a", "uid": "u"},
    "spec": {"nodeName": "n1", "volumes": VOLUMES},
}
BARE = {"metadata": {"name": "bare", "namespace": "a", "uid": "b"}, "spec": {"nodeName": "n1"}}
THEIRS = {"metadata": {"name": "theirs", "namespace": "a", "uid": "t"}, "spec": {"nodeName": "n2"}}


def driver(name: str, *audiences: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"tokenRequests": [{"audience": each} for each in audiences]}}


def claim(name: str, volume: str) -> Obj:
    return {"metadata": {"name": name, "namespace": "a"}, "spec": {"volumeName": volume} if volume else {}}


def volume(name: str, driver: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"csi": {"driver": driver}}}


AUDIENCES = TokenAudiences(
    things(claim("disk", "v1"), claim("mine-own", "v2"), claim("unbound", "")),
    things(volume("v1", "disk.example.com"), volume("v2", "own.example.com")),
    things(
        driver("inline.example.com", "x", "inline"),
        driver("disk.example.com", "disk"),
        driver("own.example.com", "own"),
    ),
)


class Some:
    """One audience may be had by every node."""

    def authorize(self, asked: Attributes) -> Decision:
        free = asked.verb == "request-serviceaccounts-token-audience" and asked.resource == "free"
        return ALLOWED if free and (asked.namespace, asked.name) == ("a", "bot") else NO_OPINION


RESTRICTION = NodeRestriction(
    things(MINE, THEIRS, BARE), things({"metadata": {"name": "n1", "uid": "node-uid"}}), AUDIENCES, Some()
)


def judge(request: AdmissionRequest, refused: str) -> None:
    if not refused:
        go(RESTRICTION, request)
        return
    with pytest.raises(Forbidden) as caught:
        go(RESTRICTION, request)
    assert refused in caught.value.message


def of_node(operation: str, plural: str, obj: Obj | None = None, **more: Any) -> AdmissionRequest:
    return asking(operation, plural, obj, user=NODE, **more)


def status(pod: Obj, meta: Obj | None = None, **fields: Any) -> AdmissionRequest:
    new = {**pod, "metadata": {**pod["metadata"], **(meta or {})}, "status": fields}
    return of_node("UPDATE", "pods", new, old=pod, subresource="status")


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (status(MINE, phase="Running"), ""),
        (
            status(THEIRS),
            'node "n1" can only update pod status for pods with spec.nodeName set to itself',
        ),
        (status(MINE, {"labels": {"a": "b"}}), 'node "n1" cannot update labels through pod status'),
        (
            status(MINE, resourceClaimStatuses=[{"name": "c", "resourceClaimName": "any"}]),
            'node "n1" cannot update resource claim statues',
        ),
        (
            status(MINE, extendedResourceClaimStatus={"resourceClaimName": "any"}),
            'node "n1" cannot update extended resource claim status',
        ),
        (of_node("DELETE", "pods", old=MINE), ""),
        (of_node("DELETE", "pods", old=THEIRS), "can only delete pods with spec.nodeName set to itself"),
        (of_node("CREATE", "pods", {}, name="mine", subresource="eviction"), ""),
        (of_node("CREATE", "pods", {}, name="theirs", subresource="eviction"), "can only evict pods with"),
        (
            of_node("CREATE", "pods", {}, name="mine", subresource="binding"),
            'unexpected pod subresource "binding"',
        ),
        (
            of_node("UPDATE", "pods", MINE, old=MINE),
            'unexpected operation "UPDATE", node "n1" can only create and',
        ),
        (asking("UPDATE", "pods", THEIRS, old=THEIRS, subresource="status"), ""),
    ],
)
def test_of_pods_a_node_changes_the_status_of_its_own(request_: AdmissionRequest, refused: str) -> None:
    judge(request_, refused)


OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid", "controller": True}


def mirror(owners: Sequence[Obj] = (OWNER,), annotated: bool = True, **spec: Any) -> Obj:
    annotations = {"kubernetes.io/config.mirror": "hash"} if annotated else {}
    meta = {"name": "m", "annotations": annotations, "ownerReferences": list(owners)}
    return {"metadata": meta, "spec": {"nodeName": "n1", "containers": [{"name": "c"}], **spec}}


@pytest.mark.parametrize(
    ("pod", "refused"),
    [
        (mirror(), ""),
        (
            mirror(annotated=False),
            'does not have "kubernetes.io/config.mirror" annotation, node "n1" can only',
        ),
        (mirror(nodeName="n2"), 'node "n1" can only create pods with spec.nodeName set to itself'),
        (mirror([]), "can only create pods with an owner reference set to itself"),
        (mirror([OWNER, OWNER]), "can only create pods with a single owner reference set to itself"),
        (mirror([{**OWNER, "name": "n2"}]), "with an owner reference set to itself"),
        (mirror([{**OWNER, "kind": "Pod"}]), "with an owner reference set to itself"),
        (mirror([{**OWNER, "controller": False}]), "with a controller owner reference set to itself"),
        (
            mirror([{**OWNER, "blockOwnerDeletion": True}]),
            "must not set blockOwnerDeletion on an owner reference",
        ),
        (mirror([{**OWNER, "uid": "old"}]), "node n1 UID mismatch: expected node-uid got old"),
        (mirror(serviceAccountName="bot"), 'node "n1" can not create pods that reference serviceaccounts'),
    ],
)
def test_of_new_pods_a_node_makes_images_of_its_static_ones(pod: Obj, refused: str) -> None:
    judge(of_node("CREATE", "pods", pod), refused)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"volumes": [{"hostPath": {}}, {"projected": {"sources": [{"downwardAPI": {}}]}}]}, ""),
        ({"imagePullSecrets": [{"name": "s"}]}, "secrets"),
        ({"containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "c"}}}]}]}, "configmaps"),
        ({"resourceClaims": [{"name": "r"}]}, "resourceclaims"),
        ({"volumes": [{"csi": {"driver": "d"}}]}, "csidrivers (via CSI volumes)"),
        ({"volumes": [{"persistentVolumeClaim": {"claimName": "c"}}]}, "persistentvolumeclaims"),
        ({"volumes": [{"name": "v", "ephemeral": {}}]}, "persistentvolumeclaims (via ephemeral volumes)"),
        ({"volumes": [{"azureFile": {}}]}, "secrets (via azureFile volumes)"),
        (
            {"volumes": [{"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "serviceaccounts (via projected volumes)",
        ),
    ],
)
def test_what_a_static_pod_may_not_need_is_named(spec: Obj, found: str) -> None:
    assert reference_of({"metadata": {"name": "p"}, "spec": {"containers": [], **spec}}) == found


def node(name: str, labels: Obj | None = None, **spec: Any) -> Obj:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}


def changed(**new: Any) -> AdmissionRequest:
    return of_node("UPDATE", "nodes", node("n1", **new), old=node("n1"))


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (of_node("CREATE", "nodes", node("n1", {"kubernetes.io/hostname": "n1"})), ""),
        (of_node("CREATE", "nodes", node("n2")), 'node "n1" is not allowed to modify node "n2"'),
        (
            of_node("CREATE", "nodes", node("n1", {"node-role.kubernetes.io/x": ""})),
            'node "n1" is not allowed to set the following labels: node-role.kubernetes.io/x',
        ),
        (of_node("CREATE", "nodes", node("n1", configSource={})), "with a non-nil configSource"),
        (changed(configSource={}), "not allowed to update configSource to a new non-nil configSource"),
        (
            changed(labels={"node-role.kubernetes.io/x": ""}),
            "is not allowed to modify labels: node-role.kubernetes.io/x",
        ),
        (changed(taints=[]), ""),
        (changed(taints=[{"key": "x"}]), 'node "n1" is not allowed to modify taints'),
        (asking("UPDATE", "nodes", node("n1", taints=[{"key": "x"}]), old=node("n1")), ""),
    ],
)
def test_a_node_writes_its_own_node_without_what_schedulers_trust(
    request_: AdmissionRequest, refused: str
) -> None:
    judge(request_, refused)


CLAIM = {
    "metadata": {"name": "c", "labels": {"a": "b"}, "resourceVersion": "1"},
    "spec": {"volumeName": "v"},
    "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
}


def grown(meta: Obj | None = None, **status: Any) -> AdmissionRequest:
    new = {**CLAIM, "metadata": {"name": "c", "labels": {"a": "b"}, **(meta or {})}}
    new["status"] = {"phase": "Bound", **status}
    return of_node("UPDATE", "persistentvolumeclaims", new, old=CLAIM, subresource="status")


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (grown({"managedFields": []}, capacity={"storage": "2Gi"}, conditions=[{"type": "Resizing"}]), ""),
        (grown(allocatedResources={"storage": "2Gi"}, allocatedResourceStatuses={}), ""),
        (grown({"labels": {}}), "fields other than status.quantity and status.conditions"),
        (grown({"ownerReferences": [{"name": "x"}]}), "fields other than status.quantity"),
        (grown(phase="Lost"), "fields other than status.quantity"),
        (of_node("UPDATE", "persistentvolumeclaims", CLAIM, old=CLAIM), "may only update PVC status"),
    ],
)
def test_of_claims_a_node_says_how_large_they_are(request_: AdmissionRequest, refused: str) -> None:
    judge(request_, refused)


def signing_request(name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else [])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def certificate(name: str, signer: str = "kubernetes.io/kubelet-serving") -> AdmissionRequest:
    request = signing_request(name) if name != "?" else "bm9uc2Vuc2U="
    obj = {"metadata": {"name": "r"}, "spec": {"signerName": signer, "request": request}}
    return of_node("CREATE", "certificatesigningrequests", obj, group="certificates.k8s.io", namespace="")


def devices(operation: str, node: str) -> AdmissionRequest:
    obj = {"metadata": {"name": "s"}, "spec": {"nodeName": node}}
    old = obj if operation == "DELETE" else None
    new = None if operation == "DELETE" else obj
    return of_node(operation, "resourceslices", new, old=old, group="resource.k8s.io", namespace="")


def lease(name: str, namespace: str = "kube-node-lease") -> AdmissionRequest:
    obj = {"metadata": {"name": name}}
    return of_node("CREATE", "leases", obj, group="coordination.k8s.io", namespace=namespace)


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (certificate("system:node:n1"), ""),
        (certificate("system:node:n2"), "can only create a node CSR with CN=system:node:n1"),
        (certificate(""), "can only create a node CSR with CN=system:node:n1"),
        (
            certificate("system:node:n2", "kubernetes.io/kube-apiserver-client-kubelet"),
            "can only create a node CSR",
        ),
        (certificate("system:node:n2", "example.com/other"), ""),
        (certificate("?"), "unable to parse csr"),
        (devices("CREATE", "n1"), ""),
        (
            devices("CREATE", "n2"),
            "can only create ResourceSlice with the same NodeName as the requesting node",
        ),
        (devices("DELETE", "n1"), ""),
        (
            devices("DELETE", "n2"),
            "can only delete ResourceSlice with the same NodeName as the requesting node",
        ),
        (lease("n1"), ""),
        (lease("n2"), "can only access node lease with the same name as the requesting node"),
        (lease("n1", "default"), 'can only access leases in the "kube-node-lease" system namespace'),
        (
            of_node("CREATE", "csinodes", {"metadata": {"name": "n2"}}, group="storage.k8s.io", namespace=""),
            "can only access CSINode with the same name as the requesting node",
        ),
    ],
)
def test_what_bears_a_nodes_name_is_that_nodes(request_: AdmissionRequest, refused: str) -> None:
    judge(request_, refused)


def token(*audiences: str, **ref: str) -> AdmissionRequest:
    spec = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", **ref}}
    obj = {"spec": {**spec, "audiences": list(audiences)}}
    return of_node("CREATE", "serviceaccounts", obj, subresource="token", name="bot")


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (token(name="mine", uid="u"), ""),
        (token(name="theirs", uid="t"), "bound to a pod scheduled on a different node"),
        (token(name="mine", uid="old"), "(old) does not match the UID in record"),
        (token(name="mine"), "with a pod binding without a uid"),
        (token(), "not bound to a pod"),
        (token(name="mine", uid="u", kind="Node"), "not bound to a pod"),
        (token("", name="mine", uid="u"), ""),
        (token("vault", name="mine", uid="u"), ""),
        (token("inline", name="mine", uid="u"), ""),
        (token("disk", name="mine", uid="u"), ""),
        (token("own", name="mine", uid="u"), ""),
        (token("free", name="mine", uid="u"), ""),
        (
            token("other", name="mine", uid="u"),
            'audience "other" not found in pod spec volume, system:node:n1 is not authorized to request tokens',
        ),
        (token("vault", "disk", name="mine", uid="u"), "node may only request 0 or 1 audiences"),
        (token(name="bare", uid="b"), 'audience "" not found in pod spec volume'),
    ],
)
def test_a_node_gets_tokens_for_pods_that_it_runs(request_: AdmissionRequest, refused: str) -> None:
    judge(request_, refused)


def test_a_token_for_a_pod_that_is_gone_is_not_found() -> None:
    with pytest.raises(NotFound, match='pods "gone" not found'):
        go(RESTRICTION, token(name="gone", uid="g"))


def test_node_labels_itself_with_nothing_that_schedulers_trust() -> None:
    allowed = (
        "plain",
        "example.com/x",
        "kubernetes.io/arch",
        "node.kubernetes.io/x",
        "x.kubelet.kubernetes.io/y",
    )
    refused = (
        "node-role.kubernetes.io/x",
        "kubernetes.io/x",
        "kubernetes.io/role",
        "node-restriction.kubernetes.io/x",
        "a.k8s.io/x",
    )
    assert [may_label(key) for key in (*allowed, *refused)] == [True] * len(allowed) + [False] * len(refused)


def test_one_of_the_nodes_without_a_name_may_write_nothing() -> None:
    nameless = User("system:node:", ("system:nodes",))
    judge(
        asking("CREATE", "configmaps", {"metadata": {"name": "c"}}, user=nameless), "could not determine node"
    )
    judge(asking("CREATE", "configmaps", {"metadata": {"name": "c"}}, user=User("system:node:")), "")

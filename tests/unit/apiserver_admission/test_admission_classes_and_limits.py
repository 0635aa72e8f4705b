"""LimitRanger, RuntimeClass, default classes, storage in use, certificate requests."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, cast

import orjson
import pytest

from api import registry
from api.resource import Resource
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from apiserver.admission.collection import Collection
from apiserver.admission.default_class import DefaultIngressClass, DefaultStorageClass
from apiserver.admission.external_ips import DenyServiceExternalIPs
from apiserver.admission.limit_ranger import ANNOTATION, LimitRanger
from apiserver.admission.lookup import Plugin
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.storage_protection import (
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from apiserver.auth.seams import Decision
from apiserver.auth.user import Attributes, User
from apiserver.storage.store import Store
from machinery.errors import Forbidden
from machinery.gvk import GVR

Obj = dict[str, Any]
POD = next(each for each in registry.load() if each.gvr.resource == "pods")


class Listing:
    """The one method of a Store that a Collection uses, over a fixed list."""

    def __init__(self, *objs: Obj) -> None:
        self.blob = b",".join(orjson.dumps(each) for each in objs)

    async def list_json(self, namespace: str = "") -> tuple[bytes, int]:
        return self.blob, 1

    def is_newest(self, blob: bytes, namespace: str = "") -> bool:
        return blob is self.blob


def collection(*objs: Obj) -> Collection:
    return Collection(cast(Store, Listing(*objs)))


def asking(
    operation: Any, plural: str, obj: Obj | None, old: Obj | None = None, **more: Any
) -> AdmissionRequest:
    resource = Resource(
        gvr=GVR(more.get("group", ""), "v1", plural),
        kind="Any",
        list_kind="AnyList",
        singular="any",
        schema=POD.schema,
        codec=POD.codec,
        strategy=POD.strategy,
        columns=(),
    )
    name = ((obj or old or {}).get("metadata") or {}).get("name", "")
    return AdmissionRequest(
        operation, resource, more.get("subresource", ""), "a", name, obj, old, more.get("user", User("jane"))
    )


def go(plugin: Plugin, request: AdmissionRequest) -> Obj:
    async def main() -> None:
        if plugin.handles(request):
            await plugin.admit(request)
            await plugin.validate(request)

    asyncio.run(main())
    return request.obj or {}


def pod(*containers: Obj, **spec: Any) -> Obj:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers) or [{"name": "c"}], **spec}}


def limits(*items: Obj, namespace: str = "a") -> LimitRanger:
    return LimitRanger(
        collection({"metadata": {"name": "l", "namespace": namespace}, "spec": {"limits": list(items)}})
    )


def test_container_gets_what_it_does_not_say_and_a_note_tells_so() -> None:
    item = {
        "type": "Container",
        "default": {"cpu": "500m", "memory": "1Gi"},
        "defaultRequest": {"cpu": "100m", "memory": "1Gi"},
    }
    made = pod(
        {"name": "c"},
        {"name": "own", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}},
        initContainers=[{"name": "i"}],
    )
    spec = go(limits(item), asking("CREATE", "pods", made))["spec"]
    assert spec["containers"][0]["resources"] == {
        "requests": item["defaultRequest"],
        "limits": item["default"],
    }
    assert spec["containers"][1]["resources"] == {
        "limits": {"cpu": "2", "memory": "1Gi"},
        "requests": {"cpu": "1", "memory": "1Gi"},
    }
    assert made["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c; "
        "memory request for container own; memory limit for container own; "
        "cpu, memory request for init container i; cpu, memory limit for init container i"
    )
    assert (
        "resources"
        not in go(limits(item, namespace="b"), asking("CREATE", "pods", pod()))["spec"]["containers"][0]
    )


def sized(limit: str = "", request: str = "") -> Obj:
    resources: Obj = {}
    if limit:
        resources["limits"] = {"cpu": limit}
    if request:
        resources["requests"] = {"cpu": request}
    return {"name": "c", "resources": resources}


@pytest.mark.parametrize(
    ("item", "container", "message"),
    [
        ({"min": {"cpu": "1"}}, sized(), "minimum cpu usage per Container is 1.  No request is specified"),
        (
            {"min": {"cpu": "1"}},
            sized("2", "500m"),
            "minimum cpu usage per Container is 1, but request is 500m",
        ),
        (
            {"max": {"cpu": "1"}},
            sized("", "500m"),
            "maximum cpu usage per Container is 1.  No limit is specified",
        ),
        (
            {"max": {"cpu": "1"}},
            sized("1500m", "1"),
            "maximum cpu usage per Container is 1, but limit is 1500m",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            sized("1", "250m"),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            sized("1"),
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
        (
            {"min": {"cpu": "1"}, "max": {"cpu": "2"}},
            sized(),
            "[minimum cpu usage per Container is 1.  No request is specified, "
            "maximum cpu usage per Container is 2.  No limit is specified]",
        ),
    ],
)
def test_container_out_of_bounds_is_refused(item: Obj, container: Obj, message: str) -> None:
    plugin = limits({"type": "Container", **item})
    with pytest.raises(Forbidden) as caught:
        go(plugin, asking("CREATE", "pods", pod(container)))
    assert caught.value.message == f'pods "p" is forbidden: {message}'
    resized = asking("UPDATE", "pods", pod(container), pod(), subresource="resize")
    with pytest.raises(Forbidden):
        go(plugin, resized)
    go(plugin, asking("UPDATE", "pods", pod(container), pod()))


def test_pod_is_judged_as_a_whole() -> None:
    plugin = limits({"type": "Pod", "max": {"cpu": "2"}})
    go(plugin, asking("CREATE", "pods", pod(sized("1"), sized("1"), initContainers=[sized("2")])))
    with pytest.raises(Forbidden, match="maximum cpu usage per Pod is 2, but limit is 3"):
        go(plugin, asking("CREATE", "pods", pod(sized("1"), sized("1"), initContainers=[sized("3")])))
    sidecar = {**sized("1"), "restartPolicy": "Always"}
    with pytest.raises(Forbidden, match="but limit is 3"):
        go(plugin, asking("CREATE", "pods", pod(sized("1"), sized("1"), initContainers=[sidecar])))


def claim(storage: str = "1Gi", phase: str = "Bound", **spec: Any) -> Obj:
    return {
        "metadata": {"name": "c"},
        "spec": {"resources": {"requests": {"storage": storage}}, **spec},
        "status": {"phase": phase},
    }


def test_claim_out_of_bounds_is_refused() -> None:
    plugin = limits({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}})
    go(plugin, asking("CREATE", "persistentvolumeclaims", claim("2Gi")))
    with pytest.raises(
        Forbidden, match="maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
    ):
        go(plugin, asking("CREATE", "persistentvolumeclaims", claim("3Gi")))
    with pytest.raises(
        Forbidden, match="minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"
    ):
        go(plugin, asking("CREATE", "persistentvolumeclaims", claim("1Mi")))


SANDBOXED = {
    "metadata": {"name": "sandboxed"},
    "handler": "gvisor",
    "overhead": {"podFixed": {"cpu": "250m"}},
    "scheduling": {"nodeSelector": {"sandbox": "yes"}, "tolerations": [{"key": "s", "operator": "Exists"}]},
}


def test_pod_takes_on_its_runtime_classs_overhead_and_scheduling() -> None:
    plugin = RuntimeClass(collection(SANDBOXED, {"metadata": {"name": "plain"}, "handler": "x"}))
    own = [{"key": "o"}]
    spec = go(plugin, asking("CREATE", "pods", pod(runtimeClassName="sandboxed", tolerations=own)))["spec"]
    assert spec["overhead"] == {"cpu": "250m"} and spec["nodeSelector"] == {"sandbox": "yes"}
    assert spec["tolerations"] == [{"key": "o"}, {"key": "s", "operator": "Exists"}]
    go(plugin, asking("CREATE", "pods", pod(runtimeClassName="sandboxed", overhead={"cpu": "0.25"})))
    assert "overhead" not in go(plugin, asking("CREATE", "pods", pod(runtimeClassName="plain")))["spec"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        (
            {"runtimeClassName": "sandboxed", "overhead": {"cpu": "1"}},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            {"runtimeClassName": "sandboxed", "nodeSelector": {"sandbox": "no"}},
            "conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no",
        ),
    ],
)
def test_pod_at_odds_with_its_runtime_class_is_refused(spec: Obj, message: str) -> None:
    with pytest.raises(Forbidden) as caught:
        go(RuntimeClass(collection(SANDBOXED)), asking("CREATE", "pods", pod(**spec)))
    assert caught.value.message == f'pods "p" is forbidden: {message}'


def marked(name: str, mark: str, made: str = "2026-01-01T00:00:00Z") -> Obj:
    return {"metadata": {"name": name, "creationTimestamp": made, "annotations": {mark: "true"}}}


def test_newest_default_class_is_taken_where_none_is_said() -> None:
    mark = "storageclass.kubernetes.io/is-default-class"
    plugin = DefaultStorageClass(
        collection(marked("b", mark), marked("a", mark), marked("old", mark, "2025-01-01T00:00:00Z"))
    )

    def chosen(made: Obj) -> Any:
        return go(plugin, asking("CREATE", "persistentvolumeclaims", made))["spec"].get("storageClassName")

    assert chosen(claim()) == "a"
    assert chosen(claim(storageClassName="")) == ""
    assert chosen(claim(storageClassName="mine")) == "mine"
    ingress = DefaultIngressClass(collection(marked("n", "ingressclass.kubernetes.io/is-default-class")))
    made = asking("CREATE", "ingresses", {"metadata": {"name": "i"}, "spec": {}}, group="networking.k8s.io")
    assert go(ingress, made)["spec"] == {"ingressClassName": "n"}
    old_style = {"metadata": {"name": "i", "annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": {}}
    assert go(ingress, asking("CREATE", "ingresses", old_style, group="networking.k8s.io"))["spec"] == {}


def test_storage_is_protected_while_in_use() -> None:
    made = go(StorageObjectInUseProtection(), asking("CREATE", "persistentvolumeclaims", claim()))
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


def test_claim_grows_only_where_its_class_allows() -> None:
    plugin = PersistentVolumeClaimResize(
        collection(
            {"metadata": {"name": "grows"}, "allowVolumeExpansion": True}, {"metadata": {"name": "stays"}}
        )
    )

    def resize(class_: str, phase: str = "Bound") -> None:
        new, old = claim("2Gi", phase, storageClassName=class_), claim("1Gi", phase, storageClassName=class_)
        go(plugin, asking("UPDATE", "persistentvolumeclaims", new, old))

    resize("grows")
    with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
        resize("stays")
    with pytest.raises(Forbidden, match="Only bound persistent volume claims can be expanded"):
        resize("grows", "Pending")


class Permits:
    def __init__(self, *signers: str) -> None:
        self.signers: Sequence[str] = signers

    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(attributes.resource == "signers" and attributes.name in self.signers)


def test_signer_may_be_permitted_by_name_or_domain() -> None:
    csr = {"metadata": {"name": "r"}, "spec": {"signerName": "example.com/web"}}
    signed = {**csr, "status": {"certificate": "abc"}}
    approving = {"group": "certificates.k8s.io", "subresource": "approval"}
    signing = {"group": "certificates.k8s.io", "subresource": "status"}
    plural = "certificatesigningrequests"
    go(CertificateApproval(Permits("example.com/*")), asking("UPDATE", plural, csr, csr, **approving))
    go(CertificateSigning(Permits("example.com/web")), asking("UPDATE", plural, signed, csr, **signing))
    go(CertificateSigning(Permits()), asking("UPDATE", plural, csr, csr, **signing))
    with pytest.raises(
        Forbidden, match=r'user not permitted to approve requests with signerName "example.com/web"'
    ):
        go(CertificateApproval(Permits("other/*")), asking("UPDATE", plural, csr, csr, **approving))
    with pytest.raises(Forbidden, match="user not permitted to sign"):
        go(CertificateSigning(Permits()), asking("UPDATE", plural, signed, csr, **signing))


def test_nobody_asks_to_be_a_master() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def request(organization: str) -> Obj:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization)])
        key = ec.generate_private_key(ec.SECP256R1())
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        pem = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
        return {
            "metadata": {"name": "r"},
            "spec": {"signerName": "kubernetes.io/kube-apiserver-client", "request": pem},
        }

    def create(organization: str) -> None:
        made = asking(
            "CREATE", "certificatesigningrequests", request(organization), group="certificates.k8s.io"
        )
        go(CertificateSubjectRestriction(), made)

    create("developers")
    with pytest.raises(Forbidden, match="signer with system:masters group is not allowed"):
        create("system:masters")


def test_external_addresses_may_only_go_where_they_are_denied() -> None:
    def service(*addresses: str) -> Obj:
        return {"metadata": {"name": "s"}, "spec": {"externalIPs": list(addresses)}}

    plugin = DenyServiceExternalIPs()
    go(plugin, asking("UPDATE", "services", service("1.2.3.4"), service("1.2.3.4", "5.6.7.8")))
    with pytest.raises(Forbidden, match="Use of external IPs is denied by admission control"):
        go(plugin, asking("CREATE", "services", service("1.2.3.4")))


def test_collection_reads_again_only_after_a_change() -> None:
    async def main() -> None:
        listing = Listing({"metadata": {"name": "x", "namespace": "a"}})
        known = Collection(cast(Store, listing))
        first = await known.all()
        assert await known.all() is first and len(await known.within("a")) == 1
        assert await known.within("b") == ()
        listing.blob = b""
        assert await known.all() == [] and await known.within("a") == ()
        assert known.generation == 2

    asyncio.run(main())

"""StorageObjectInUseProtection and PersistentVolumeClaimResize: what becomes of storage that is in use.

A claim and a volume get a finalizer that a controller takes away once nobody uses them; a claim grows only where its
class says that it may. Source: Kubernetes "Persistent Volumes".
"""

from __future__ import annotations

from api.quota.pod_resources import amounts_of
from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.collection import Collection
from apiserver.admission.lookup import Plugin, forbidden, is_resource
from machinery.quantity import Quantity

FINALIZERS = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}


class StorageObjectInUseProtection(Plugin):
    name = "StorageObjectInUseProtection"

    def handles(self, request: AdmissionRequest) -> bool:
        gvr = request.resource.gvr
        return (
            request.operation == "CREATE"
            and not request.subresource
            and gvr.group == ""
            and gvr.resource in FINALIZERS
        )

    async def admit(self, request: AdmissionRequest) -> None:
        if request.obj is not None:
            finalizers = request.obj["metadata"].setdefault("finalizers", [])
            wanted = FINALIZERS[request.resource.gvr.resource]
            if wanted not in finalizers:
                finalizers.append(wanted)


class PersistentVolumeClaimResize(Plugin):
    name = "PersistentVolumeClaimResize"

    def __init__(self, classes: Collection) -> None:
        self._classes = classes

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            request.operation == "UPDATE"
            and is_resource(request, "", "persistentvolumeclaims")
            and not request.subresource
        )

    async def validate(self, request: AdmissionRequest) -> None:
        new, old = request.obj or {}, request.old or {}
        wanted, standing = _storage(new), _storage(old)
        if wanted is None or standing is None or wanted <= standing:
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise forbidden(request, "Only bound persistent volume claims can be expanded")
        name = _class_of(new)
        chosen = await self._classes.named(name) if name and name == _class_of(old) else None
        if not (chosen or {}).get("allowVolumeExpansion"):
            raise forbidden(
                request,
                "only dynamically provisioned pvc can be resized and "
                "the storageclass that provisions the pvc must support resize",
            )


def _storage(claim: Obj) -> Quantity | None:
    return amounts_of(claim.get("spec") or {}, "requests").get("storage")


def _class_of(claim: Obj) -> str:
    annotations = claim["metadata"].get("annotations") or {}
    return str(
        annotations.get("volume.beta.kubernetes.io/storage-class")
        or (claim.get("spec") or {}).get("storageClassName")
        or ""
    )

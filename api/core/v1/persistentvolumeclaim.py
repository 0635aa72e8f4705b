"""PersistentVolumeClaim: a user's wish for storage."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field, text
from api.core.v1.amounts import round_up_in
from api.core.v1.pod_defaults import default_claim_spec
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.claim import (
    CLASS_ANNOTATION,
    claim_warnings,
    validate_claim,
    validate_claim_status,
    validate_claim_update,
)
from api.validation.parameters import short_modes
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class PersistentVolumeClaimStrategy(SpecStatusStrategy):
    has_generation = False

    def default(self, obj: Obj) -> None:
        default_claim_spec(obj.setdefault("spec", {}))
        status = obj.setdefault("status", {})
        status.setdefault("phase", "Pending")
        round_up_in(status, "capacity", "allocatedResources")

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"phase": "Pending"}
        _settle_sources(obj["spec"], {})

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_update(obj, old)
        _settle_sources(obj["spec"], old["spec"])

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_claim(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_claim_update(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_claim_status(obj)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        return (*super().warnings(obj, old), *claim_warnings(obj))


def _is_old_source(source: Obj | None) -> bool:
    said = (source or {}).get("apiGroup") or "", (source or {}).get("kind")
    return said in (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def _settle_sources(spec: Obj, was: Obj) -> None:
    """dataSource and dataSourceRef say the same, whichever was given; one in another namespace has no old form.

    Sources in other namespaces are behind a gate that is off, and dataSource alone names claims and snapshots only: both
    are forgotten, unless the claim has a source already.
    """
    if was.get("dataSourceRef") is None and (spec.get("dataSourceRef") or {}).get("namespace"):
        del spec["dataSourceRef"]
    has_source = any(was.get(key) is not None for key in ("dataSource", "dataSourceRef"))
    if not has_source and spec.get("dataSourceRef") is None and not _is_old_source(spec.get("dataSource")):
        spec.pop("dataSource", None)
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and ref is None:
        spec["dataSourceRef"] = dict(source)
    elif ref is not None and source is None and not ref.get("namespace"):
        spec["dataSource"] = dict(ref)


def _status(obj: Obj, now: float) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return field(obj, "status", "phase") or ""


def _class(obj: Obj, now: float) -> str:
    noted = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return noted or field(obj, "spec", "storageClassName") or ""


def _capacity(obj: Obj, now: float) -> str:
    return (field(obj, "status", "capacity", "storage") or "0") if field(obj, "spec", "volumeName") else ""


def _modes(obj: Obj, now: float) -> str:
    return short_modes(field(obj, "status", "accessModes")) if field(obj, "spec", "volumeName") else ""


PERSISTENTVOLUMECLAIM = builtin(
    GVR("", "v1", "persistentvolumeclaims", kind="PersistentVolumeClaim"),
    "api.core.v1.persistentvolumeclaim_types:PersistentVolumeClaim",
    strategy=PersistentVolumeClaimStrategy(),
    columns=(
        NAME,
        Column("Status", _status, description="Its phase."),
        Column("Volume", text("spec", "volumeName", absent=""), description="The volume it is bound to."),
        Column("Capacity", _capacity, description="Its volume's size."),
        Column("Access Modes", _modes, description="How its volume can be mounted."),
        Column("StorageClass", _class, description="The class of its volume."),
        Column(
            "VolumeAttributesClass",
            text("spec", "volumeAttributesClassName", absent="<unset>"),
            description="The class of attributes that its volume gets.",
        ),
        AGE,
        Column(
            "VolumeMode",
            text("spec", "volumeMode", absent="<unset>"),
            priority=1,
            description="Filesystem or Block.",
        ),
    ),
    short_names=("pvc",),
    subresources=(status_of("PersistentVolumeClaim"),),
    returns_deleted=True,
)

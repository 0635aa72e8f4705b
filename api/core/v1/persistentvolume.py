"""PersistentVolume: a piece of storage of the cluster."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field, text
from api.core.v1.amounts import round_up_in
from api.core.v1.pod_defaults import default_network_volume
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.claim import CLASS_ANNOTATION
from api.validation.parameters import short_modes
from api.validation.persistentvolume import validate_volume, validate_volume_update, volume_warnings
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_BEGAN = "lastPhaseTransitionTime"


class PersistentVolumeStrategy(SpecStatusStrategy):
    has_generation = False

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
        spec.setdefault("volumeMode", "Filesystem")
        if spec.get("hostPath") is not None:
            spec["hostPath"].setdefault("type", "")
        default_network_volume(spec)
        round_up_in(spec, "capacity")
        obj.setdefault("status", {}).setdefault("phase", "Pending")

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"phase": "Pending"}

    def stamp(self, obj: Obj, old: Obj | None, now: str) -> None:
        """A new phase begins now, unless its writer says when; who says nothing of a phase that stays, changes nothing."""
        status, was = obj.setdefault("status", {}), (old or {}).get("status") or {}
        began, had = status.get(_BEGAN), was.get(_BEGAN)
        if old is None or (status.get("phase") != was.get("phase") and began in (None, had)):
            status[_BEGAN] = now
        elif began is None and had is not None and status.get("phase") == was.get("phase"):
            status[_BEGAN] = had

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_volume(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_volume_update(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        return (*super().warnings(obj, old), *volume_warnings(obj))


def _status(obj: Obj, now: float) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return field(obj, "status", "phase") or ""


def _claim(obj: Obj, now: float) -> str:
    claim = field(obj, "spec", "claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _class(obj: Obj, now: float) -> str:
    noted = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return noted or field(obj, "spec", "storageClassName") or ""


PERSISTENTVOLUME = builtin(
    GVR("", "v1", "persistentvolumes", namespaced=False, kind="PersistentVolume"),
    "api.core.v1.persistentvolume_types:PersistentVolume",
    strategy=PersistentVolumeStrategy(),
    columns=(
        NAME,
        Column("Capacity", text("spec", "capacity", "storage", absent=""), description="Its size."),
        Column(
            "Access Modes",
            lambda obj, now: short_modes(field(obj, "spec", "accessModes")),
            description="How it can be mounted.",
        ),
        Column(
            "Reclaim Policy",
            text("spec", "persistentVolumeReclaimPolicy", absent=""),
            description="What becomes of it once it is released.",
        ),
        Column("Status", _status, description="Its phase."),
        Column("Claim", _claim, description="The claim that it is bound to."),
        Column("StorageClass", _class, description="The class it belongs to."),
        Column(
            "VolumeAttributesClass",
            text("spec", "volumeAttributesClassName", absent="<unset>"),
            description="The class of attributes that it has.",
        ),
        Column("Reason", text("status", "reason", absent=""), description="Why it is in its phase."),
        AGE,
        Column(
            "VolumeMode",
            text("spec", "volumeMode", absent="<unset>"),
            priority=1,
            description="Filesystem or Block.",
        ),
    ),
    short_names=("pv",),
    subresources=(status_of("PersistentVolume"),),
    returns_deleted=True,
)

"""VolumeAttachment: says that a volume should be attached to a node."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field
from api.resource import Column
from api.strategy import ALL_METADATA, SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.parameters import validate_driver_name
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_EITHER = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
_MAX_METADATA, _MAX_MESSAGE_BYTES = 256 * 1024, 1024


class VolumeAttachmentStrategy(SpecStatusStrategy):
    allow_unconditional_update = False
    has_generation = False
    status_keeps = ALL_METADATA

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"attached": False}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"])
        named = (obj["spec"].get("source") or {}).get("persistentVolumeName")
        attacher = obj["spec"].get("attacher", "")
        if attacher:
            validate_driver_name(errors, attacher, "spec.attacher")
        else:
            errors.invalid_each("spec.attacher", attacher, names.dns1123_subdomain(attacher))
        if named is not None:
            path = "spec.source.persistentVolumeName"
            errors.invalid_each(path, named, names.dns1123_subdomain(named))
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"])
        _validate_status(errors, obj.get("status") or {})
        errors.immutable("spec", obj["spec"], old["spec"])
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return self.validate_update(obj, old)


def _validate_spec(errors: Errors, spec: Obj) -> None:
    if not spec.get("attacher"):
        errors.required("spec.attacher")
    source = spec.get("source") or {}
    named, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if named is None and inline is None:
        errors.required("spec.source", _EITHER)
    elif named is not None and inline is not None:
        errors.forbidden("spec.source", _EITHER)
    elif named == "":
        errors.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
    node = spec.get("nodeName", "")
    errors.invalid_each("spec.nodeName", node, names.dns1123_subdomain(node))


def _validate_status(errors: Errors, status: Obj) -> None:
    told = status.get("attachmentMetadata") or {}
    if sum(len(key.encode()) + len(value.encode()) for key, value in told.items()) > _MAX_METADATA:
        errors.too_long("status.attachmentMetadata", _MAX_METADATA)
    for part in ("attachError", "detachError"):
        each = status.get(part) or {}
        if len(each.get("message", "").encode()) > _MAX_MESSAGE_BYTES:
            errors.too_long(f"status.{part}.message", _MAX_METADATA)  # so told by upstream
        if (each.get("errorCode") or 0) < 0:
            said = "must be between 0 and 2147483647, inclusive"
            errors.invalid(f"status.{part}.errorCode", each["errorCode"], said)


VOLUMEATTACHMENT = builtin(
    GVR("storage.k8s.io", "v1", "volumeattachments", namespaced=False, kind="VolumeAttachment"),
    "api.storage.v1.volumeattachment_types:VolumeAttachment",
    strategy=VolumeAttachmentStrategy(),
    columns=(
        NAME,
        Column("Attacher", ".spec.attacher", format="name", description="Who attaches it."),
        Column(
            "PV",
            lambda obj, now: field(obj, "spec", "source", "persistentVolumeName") or "",
            description="The volume.",
        ),
        Column("Node", ".spec.nodeName", description="The node."),
        Column(
            "Attached",
            lambda obj, now: bool(field(obj, "status", "attached")),
            type="boolean",
            description="Whether it is attached.",
        ),
        AGE,
    ),
    subresources=(status_of("VolumeAttachment"),),
    returns_deleted=True,
)

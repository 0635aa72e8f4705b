"""ConfigMap: configuration for pods, as variables or files."""

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from api.annotations import Bytes, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import CONFIGMAPS


class ConfigMap(TypedDict, total=False):
    """Configuration for pods, as variables or files."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    data: Annotated[dict[str, str], Proto(2), "Text by key."]
    binaryData: Annotated[dict[str, Bytes], Proto(3), "Bytes by key, in base64."]
    immutable: Annotated[bool, Proto(4), "Once true, the data can never change again."]


Obj = dict[str, Any]

_MAX_BYTES = 1024 * 1024


class ConfigMapStrategy(Strategy):
    has_generation = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        for key in data:
            errors.invalid_each(f"data[{key}]", key, names.config_map_key(key))
            if key in binary:
                errors.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in binary:
            errors.invalid_each(f"binaryData[{key}]", key, names.config_map_key(key))
        size = sum(len(value.encode()) for value in data.values())
        size += sum(len(value) * 3 // 4 - value[-2:].count("=") for value in binary.values())
        if size > _MAX_BYTES:
            errors.too_long("[]", _MAX_BYTES)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        if old.get("immutable"):
            if not obj.get("immutable"):
                errors.forbidden("immutable", "field is immutable when `immutable` is set")
            for field in ("data", "binaryData"):
                if (obj.get(field) or {}) != (old.get(field) or {}):
                    errors.forbidden(field, "field is immutable when `immutable` is set")
        return [*errors, *self.validate(obj)]


def _keys(obj: Obj, now: float) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


CONFIGMAP = builtin(
    CONFIGMAPS,
    ConfigMap,
    strategy=ConfigMapStrategy(),
    columns=(NAME, Column("Data", _keys, description="Keys it holds, text and binary."), AGE),
    short_names=("cm",),
)

"""Secret: a ConfigMap for what not everybody may read.

Values are base64 on the wire. stringData is for writers only: it is folded into data and never stored.
"""

import base64
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
from machinery.gvk import SECRETS


class Secret(TypedDict, total=False):
    """Values that not everybody may read."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    data: Annotated[dict[str, Bytes], Proto(2), "Values by key, in base64."]
    type: Annotated[str, Proto(3), "What it is for, such as Opaque or kubernetes.io/tls."]
    stringData: Annotated[
        dict[str, str], Proto(4), "Values by key as plain text; folded into data on write and never shown."
    ]
    immutable: Annotated[bool, Proto(5), "Once true, the data can never change again."]


Obj = dict[str, Any]

_MAX_BYTES = 1024 * 1024
_ACCOUNT_NAME = "kubernetes.io/service-account.name"
# Keys that a secret of a well-known type must have.
_REQUIRED_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


class SecretStrategy(Strategy):
    has_generation = False

    def default(self, obj: Obj) -> None:
        if not obj.get("type"):
            obj["type"] = "Opaque"
        text = obj.pop("stringData", None)
        if text:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
            obj["data"] = {**(obj.get("data") or {}), **encoded}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        data: dict[str, str] = obj.get("data") or {}
        size = 0
        for key, value in data.items():
            errors.invalid_each(f"data[{key}]", key, names.config_map_key(key))
            size += len(value) * 3 // 4 - value[-2:].count("=")
        if size > _MAX_BYTES:
            errors.too_long("data", _MAX_BYTES)
        kind = obj.get("type", "")
        for key in _REQUIRED_KEYS.get(kind, ()):
            if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
                errors.required(f"data[{key}]")
            elif kind.startswith("kubernetes.io/dockerc"):
                _validate_json(errors, data[key], f"data[{key}]")
        if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
            errors.required("data[username]")
            errors.required("data[password]")
        annotations = obj["metadata"].get("annotations") or {}
        if kind == "kubernetes.io/service-account-token" and not annotations.get(_ACCOUNT_NAME):
            errors.required(f"metadata.annotations[{_ACCOUNT_NAME}]")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.immutable("type", obj.get("type"), old.get("type"))
        if old.get("immutable"):
            if not obj.get("immutable"):
                errors.forbidden("immutable", "field is immutable when `immutable` is set")
            if (obj.get("data") or {}) != (old.get("data") or {}):
                errors.forbidden("data", "field is immutable when `immutable` is set")
        return [*errors, *self.validate(obj)]


def _validate_json(errors: Errors, value: str, path: str) -> None:
    import orjson

    try:
        content = orjson.loads(base64.b64decode(value))
    except ValueError as error:
        errors.invalid(path, "<secret contents redacted>", str(error))
        return
    if content is not None and not isinstance(content, dict):
        errors.invalid(path, "<secret contents redacted>", "must be a JSON object")


SECRET = builtin(
    SECRETS,
    Secret,
    strategy=SecretStrategy(),
    columns=(
        NAME,
        Column("Type", ".type", description="What it is for, which says which keys it must have."),
        Column("Data", lambda obj, now: len(obj.get("data") or ()), description="Keys it holds."),
        AGE,
    ),
    selectable_fields={"type": ".type"},
)

"""CSIDriver: what a CSI driver can do and needs; its name is the driver's."""

from collections.abc import Iterable, Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, NONE
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_MODES = ("Persistent", "Ephemeral")
_FS_GROUP = ("File", "None", "ReadWriteOnceWithFSType")
_MIN_TOKEN_S, _MAX_TOKEN_S, _MIN_PERIOD_S = 600, 1 << 32, 10
_DEFAULTS: dict[str, Any] = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


class CSIDriverStrategy(Strategy):
    allow_unconditional_update = False
    generation_at_birth = 0

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        for field, value in _DEFAULTS.items():
            spec.setdefault(field, value)
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = ["Persistent"]

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"])
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec, before = obj["spec"], old["spec"]
        _validate_spec(errors, spec)
        errors.immutable("spec.attachedRequired", spec.get("attachRequired"), before.get("attachRequired"))
        modes = "volumeLifecycleModes"
        errors.immutable(f"spec.{modes}", spec.get(modes), before.get(modes))
        return errors.causes


def _validate_spec(errors: Errors, spec: Obj) -> None:
    policy = spec.get("fsGroupPolicy")
    if policy is not None and policy not in _FS_GROUP:
        errors.not_supported("spec.fsGroupPolicy", policy, _FS_GROUP)
    tokens = spec.get("tokenRequests") or []
    _validate_tokens(errors, tokens)
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _MODES:
            errors.not_supported("spec.volumeLifecycleModes", mode, _MODES)
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < _MIN_PERIOD_S:
        message = f"must be greater than or equal to {_MIN_PERIOD_S} seconds"
        errors.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, message)
    if spec.get("serviceAccountTokenInSecrets") is not None and not tokens:
        message = "must be unset when tokenRequests is empty"
        errors.invalid("spec.serviceAccountTokenInSecrets", spec["serviceAccountTokenInSecrets"], message)


def _validate_tokens(errors: Errors, tokens: Iterable[Obj]) -> None:
    audiences: set[str] = set()
    for index, token in enumerate(tokens):
        at, audience = f"spec.tokenRequests[{index}]", token.get("audience", "")
        if audience in audiences:
            errors.duplicate(f"{at}.audience", audience)
            continue
        audiences.add(audience)
        lasting = token.get("expirationSeconds")
        if lasting is not None and lasting < _MIN_TOKEN_S:
            message = "may not specify a duration less than 10 minutes"
            errors.invalid(f"{at}.expirationSeconds", lasting, message)
        if lasting is not None and lasting > _MAX_TOKEN_S:
            message = "may not specify a duration larger than 2^32 seconds"
            errors.invalid(f"{at}.expirationSeconds", lasting, message)


def _flag(name: str, key: str, description: str) -> Column:
    return Column(name, lambda obj, now: bool(obj["spec"].get(key)), type="boolean", description=description)


def _tokens(obj: Obj, now: float) -> str:
    return ",".join(each.get("audience", "") for each in obj["spec"].get("tokenRequests") or ()) or "<unset>"


CSIDRIVER = builtin(
    GVR("storage.k8s.io", "v1", "csidrivers", namespaced=False, kind="CSIDriver"),
    "api.storage.v1.csidriver_types:CSIDriver",
    strategy=CSIDriverStrategy(),
    columns=(
        NAME,
        _flag("AttachRequired", "attachRequired", "Whether volumes must be attached first."),
        _flag("PodInfoOnMount", "podInfoOnMount", "Whether it wants to know the pod that mounts."),
        _flag("StorageCapacity", "storageCapacity", "Whether it publishes how much room there is."),
        Column("TokenRequests", _tokens, description="Whom the tokens are for that it gets."),
        _flag("RequiresRepublish", "requiresRepublish", "Whether it wants to be called again and again."),
        Column(
            "Modes",
            lambda obj, now: ",".join(obj["spec"].get("volumeLifecycleModes") or ()) or NONE,
            description="Whose volumes it serves: persistent ones, those of a pod, or both.",
        ),
        AGE,
    ),
    returns_deleted=True,
)

"""DeviceClass: a name for devices of a kind."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME
from api.resource import Strategy
from api.validation.device import MAX_CONFIGS, each_of, validate_configuration, validate_selectors
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR
from machinery.resource_names import is_extended

Obj = dict[str, Any]


class DeviceClassStrategy(Strategy):
    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec = obj.get("spec") or {}
        validate_selectors(errors, spec.get("selectors"), "spec.selectors")
        configs = spec.get("config")
        each_of(
            errors, configs, MAX_CONFIGS, "spec.config", lambda c, at: validate_configuration(errors, c, at)
        )
        extended = spec.get("extendedResourceName")
        if extended is not None and not is_extended(extended):
            message = "must be a valid extended resource name"
            errors.invalid("spec.extendedResourceName", extended, message)
        return errors.causes


DEVICECLASS = builtin(
    GVR("resource.k8s.io", "v1", "deviceclasses", namespaced=False, kind="DeviceClass"),
    "api.dra.v1.deviceclass_types:DeviceClass",
    strategy=DeviceClassStrategy(),
    columns=(NAME, AGE),
    returns_deleted=True,
)

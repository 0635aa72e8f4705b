"""APIService: says who serves a group and version."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field
from api.resource import Column
from api.strategy import ALL_METADATA, SpecStatusStrategy
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_LOCAL = {
    "type": "Available",
    "status": "True",
    "reason": "Local",
    "message": "Local APIServices are always available",
}
_MAX_GROUP, _MAX_VERSION = 20000, 1000


class APIServiceStrategy(SpecStatusStrategy):
    status_keeps = ALL_METADATA
    has_generation = False
    allow_unconditional_update = False
    name_rule = "path"

    def default(self, obj: Obj) -> None:
        service = (obj.get("spec") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)

    def prepare_create(self, obj: Obj) -> None:
        """One that this server answers itself is available at once."""
        obj["status"] = {}
        if not (obj.get("spec") or {}).get("service"):
            since = obj["metadata"].get("creationTimestamp")
            obj["status"] = {"conditions": [{**_LOCAL, "lastTransitionTime": since}]}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec = obj.get("spec") or {}
        group, version = spec.get("group", ""), spec.get("version", "")
        name, wanted = obj["metadata"].get("name", ""), f"{version}.{group}"
        if name != wanted:
            errors.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"')
        if group:
            errors.invalid_each("spec.group", group, names.dns1123_subdomain(group))
        elif version != "v1":
            errors.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
        errors.invalid_each("spec.version", version, names.dns1035_label(version))
        priority = spec.get("groupPriorityMinimum", 0)
        if not 0 < priority <= _MAX_GROUP:
            errors.invalid("spec.groupPriorityMinimum", priority, "must be positive and less than 20000")
        priority = spec.get("versionPriority", 0)
        if not 0 < priority <= _MAX_VERSION:
            errors.invalid("spec.versionPriority", priority, "must be positive and less than 1000")
        _validate_service(errors, spec)
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        for index, each in enumerate((obj.get("status") or {}).get("conditions") or ()):
            if each.get("status") not in _STATUSES:
                errors.not_supported(f"status.conditions[{index}].status", each.get("status", ""), _STATUSES)
        return errors.causes


_STATUSES = ("True", "False", "Unknown")


def _validate_service(errors: Errors, spec: Obj) -> None:
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            message = "local APIServices may not have a caBundle"
            size = len(spec["caBundle"].rstrip("=")) * 3 // 4
            errors.invalid("spec.caBundle", f"{size} bytes", message)
        if spec.get("insecureSkipTLSVerify"):
            message = "local APIServices may not have insecureSkipTLSVerify"
            errors.invalid("spec.insecureSkipTLSVerify", True, message)
        return
    for each in ("namespace", "name"):
        if not service.get(each):
            errors.required(f"spec.service.{each}")
    port = service.get("port", 443)
    if names.port_number(port):
        errors.invalid("spec.service.port", port, "port is not valid: must be between 1 and 65535, inclusive")
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        message = "may not be true if caBundle is present"
        errors.invalid("spec.insecureSkipTLSVerify", True, message)


def _service(obj: Obj, now: float) -> str:
    service = field(obj, "spec", "service")
    return f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"


def _available(obj: Obj, now: float) -> str:
    for each in field(obj, "status", "conditions") or ():
        if each.get("type") == "Available":
            reason = f" ({each.get('reason', '')})" if each.get("status") != "True" else ""
            return f"{each.get('status', '')}{reason}"
    return "Unknown"


APISERVICE = builtin(
    GVR("apiregistration.k8s.io", "v1", "apiservices", namespaced=False, kind="APIService"),
    "api.apiregistration.v1.apiservice_types:APIService",
    strategy=APIServiceStrategy(),
    columns=(
        NAME,
        Column("Service", _service, description="The service that answers."),
        Column("Available", _available, description="Whether it answers."),
        AGE,
    ),
    categories=("api-extensions",),
    subresources=(status_of("APIService"),),
)

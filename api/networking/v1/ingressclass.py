"""IngressClass: a name for a way to serve ingresses."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, NONE, field
from api.resource import Column, Strategy
from api.validation.domains import validate_prefixed_path
from api.validation.errors import Errors
from api.validation.ingress import validate_typed_reference
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_MAX_CONTROLLER = 250
_SCOPES = ("Cluster", "Namespace")


class IngressClassStrategy(Strategy):
    def default(self, obj: Obj) -> None:
        parameters = (obj.get("spec") or {}).get("parameters")
        if parameters is not None:
            parameters.setdefault("scope", "Cluster")

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec = obj.get("spec") or {}
        controller = spec.get("controller", "")
        if len(controller) > _MAX_CONTROLLER:
            errors.too_long("spec.controller", _MAX_CONTROLLER)
        validate_prefixed_path(errors, controller, "spec.controller")
        if spec.get("parameters") is not None:
            _validate_parameters(errors, spec["parameters"])
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        before, after = (field(each, "spec", "controller") for each in (old, obj))
        errors.immutable("spec.controller", after, before)
        errors.causes += self.validate(obj)
        return errors.causes


def _validate_parameters(errors: Errors, parameters: Obj) -> None:
    path = "spec.parameters"
    validate_typed_reference(errors, parameters, path)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        errors.required(f"{path}.scope")
    elif scope not in _SCOPES:
        errors.not_supported(f"{path}.scope", scope, _SCOPES)
    if scope == "Namespace":
        if namespace is None:
            errors.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
        else:
            errors.invalid_each(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    if scope == "Cluster" and namespace is not None:
        errors.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")


def _parameters(obj: Obj, now: float) -> str:
    parameters = field(obj, "spec", "parameters")
    if not parameters:
        return NONE
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
    return f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"


INGRESSCLASS = builtin(
    GVR("networking.k8s.io", "v1", "ingressclasses", namespaced=False, kind="IngressClass"),
    "api.networking.v1.ingressclass_types:IngressClass",
    strategy=IngressClassStrategy(),
    columns=(
        NAME,
        Column("Controller", ".spec.controller", description="Who serves ingresses of the class."),
        Column("Parameters", _parameters, description="An object with further settings."),
        AGE,
    ),
)

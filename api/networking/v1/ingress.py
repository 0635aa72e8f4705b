"""Ingress: leads requests from outside to services, by host and path."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field, text
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.ingress import (
    CLASS_ANNOTATION,
    validate_class_agrees,
    validate_ingress,
    validate_ingress_status,
)
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_SHOWN = 3


class IngressStrategy(SpecStatusStrategy):
    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += validate_ingress(obj)
        validate_class_agrees(errors, obj)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_ingress(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_ingress_status(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        found = [*super().warnings(obj, old)]
        if old is None and CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {}):
            found.append(
                f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"
            )
        return found


def _hosts(obj: Obj, now: float) -> str:
    hosts = [rule["host"] for rule in field(obj, "spec", "rules") or () if rule.get("host")]
    if not hosts:
        return "*"
    shown = ",".join(hosts[:_SHOWN])
    return f"{shown} + {len(hosts) - _SHOWN} more..." if len(hosts) > _SHOWN else shown


def _address(obj: Obj, now: float) -> str:
    ingress = field(obj, "status", "loadBalancer", "ingress") or ()
    return ",".join(dict.fromkeys(each.get("ip") or each.get("hostname") or "" for each in ingress))


def _ports(obj: Obj, now: float) -> str:
    return "80, 443" if field(obj, "spec", "tls") else "80"


INGRESS = builtin(
    GVR("networking.k8s.io", "v1", "ingresses", kind="Ingress"),
    "api.networking.v1.ingress_types:Ingress",
    strategy=IngressStrategy(),
    columns=(
        NAME,
        Column(
            "Class", text("spec", "ingressClassName"), description="The class whose controller serves it."
        ),
        Column("Hosts", _hosts, description="Hosts that it is about."),
        Column("Address", _address, description="Addresses of its load balancer."),
        Column("Ports", _ports, description="Ports of its load balancer."),
        AGE,
    ),
    short_names=("ing",),
    subresources=(status_of("Ingress"),),
)

"""NetworkPolicy: which traffic some pods may have."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, field, selector_text
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

_TYPES = ("Ingress", "Egress")
_PROTOCOLS = ("TCP", "UDP", "SCTP")


class NetworkPolicyStrategy(Strategy):
    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        for direction in ("ingress", "egress"):
            for rule in spec.get(direction) or ():
                for port in rule.get("ports") or ():
                    port.setdefault("protocol", "TCP")
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec = obj.get("spec") or {}
        errors.causes += validate_label_selector(spec.get("podSelector"), "spec.podSelector")
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(spec.get(direction) or ()):
                at = f"spec.{direction}[{index}]"
                _validate_ports(errors, rule.get("ports") or (), f"{at}.ports")
                for position, peer in enumerate(rule.get(peers) or ()):
                    _validate_peer(errors, peer, f"{at}.{peers}[{position}]")
        types = spec.get("policyTypes") or []
        if len(types) > len(_TYPES):
            errors.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
            return errors.causes
        for index, kind in enumerate(types):
            if kind not in _TYPES:
                errors.not_supported(f"spec.policyTypes[{index}]", kind, _TYPES)
        return errors.causes


def _validate_ports(errors: Errors, ports: Iterable[Obj], path: str) -> None:
    for index, each in enumerate(ports):
        at, port, end = f"{path}[{index}]", each.get("port"), each.get("endPort")
        protocol = each.get("protocol")
        if protocol is not None and protocol not in _PROTOCOLS:
            errors.not_supported(f"{at}.protocol", protocol, _PROTOCOLS)
        if port is None:
            if end is not None:
                errors.invalid(f"{at}.endPort", end, "may not be specified when `port` is not specified")
        elif isinstance(port, int):
            errors.invalid_each(f"{at}.port", port, names.port_number(port))
            if end is not None:
                if end < port:
                    errors.invalid(f"{at}.endPort", end, "must be greater than or equal to `port`")
                errors.invalid_each(f"{at}.endPort", end, names.port_number(end))
        else:
            if end is not None:
                errors.invalid(f"{at}.endPort", end, "may not be specified when `port` is non-numeric")
            errors.invalid_each(f"{at}.port", port, names.port_name(port))


def _validate_peer(errors: Errors, peer: Obj, path: str) -> None:
    present = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None]
    for key in ("podSelector", "namespaceSelector"):
        errors.causes += validate_label_selector(peer.get(key), f"{path}.{key}")
    if peer.get("ipBlock") is not None:
        _validate_block(errors, peer["ipBlock"], f"{path}.ipBlock")
    if not present:
        errors.required(path, "must specify a peer")
    elif len(present) > 1 and "ipBlock" in present:
        errors.forbidden(path, "may not specify both ipBlock and another peer")


def _validate_block(errors: Errors, block: Obj, path: str) -> None:
    whole = block.get("cidr", "")
    if not whole:
        errors.required(f"{path}.cidr")
        return
    wrong = names.cidr(whole)
    errors.invalid_each(f"{path}.cidr", whole, wrong)
    if wrong:
        return
    network = ipaddress.ip_network(whole, strict=False)
    for index, part in enumerate(block.get("except") or ()):
        at, bad = f"{path}.except[{index}]", names.cidr(part)
        errors.invalid_each(at, part, bad)
        if bad:
            continue
        hole = ipaddress.ip_network(part, strict=False)
        if hole.network_address not in network or hole.prefixlen <= network.prefixlen:
            errors.invalid(at, part, "must be a strict subset of `cidr`")


NETWORKPOLICY = builtin(
    GVR("networking.k8s.io", "v1", "networkpolicies", kind="NetworkPolicy"),
    "api.networking.v1.networkpolicy_types:NetworkPolicy",
    strategy=NetworkPolicyStrategy(),
    columns=(
        NAME,
        Column(
            "Pod-Selector",
            lambda obj, now: selector_text(field(obj, "spec", "podSelector")),
            description="Which pods it is about.",
        ),
        AGE,
    ),
    short_names=("netpol",),
)

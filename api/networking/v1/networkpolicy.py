"""NetworkPolicy: which traffic some pods may have."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, field, selector_text
from api.resource import Column, Strategy
from api.validation.addresses import cidr_warnings, parse_network, validate_cidr
from api.validation.errors import Errors
from api.validation.selectors import has_odd_values, validate_selector
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

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
        return _validate(obj, None)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return _validate(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        found = [*super().warnings(obj, old)]
        for rule, at, peers in _rules(obj):
            for index, peer in enumerate(rule.get(peers) or ()):
                block, path = peer.get("ipBlock") or {}, f"{at}.{peers}[{index}].ipBlock"
                if block.get("cidr"):
                    found += cidr_warnings(f"{path}.cidr", block["cidr"])
                for position, part in enumerate(block.get("except") or ()):
                    found += cidr_warnings(f"{path}.except[{position}]", part)
        return found


def _rules(policy: Obj) -> Iterator[tuple[Obj, str, str]]:
    """Every rule with its path and the name of its field of peers."""
    spec = policy.get("spec") or {}
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            yield rule, f"spec.{direction}[{index}]", peers


def _blocks(policy: Obj | None) -> frozenset[str]:
    """Every range that an old policy has: it may stay as it was written."""
    found: set[str] = set()
    for rule, _, peers in _rules(policy or {}):
        for peer in rule.get(peers) or ():
            block = peer.get("ipBlock") or {}
            found |= {block.get("cidr", ""), *(block.get("except") or ())}
    return frozenset(found)


def _validate(policy: Obj, old: Obj | None) -> Sequence[Cause]:
    errors = Errors()
    spec, kept = policy.get("spec") or {}, _blocks(old)
    odd = has_odd_values(((old or {}).get("spec") or {}).get("podSelector"))
    validate_selector(errors, spec.get("podSelector"), "spec.podSelector", odd_values=odd)
    for rule, at, peers in _rules(policy):
        _validate_ports(errors, rule.get("ports") or (), f"{at}.ports")
        for position, peer in enumerate(rule.get(peers) or ()):
            _validate_peer(errors, peer, f"{at}.{peers}[{position}]", kept, odd=odd)
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
                    errors.invalid(f"{at}.endPort", port, "must be greater than or equal to `port`")
                errors.invalid_each(f"{at}.endPort", end, names.port_number(end))
        else:
            if end is not None:
                errors.invalid(f"{at}.endPort", end, "may not be specified when `port` is non-numeric")
            errors.invalid_each(f"{at}.port", port, names.port_name(port))


def _validate_peer(errors: Errors, peer: Obj, path: str, kept: frozenset[str], *, odd: bool) -> None:
    present = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None]
    for key in ("podSelector", "namespaceSelector"):
        validate_selector(errors, peer.get(key), f"{path}.{key}", odd_values=odd)
    if peer.get("ipBlock") is not None:
        _validate_block(errors, peer["ipBlock"], f"{path}.ipBlock", kept)
    if not present:
        errors.required(path, "must specify a peer")
    elif len(present) > 1 and "ipBlock" in present:
        errors.forbidden(path, "may not specify both ipBlock and another peer")


def _validate_block(errors: Errors, block: Obj, path: str, kept: frozenset[str]) -> None:
    whole = block.get("cidr", "")
    if not whole:
        errors.required(f"{path}.cidr")
        return
    validate_cidr(errors, whole, f"{path}.cidr", kept)
    network = parse_network(whole)
    if network is None:
        return
    for index, part in enumerate(block.get("except") or ()):
        at, hole = f"{path}.except[{index}]", parse_network(part)
        validate_cidr(errors, part, at, kept)
        if hole is None:
            continue
        inside = hole.version == network.version and hole.network_address in network
        if not inside or hole.prefixlen <= network.prefixlen:
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

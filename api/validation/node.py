"""Nodes: taints, ranges, resources, addresses; and what of them stays.

Paths of taints, swap and resources are upstream's, who looks for them in other places than they are.
Source: Kubernetes "Nodes", "Taints and Tolerations", KEP-5328 (declared features).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from api.validation.addresses import are_of_both_families, cidr_warnings, validate_cidr
from api.validation.errors import Errors
from api.validation.resources import validate_amount_of
from api.validation.scheduling import validate_taints
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_OLD_TAINTS = "scheduler.alpha.kubernetes.io/taints"
_FEATURE = re.compile(r"[A-Z][A-Za-z0-9]*(/[A-Za-z0-9]+)*")
_ONE_REFERENCE = "exactly one reference subfield must be non-nil"


def validate_node(node: Obj) -> Sequence[Cause]:
    """A new node, and a changed one before it is compared with what it was."""
    errors = Errors()
    spec, status = node.get("spec") or {}, node.get("status") or {}
    _validate_annotations(errors, node["metadata"])
    validate_taints(errors, spec.get("taints"), "metadata.taints")
    _validate_resources(errors, status)
    swap = ((status.get("nodeInfo") or {}).get("swap") or {}).get("capacity")
    if swap is not None and swap <= 0:
        errors.invalid("metadata.nodeSwapStatus.capacity", swap, "must be greater than zero")
    _validate_features(errors, status)
    ranges, path = spec.get("podCIDRs") or [], "spec.podCIDRs"
    for index, each in enumerate(ranges):
        validate_cidr(errors, each, f"{path}[{index}]")
    if len(ranges) > 1:
        hosts = [each.partition("/")[0] for each in ranges]
        if len(ranges) > 2 or not are_of_both_families(hosts):
            errors.invalid(path, ranges, "may specify no more than one CIDR for each IP family")
    return errors.causes


def _validate_annotations(errors: Errors, meta: Obj) -> None:
    text = (meta.get("annotations") or {}).get(_OLD_TAINTS)
    if not text:
        return
    try:
        taints = orjson.loads(text)
    except ValueError as error:
        errors.invalid("metadata.annotations", _OLD_TAINTS, str(error))
        return
    if isinstance(taints, list) and all(isinstance(each, dict) for each in taints):
        validate_taints(errors, taints, f"metadata.annotations.{_OLD_TAINTS}")
    else:
        errors.invalid("metadata.annotations", _OLD_TAINTS, "must be a list of taints")


def _validate_resources(errors: Errors, status: Obj) -> None:
    for field in ("capacity", "allocatable"):
        for name, amount in (status.get(field) or {}).items():
            validate_amount_of(errors, name, amount, f"status.{field}.{name}")


def _validate_features(errors: Errors, status: Obj) -> None:
    """Names in alphabetical order, each once."""
    features = status.get("declaredFeatures") or []
    for index, name in enumerate(features):
        path = f"status.declaredFeatures[{index}]"
        if len(name) > names.MAX_SUBDOMAIN:
            message = f"must be no more than {names.MAX_SUBDOMAIN} characters"
            errors.invalid(path, name, f'invalid feature name "{name}": {message}')
        elif not _FEATURE.fullmatch(name):
            message = (
                "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature "
                "or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
            )
            errors.invalid(path, name, f'invalid feature name "{name}": {message}')
        if index + 1 < len(features):
            following, path = features[index + 1], f"status.declaredFeatures[{index + 1}]"
            if name == following:
                errors.duplicate(path, following)
            elif name > following:
                errors.invalid(path, following, "list must be sorted alphabetically")


def validate_node_update(node: Obj, old: Obj) -> Sequence[Cause]:
    """Through the node itself: judged on its own, and against what it was."""
    return [*validate_node(node), *validate_change(node, old)]


def validate_change(node: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec, was, status = node.get("spec") or {}, old.get("spec") or {}, node.get("status") or {}
    _validate_annotations(errors, node["metadata"])
    _validate_resources(errors, status)
    _validate_features(errors, status)
    seen: set[tuple[Any, ...]] = set()
    for index, address in enumerate(status.get("addresses") or ()):
        key = (address.get("type"), address.get("address"))
        if key in seen:
            errors.duplicate(f"status.addresses[{index}]", address)
        seen.add(key)
    _validate_ranges(errors, spec.get("podCIDRs") or [], was.get("podCIDRs") or [])
    if was.get("providerID") and spec.get("providerID") != was["providerID"]:
        message = 'node updates may not change providerID except from "" to valid'
        errors.forbidden("spec.providerID", message)
    if spec.get("configSource") is not None:
        _validate_source(errors, spec["configSource"], "spec.configSource", of_status=False)
    for field in ("assigned", "active", "lastKnownGood"):
        source = (status.get("config") or {}).get(field)
        if source is not None:
            _validate_source(errors, source, f"status.config.{field}", of_status=True)
    validate_taints(errors, spec.get("taints"), "metadata.taints")
    if spec.get("externalID", "") != was.get("externalID", ""):
        errors.forbidden("spec.externalID", "may not be updated")
    return errors.causes


def _validate_ranges(errors: Errors, ranges: Sequence[str], was: Sequence[str]) -> None:
    message = 'node updates may not change podCIDR except from "" to valid'
    changed = [one for one, other in zip(was, ranges, strict=False) if one != other]
    if was and len(was) != len(ranges):
        changed = [""]
    for _ in changed:
        errors.forbidden("spec.podCIDRs", message)


def _validate_source(errors: Errors, source: Obj, path: str, *, of_status: bool) -> None:
    """Where a kubelet once took its configuration from; kept for who still says it."""
    ref, at = source.get("configMap"), f"{path}.configMap"
    if ref is None:
        errors.invalid(path, source, _ONE_REFERENCE)
        return
    for field in ("uid", "resourceVersion"):
        if of_status and not ref.get(field):
            errors.required(f"{at}.{field}")
        elif not of_status and ref.get(field):
            errors.forbidden(f"{at}.{field}", f"{field} must not be set in spec")
    for field, rule in (
        ("namespace", names.dns1123_label),
        ("name", names.dns1123_subdomain),
        ("kubeletConfigKey", names.config_map_key),
    ):
        value = ref.get(field, "")
        if not value:
            errors.required(f"{at}.{field}")
        else:
            errors.invalid_each(f"{at}.{field}", value, rule(value))


def node_warnings(node: Obj) -> list[str]:
    spec, out = node.get("spec") or {}, []
    if spec.get("configSource") is not None:
        out.append("spec.configSource: the spec.configSource field is deprecated and has no effect")
    if spec.get("externalID"):
        out.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    for index, each in enumerate(spec.get("podCIDRs") or ()):
        out += cidr_warnings(f"spec.podCIDRs[{index}]", each)
    return out

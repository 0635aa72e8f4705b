"""A pod's spec as a whole, in a pod and in a template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import orjson

from api.validation.containers import validate_containers
from api.validation.errors import Errors
from api.validation.meta import validate_parts
from api.validation.pod_warnings import pod_warnings
from api.validation.resources import validate_amount, validate_resources
from api.validation.scheduling import (
    validate_affinity,
    validate_node_selector,
    validate_spread,
    validate_tolerations,
)
from api.validation.security import validate_pod_security
from api.validation.volumes import validate_volumes
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_NAMESERVERS, _MAX_SEARCHES, _MAX_SEARCH_CHARS = 3, 32, 2048
_INT32_MAX = 2**31 - 1
_LARGEST_BYTES = 16 * 1024  # of a spec whose verdict is remembered


def validate_pod(pod: Obj) -> Sequence[Cause]:
    """A new pod, its metadata apart."""
    spec = pod.get("spec") or {}
    text = orjson.dumps(spec)
    return _causes(spec) if len(text) > _LARGEST_BYTES else _causes_in(text)


def advise_on_pod(pod: Obj) -> Sequence[str]:
    """Warnings about a new pod."""
    spec = pod["spec"]
    text = orjson.dumps(spec)
    return pod_warnings(spec, "spec") if len(text) > _LARGEST_BYTES else _warnings_in(text)


@lru_cache(maxsize=256)
def _causes_in(text: bytes) -> Sequence[Cause]:
    """Pods come in families that share their spec: what is wrong with one is wrong with all."""
    return _causes(orjson.loads(text))


@lru_cache(maxsize=256)
def _warnings_in(text: bytes) -> Sequence[str]:
    return tuple(pod_warnings(orjson.loads(text), "spec"))


def _causes(spec: Obj) -> Sequence[Cause]:
    errors = Errors()
    validate_pod_spec(errors, spec, "spec")
    if spec.get("ephemeralContainers"):
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create")
    return tuple(errors.causes)


def validate_template(errors: Errors, template: Obj, path: str) -> None:
    validate_parts(errors, template.get("metadata") or {}, f"{path}.metadata")
    spec = template.get("spec") or {}
    validate_pod_spec(errors, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        errors.forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def validate_pod_spec(errors: Errors, spec: Obj, path: str) -> None:
    validate_volumes(errors, spec.get("volumes"), f"{path}.volumes")
    validate_containers(errors, spec, path)
    policies = ("Always", "OnFailure", "Never")
    errors.one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), policies, required=True)
    _validate_dns(errors, spec, path)
    _validate_names(errors, spec, path)
    validate_node_selector(errors, spec.get("nodeSelector"), f"{path}.nodeSelector")
    validate_affinity(errors, spec.get("affinity"), f"{path}.affinity")
    validate_tolerations(errors, spec.get("tolerations"), f"{path}.tolerations")
    constraints = spec.get("topologySpreadConstraints")
    validate_spread(errors, constraints, f"{path}.topologySpreadConstraints")
    validate_pod_security(errors, spec, path)
    validate_resources(errors, spec.get("resources"), f"{path}.resources", pod=True)
    for name, amount in (spec.get("overhead") or {}).items():
        validate_amount(errors, amount, f"{path}.overhead[{name}]")
    if spec.get("overhead") and not spec.get("runtimeClassName"):
        errors.forbidden(f"{path}.overhead", "may only be set together with runtimeClassName")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _INT32_MAX:
        errors.invalid_each(
            f"{path}.activeDeadlineSeconds", deadline, names.in_range(deadline, 1, _INT32_MAX)
        )
    _validate_gates(errors, spec, path)
    _validate_host_aliases(errors, spec.get("hostAliases"), f"{path}.hostAliases")
    _validate_claims(errors, spec.get("resourceClaims"), f"{path}.resourceClaims")
    preemption = ("Never", "PreemptLowerPriority")
    errors.one_of(f"{path}.preemptionPolicy", spec.get("preemptionPolicy"), preemption)
    if spec.get("os") is not None:
        errors.one_of(f"{path}.os.name", spec["os"].get("name"), ("linux", "windows"), required=True)


def _validate_names(errors: Errors, spec: Obj, path: str) -> None:
    """Fields that hold the names of other objects, or the pod's own in DNS."""
    for field, rule in (
        ("serviceAccountName", names.dns1123_subdomain),
        ("nodeName", names.dns1123_subdomain),
        ("runtimeClassName", names.dns1123_subdomain),
        ("priorityClassName", names.dns1123_subdomain),
        ("hostname", names.dns1123_label),
        ("subdomain", names.dns1123_label),
        ("schedulerName", names.qualified_name),
    ):
        if spec.get(field):
            errors.invalid_each(f"{path}.{field}", spec[field], rule(spec[field]))
    override = spec.get("hostnameOverride")
    if override is not None:
        errors.invalid_each(f"{path}.hostnameOverride", override, names.dns1123_subdomain(override))
        if len(override) > 64:
            errors.too_long(f"{path}.hostnameOverride", 64)
        if spec.get("setHostnameAsFQDN"):
            errors.forbidden(f"{path}.setHostnameAsFQDN", "may not be specified with hostnameOverride")
        if spec.get("hostNetwork"):
            errors.forbidden(f"{path}.hostNetwork", "may not be specified with hostnameOverride")


def _validate_dns(errors: Errors, spec: Obj, path: str) -> None:
    policy, config = spec.get("dnsPolicy"), spec.get("dnsConfig") or {}
    errors.one_of(f"{path}.dnsPolicy", policy, _DNS_POLICIES, required=True)
    at = f"{path}.dnsConfig"
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if policy == "None" and not servers:
        message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        errors.required(f"{at}.nameservers", message)
    if len(servers) > _MAX_NAMESERVERS:
        message = f"must not have more than {_MAX_NAMESERVERS} nameservers"
        errors.invalid(f"{at}.nameservers", servers, message)
    for index, server in enumerate(servers):
        errors.invalid_each(f"{at}.nameservers[{index}]", server, names.ip(server))
    if len(searches) > _MAX_SEARCHES:
        errors.invalid(f"{at}.searches", searches, f"must not have more than {_MAX_SEARCHES} search paths")
    if len(" ".join(searches)) > _MAX_SEARCH_CHARS:
        message = (
            f"must not have more than {_MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        )
        errors.invalid(f"{at}.searches", searches, message)
    for index, search in enumerate(searches):
        bare = search.removesuffix(".")
        if bare:
            relaxed = bare.replace("_", "x")
            errors.invalid_each(f"{at}.searches[{index}]", search, names.dns1123_subdomain(relaxed))
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.required(f"{at}.options[{index}]", "must not be empty")


def _validate_gates(errors: Errors, spec: Obj, path: str) -> None:
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType", "")
        errors.invalid_each(f"{path}.readinessGates[{index}].conditionType", kind, names.qualified_name(kind))
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        at, name = f"{path}.schedulingGates[{index}]", gate.get("name", "")
        errors.invalid_each(at, name, names.qualified_name(name))
        if name in seen:
            errors.duplicate(at, name)
        seen.add(name)
    if seen and spec.get("nodeName"):
        errors.forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared")


def _validate_host_aliases(errors: Errors, aliases: Iterable[Obj] | None, path: str) -> None:
    for index, alias in enumerate(aliases or ()):
        errors.invalid_each(f"{path}[{index}].ip", alias.get("ip", ""), names.ip(alias.get("ip", "")))
        for position, host in enumerate(alias.get("hostnames") or ()):
            at = f"{path}[{index}].hostnames[{position}]"
            errors.invalid_each(at, host, names.dns1123_subdomain(host))


def _validate_claims(errors: Errors, claims: Iterable[Obj] | None, path: str) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims or ()):
        at, name = f"{path}[{index}]", claim.get("name", "")
        if not name:
            errors.required(f"{at}.name")
        else:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
            if name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)
        direct, template = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        if direct and template:
            message = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.invalid(at, claim, message)
        elif not direct and not template:
            message = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.invalid(at, claim, message)

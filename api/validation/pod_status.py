"""pods/status: what a node may say of a pod.

Source: Kubernetes "Pod Lifecycle", KEP-5307 (restart rules), KEP-4680 (device health), KEP-3619 (supplemental groups).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.addresses import are_of_both_families, validate_ip
from api.validation.errors import Errors
from api.validation.pod_update import options_of, validate_metadata
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_OF_THE_SYSTEM = frozenset({"PodScheduled", "Ready", "Initialized"})
_STATUSES = {
    "containerStatuses": "containers",
    "initContainerStatuses": "initContainers",
    "ephemeralContainerStatuses": "ephemeralContainers",
}
_LONGEST_HEALTH_MESSAGE = 1024
_MAPPING = ("containerName", "resourceName", "requestName")


def validate_status_update(pod: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    new, was, spec = pod.get("status") or {}, old.get("status") or {}, old["spec"]
    if pod["metadata"].get("annotations") != old["metadata"].get("annotations"):
        validate_metadata(errors, pod, old, options_of(old))
    _validate_conditions(errors, new.get("conditions") or (), "status.conditions")
    nominated = new.get("nominatedNodeName", "")
    if nominated and nominated != was.get("nominatedNodeName", ""):
        at = "status.nominatedNodeName"
        errors.invalid_each(at, nominated, names.dns1123_subdomain(nominated))
        if spec.get("nodeName"):
            errors.forbidden(at, "may not be set on pods that are already bound to a node")
    if new.get("observedGeneration", 0) < 0:
        message = "must be a non-negative integer"
        errors.invalid("status.observedGeneration", new["observedGeneration"], message)
    errors.immutable("status.qosClass", new.get("qosClass", ""), was.get("qosClass", ""))
    for field, of in _STATUSES.items():
        _validate_transitions(errors, new.get(field) or (), was.get(field) or (), f"status.{field}", spec, of)
    _validate_claims(errors, new, spec, "status.resourceClaimStatuses")
    _validate_extended(
        errors, new.get("extendedResourceClaimStatus"), spec, "status.extendedResourceClaimStatus"
    )
    _validate_ips(errors, new, was, "podIPs")
    _validate_ips(errors, new, was, "hostIPs")
    for field in _STATUSES:
        _validate_users(errors, new.get(field) or (), f"status.{field}", spec)
    for field, of in list(_STATUSES.items())[:2]:
        _validate_health(errors, new.get(field) or (), f"status.{field}", spec.get(of) or ())
    for index, each in enumerate(new.get("ephemeralContainerStatuses") or ()):
        if each.get("allocatedResourcesStatus"):
            at = f"status.ephemeralContainerStatuses[{index}].allocatedResourcesStatus"
            errors.forbidden(at, "must not be specified in container status")
    return errors.causes


def _validate_conditions(errors: Errors, conditions: Sequence[Obj], path: str) -> None:
    for index, condition in enumerate(conditions):
        at, kind = f"{path}[{index}]", condition.get("type", "")
        if condition.get("observedGeneration", 0) < 0:
            message = "must be a non-negative integer"
            errors.invalid(f"{at}.observedGeneration", condition["observedGeneration"], message)
        if kind not in _OF_THE_SYSTEM:
            errors.invalid_each(f"{at}.Type", kind, names.qualified_name(kind))


def _validate_transitions(
    errors: Errors, new: Sequence[Obj], old: Sequence[Obj], path: str, spec: Obj, of: str
) -> None:
    """A container that ended for good does not run again."""
    if of != "ephemeralContainers" and _may_all_restart(spec):
        return
    now = {each.get("name"): each for each in reversed(new)}
    specs = {each.get("name"): each for each in spec.get(of) or ()}
    for index, each in enumerate(old):
        ended = (each.get("state") or {}).get("terminated")
        then = now.get(each.get("name"))
        if ended is None or then is None or (then.get("state") or {}).get("terminated") is not None:
            continue
        container = specs.get(each.get("name")) if of != "ephemeralContainers" else None
        if container is None or not _restarts(container, spec, ended.get("exitCode", 0)):
            errors.forbidden(f"{path}[{index}].state", "may not be transitioned to non-terminated state")


def _may_all_restart(spec: Obj) -> bool:
    return any(
        rule.get("action") == "RestartAllContainers"
        for field in ("containers", "initContainers")
        for container in spec.get(field) or ()
        for rule in container.get("restartPolicyRules") or ()
    )


def _restarts(container: Obj, spec: Obj, code: int) -> bool:
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        inside = code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and codes and inside is (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or spec.get("restartPolicy", "Always")
    return bool(policy == "Always" or (policy == "OnFailure" and code != 0))


def _validate_claims(errors: Errors, status: Obj, spec: Obj, path: str) -> None:
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for index, each in enumerate(status.get("resourceClaimStatuses") or ()):
        at, name = f"{path}[{index}]", each.get("name", "")
        if name not in known:
            message = "must match the name of an entry in `spec.resourceClaims`"
            errors.invalid(f"{at}.name", name, message)
        if name in seen:
            errors.duplicate(f"{at}.name", name)
        seen.add(name)
        claim = each.get("resourceClaimName")
        if claim is not None:
            errors.invalid_each(f"{at}.resourceClaimName", claim, names.dns1123_subdomain(claim))


def _validate_extended(errors: Errors, claim: Obj | None, spec: Obj, path: str) -> None:
    """The claim that the scheduler made for extended resources, and which container's requests it answers."""
    if claim is None:
        return
    members = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    requests = {each.get("name"): (each.get("resources") or {}).get("requests") or {} for each in members}
    mappings = claim.get("requestMappings") or ()
    if not mappings:
        errors.required(f"{path}.requestMappings", "at least one request mapping is required")
    seen: set[tuple[str, ...]] = set()
    for index, each in enumerate(mappings):
        at = f"{path}.requestMappings[{index}]"
        said = tuple(each.get(key, "") for key in _MAPPING)
        container, resource, request = said
        if container not in requests:
            message = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
            errors.invalid(f"{at}.containerName", container, message)
        elif resource not in requests[container]:
            message = (
                "must match the extended resource name of an entry in spec.initContainers.resources.requests "
                "or spec.containers.resources.requests"
            )
            errors.invalid(f"{at}.resourceName", resource, message)
        errors.invalid_each(
            f"{path}.requestName", request, names.dns1123_label(request)
        )  # so told by upstream
        if said in seen:
            for key, value in zip(_MAPPING, said, strict=True):
                errors.duplicate(f"{at}.{key}", value)
        seen.add(said)
    name = claim.get("resourceClaimName", "")
    if not name:
        errors.required(f"{path}.resourceClaimName")
    else:
        errors.invalid_each(f"{path}.resourceClaimName", name, names.dns1123_subdomain(name))


def _validate_ips(errors: Errors, new: Obj, old: Obj, field: str) -> None:
    given, kept = ([each.get("ip", "") for each in status.get(field) or ()] for status in (new, old))
    path = f"status.{field}"
    if field == "hostIPs" and given and given[0] != new.get("hostIP", ""):
        errors.invalid(f"{path}[0].ip", given[0], "must be equal to `hostIP`")
    for index, ip in enumerate(given):
        validate_ip(errors, ip, f"{path}[{index}]", kept)
    if len(given) > 2 or (len(given) == 2 and not are_of_both_families(given)):
        errors.invalid(path, new[field], "may specify no more than one IP for each IP family")


def _validate_users(errors: Errors, statuses: Sequence[Obj], path: str, spec: Obj) -> None:
    windows = (spec.get("os") or {}).get("name") == "windows"
    for index, each in enumerate(statuses):
        user, at = (each.get("user") or {}).get("linux"), f"{path}[{index}].user.linux"
        if user is None:
            continue
        if windows:
            errors.forbidden(at, "cannot be set for a windows pod")
            continue
        for field in ("uid", "gid"):
            errors.invalid_each(f"{at}.{field}", user.get(field, 0), names.user_id(user.get(field, 0)))
        for position, group in enumerate(user.get("supplementalGroups") or ()):
            errors.invalid_each(f"{at}.supplementalGroups[{position}]", group, names.user_id(group))


def _validate_health(errors: Errors, statuses: Sequence[Obj], path: str, specs: Sequence[Obj]) -> None:
    by_name = {each.get("name"): each for each in specs}
    for index, status in enumerate(statuses):
        for position, each in enumerate(status.get("allocatedResourcesStatus") or ()):
            at = f"{path}[{index}].allocatedResourcesStatus[{position}]"
            container = by_name.get(status.get("name"))
            if container is not None:
                _validate_allocated(errors, each.get("name", ""), container, f"{at}.name")
            _validate_devices(errors, each.get("resources") or (), f"{at}.resources")


def _validate_allocated(errors: Errors, name: str, container: Obj, path: str) -> None:
    resources = container.get("resources") or {}
    if name.startswith("claim:"):
        claims = {
            f"claim:{each.get('name')}" + (f"/{each['request']}" if each.get("request") else "")
            for each in resources.get("claims") or ()
        }
        if name not in claims:
            message = (
                "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or "
                "'claim:<claimName>' if request is empty"
            )
            errors.invalid(path, name, message)
    elif name not in (resources.get("requests") or {}):
        errors.invalid(path, name, "must match one of the container's resource requests")


def _validate_devices(errors: Errors, devices: Sequence[Obj], path: str) -> None:
    seen: set[str] = set()
    for index, device in enumerate(devices):
        at, health, said = f"{path}[{index}]", device.get("health", ""), device.get("message")
        if health not in (states := ("Healthy", "Unhealthy", "Unknown")):
            errors.not_supported(f"{at}.health", health, states)
        if said == "":
            errors.required(f"{at}.message", "must be non-empty if specified")
        elif said is not None and len(said.encode()) > _LONGEST_HEALTH_MESSAGE:
            errors.too_long(f"{at}.message", _LONGEST_HEALTH_MESSAGE)
        if device.get("resourceID", "") in seen:
            errors.duplicate(f"{at}.resourceID", device.get("resourceID", ""))
        seen.add(device.get("resourceID", ""))

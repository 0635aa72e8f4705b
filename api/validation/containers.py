"""Containers of a pod: names, images, ports, mounts, and what only some sorts of container may have.

Three sorts: the pod's own, init containers (with sidecars among them, restartPolicy Always), and ephemeral
ones that are added to a running pod for debugging.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.validation.env import validate_env, validate_env_from
from api.validation.errors import Errors
from api.validation.probes import validate_lifecycle, validate_probes
from api.validation.resources import validate_resources
from api.validation.security import validate_container_security, validate_local_path
from machinery import names

Obj = dict[str, Any]

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_NOT_EPHEMERAL = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy")


@dataclass(frozen=True, slots=True)
class PodScope:
    """What a container's validation needs to know of its pod."""

    volumes: frozenset[str]
    claims: frozenset[str]
    host_network: bool
    host_users: bool
    grace_s: int


def validate_containers(errors: Errors, spec: Obj, path: str) -> None:
    """All containers of a pod's or a template's spec; ephemeral ones included."""
    scope = PodScope(
        volumes=frozenset(v.get("name", "") for v in spec.get("volumes") or ()),
        claims=frozenset(c.get("name", "") for c in spec.get("resourceClaims") or ()),
        host_network=bool(spec.get("hostNetwork")),
        host_users=spec.get("hostUsers") is not False,
        grace_s=spec.get("terminationGracePeriodSeconds", 30),
    )
    if not spec.get("containers"):
        errors.required(f"{path}.containers")
    taken: set[str] = set()
    ports: set[tuple[Any, ...]] = set()
    for index, container in enumerate(spec.get("containers") or ()):
        at = f"{path}.containers[{index}]"
        _validate_one(errors, container, at, scope, taken)
        _validate_host_ports(errors, container, at, ports)
    init_ports: set[tuple[Any, ...]] = set()
    for index, container in enumerate(spec.get("initContainers") or ()):
        at = f"{path}.initContainers[{index}]"
        _validate_one(errors, container, at, scope, taken)
        is_sidecar = container.get("restartPolicy") == "Always"
        _validate_host_ports(errors, container, at, ports if is_sidecar else init_ports)
        if not is_sidecar:
            for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if container.get(field) is not None:
                    message = "may not be set for init containers without restartPolicy=Always"
                    errors.forbidden(f"{at}.{field}", message)
    _validate_ephemeral(errors, spec, path, scope, taken)


def _validate_ephemeral(errors: Errors, spec: Obj, path: str, scope: PodScope, taken: set[str]) -> None:
    targets = {c.get("name") for field in ("containers", "initContainers") for c in spec.get(field) or ()}
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        at = f"{path}.ephemeralContainers[{index}]"
        _validate_one(errors, container, at, scope, taken)
        target = container.get("targetContainerName")
        if target and target not in targets:
            errors.not_found(f"{at}.targetContainerName", target)
        for field in _NOT_EPHEMERAL:
            if container.get(field):
                errors.forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")
        if (container.get("resources") or {}).keys() & {"limits", "requests", "claims"}:
            errors.forbidden(f"{at}.resources", "cannot be set for an Ephemeral Container")
        for position, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    message = "cannot be set for an Ephemeral Container"
                    errors.forbidden(f"{at}.volumeMounts[{position}].{field}", message)


def _validate_one(errors: Errors, container: Obj, path: str, scope: PodScope, taken: set[str]) -> None:
    name, image = container.get("name", ""), container.get("image", "")
    if not name:
        errors.required(f"{path}.name")
    else:
        errors.invalid_each(f"{path}.name", name, names.dns1123_label(name))
        if name in taken:
            errors.duplicate(f"{path}.name", name)
        taken.add(name)
    if not image:
        errors.required(f"{path}.image")
    elif image != image.strip():
        errors.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    errors.one_of(
        f"{path}.terminationMessagePolicy",
        container.get("terminationMessagePolicy"),
        ("FallbackToLogsOnError", "File"),
        required=True,
    )
    errors.one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES, required=True)
    validate_ports(errors, container.get("ports"), f"{path}.ports", scope)
    validate_env(errors, container.get("env"), f"{path}.env")
    validate_env_from(errors, container.get("envFrom"), f"{path}.envFrom")
    _validate_mounts(errors, container, path, scope)
    _validate_devices(errors, container, path, scope)
    validate_resources(errors, container.get("resources"), f"{path}.resources", scope.claims)
    _validate_resize_policy(errors, container.get("resizePolicy"), f"{path}.resizePolicy")
    validate_lifecycle(errors, container.get("lifecycle"), f"{path}.lifecycle", scope.grace_s)
    validate_probes(errors, container, path, scope.grace_s)
    validate_container_security(
        errors, container.get("securityContext"), f"{path}.securityContext", host_users=scope.host_users
    )
    _validate_restart(errors, container, path)


def _validate_restart(errors: Errors, container: Obj, path: str) -> None:
    policy = container.get("restartPolicy")
    errors.one_of(f"{path}.restartPolicy", policy, ("Always", "Never", "OnFailure"))
    rules = container.get("restartPolicyRules") or ()
    if rules and not policy:
        errors.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    for index, rule in enumerate(rules):
        at = f"{path}.restartPolicyRules[{index}]"
        errors.one_of(f"{at}.action", rule.get("action"), ("Restart", "RestartAllContainers"), required=True)
        codes = rule.get("exitCodes")
        if codes is None:
            errors.required(f"{at}.exitCodes", "must be specified")
            continue
        errors.one_of(f"{at}.exitCodes.operator", codes.get("operator"), ("In", "NotIn"), required=True)
        if len(codes.get("values") or ()) > 255:
            errors.too_many(f"{at}.exitCodes.values", len(codes["values"]), 255)


def validate_ports(errors: Errors, ports: Iterable[Obj] | None, path: str, scope: PodScope) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports or ()):
        at, name = f"{path}[{index}]", port.get("name")
        if name:
            bad = names.port_name(name)
            errors.invalid_each(f"{at}.name", name, bad)
            if not bad and name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)
        number, host = port.get("containerPort", 0), port.get("hostPort", 0)
        if not number:
            errors.required(f"{at}.containerPort")
        else:
            errors.invalid_each(f"{at}.containerPort", number, names.port_number(number))
        if host:
            errors.invalid_each(f"{at}.hostPort", host, names.port_number(host))
        if scope.host_network and host != number:
            errors.invalid(f"{at}.containerPort", number, "must match `hostPort` when `hostNetwork` is true")
        errors.one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS, required=True)
        if port.get("hostIP"):
            errors.invalid_each(f"{at}.hostIP", port["hostIP"], names.ip(port["hostIP"]))


def _validate_host_ports(errors: Errors, container: Obj, path: str, taken: set[tuple[Any, ...]]) -> None:
    for index, port in enumerate(container.get("ports") or ()):
        if not port.get("hostPort"):
            continue
        key = (port.get("protocol"), port.get("hostIP", ""), port["hostPort"])
        if key in taken:
            errors.duplicate(f"{path}.ports[{index}].hostPort", "/".join(map(str, key)))
        taken.add(key)


def _validate_mounts(errors: Errors, container: Obj, path: str, scope: PodScope) -> None:
    privileged = (container.get("securityContext") or {}).get("privileged")
    devices = {each.get("name") for each in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at, name, target = f"{path}.volumeMounts[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.required(f"{at}.name")
        if name in devices:
            errors.invalid(f"{at}.name", name, "must not already exist in volumeDevices")
        elif name not in scope.volumes:
            errors.not_found(f"{at}.name", name)
        if not target:
            errors.required(f"{at}.mountPath")
        if target in seen:
            errors.invalid(f"{at}.mountPath", target, "must be unique")
        seen.add(target)
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                validate_local_path(errors, mount[field], f"{at}.{field}")
        if mount.get("subPath") and mount.get("subPathExpr"):
            errors.invalid(
                f"{at}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive"
            )
        propagation = mount.get("mountPropagation")
        choices = ("Bidirectional", "HostToContainer", "None")
        errors.one_of(f"{at}.mountPropagation", propagation, choices)
        if propagation == "Bidirectional" and not privileged:
            message = "Bidirectional mount propagation is available only to privileged containers"
            errors.forbidden(f"{at}.mountPropagation", message)
        _validate_recursive(errors, mount, at)


def _validate_recursive(errors: Errors, mount: Obj, path: str) -> None:
    value, at = mount.get("recursiveReadOnly"), f"{path}.recursiveReadOnly"
    errors.one_of(at, value, ("Disabled", "Enabled", "IfPossible"))
    if value in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            errors.forbidden(at, "may only be specified when readOnly is true")
        if mount.get("mountPropagation") not in (None, "None"):
            errors.forbidden(at, "may only be specified when mountPropagation is None or not specified")


def _validate_devices(errors: Errors, container: Obj, path: str, scope: PodScope) -> None:
    names_seen: set[str] = set()
    paths_seen: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        at, name, target = (
            f"{path}.volumeDevices[{index}]",
            device.get("name", ""),
            device.get("devicePath", ""),
        )
        if not name:
            errors.required(f"{at}.name")
        elif name in names_seen:
            errors.invalid(f"{at}.name", name, "must be unique")
        elif name not in scope.volumes:
            errors.not_found(f"{at}.name", name)
        if not target:
            errors.required(f"{at}.devicePath")
        elif target in paths_seen:
            errors.invalid(f"{at}.devicePath", target, "must be unique")
        names_seen.add(name)
        paths_seen.add(target)


def _validate_resize_policy(errors: Errors, policies: Iterable[Obj] | None, path: str) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(policies or ()):
        at, name = f"{path}[{index}]", policy.get("resourceName", "")
        if name in seen:
            errors.duplicate(at, name)
        seen.add(name)
        errors.one_of(f"{at}.resourceName", name, ("cpu", "memory"), required=True)
        choices = ("NotRequired", "RestartContainer")
        errors.one_of(f"{at}.restartPolicy", policy.get("restartPolicy"), choices, required=True)

"""Containers of a pod: what all have in common, and what only some sorts of container may have.

Three sorts: the pod's own, init containers (with sidecars among them, restartPolicy Always), and ephemeral
ones that are added to a running pod for debugging.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.validation.env import validate_env, validate_env_from
from api.validation.errors import Errors
from api.validation.mounts import validate_devices, validate_mounts
from api.validation.pod_options import PodOptions
from api.validation.probes import validate_lifecycle, validate_probes
from api.validation.resources import validate_resources
from api.validation.restarts import validate_init_restart, validate_resize_policy, validate_restart
from api.validation.security import validate_container_security
from machinery import names

Obj = dict[str, Any]

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
# In the order in which the type declares them.
_NOT_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


@dataclass(frozen=True, slots=True)
class PodScope:
    """What a container's validation needs to know of its pod. `volumes` are the good ones by name."""

    volumes: dict[str, Obj]
    claims: frozenset[str]
    host_users: bool
    grace_s: int
    restart_policy: str | None
    options: PodOptions


def validate_containers(
    errors: Errors, spec: Obj, path: str, volumes: dict[str, Obj], options: PodOptions
) -> None:
    """All containers of a pod's or a template's spec; ephemeral ones included."""
    scope = PodScope(
        volumes=volumes,
        claims=frozenset(c["name"] for c in spec.get("resourceClaims") or () if c.get("name")),
        host_users=spec.get("hostUsers") is not False,
        grace_s=spec.get("terminationGracePeriodSeconds", 30),
        restart_policy=spec.get("restartPolicy"),
        options=options,
    )
    own = spec.get("containers") or []
    _validate_own(errors, own, f"{path}.containers", scope)
    _validate_init(errors, spec.get("initContainers") or [], own, f"{path}.initContainers", scope)
    _validate_ephemeral(errors, spec, f"{path}.ephemeralContainers", scope)


def _validate_own(errors: Errors, containers: list[Obj], path: str, scope: PodScope) -> None:
    if not containers:
        errors.required(path)
        return
    taken: set[str] = set()
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name", "")
        _validate_common(errors, container, at, scope)
        if name in taken:
            errors.duplicate(f"{at}.name", name)
        taken.add(name)
        validate_lifecycle(errors, container.get("lifecycle"), f"{at}.lifecycle", scope.grace_s)
        validate_probes(errors, container, at, scope.grace_s)
        validate_restart(errors, container, at)
    _validate_host_ports(errors, containers, path)


def _validate_init(errors: Errors, containers: list[Obj], own: list[Obj], path: str, scope: PodScope) -> None:
    taken = {container.get("name", "") for container in own}
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name", "")
        is_sidecar = container.get("restartPolicy") == "Always"
        _validate_common(errors, container, at, scope)
        validate_init_restart(errors, container, at)
        if name in taken:
            errors.duplicate(f"{at}.name", name)
        elif name:
            taken.add(name)
        # One after the other they run, each with the ports to itself; upstream calls each the first.
        _validate_host_ports(errors, [container], path)
        if is_sidecar:
            validate_lifecycle(errors, container.get("lifecycle"), f"{at}.lifecycle", scope.grace_s)
            validate_probes(errors, container, at, scope.grace_s)
            continue
        for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(field) is not None:
                errors.forbidden(
                    f"{at}.{field}", "may not be set for init containers without restartPolicy=Always"
                )
        if scope.options.restarting_resize:
            continue
        for position, policy in enumerate(container.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                errors.invalid(
                    f"{at}.resizePolicy[{position}].restartPolicy",
                    "RestartContainer",
                    "must not be set to 'RestartContainer' for non-sidecar initContainers",
                )


def _validate_ephemeral(errors: Errors, spec: Obj, path: str, scope: PodScope) -> None:
    targets = {c.get("name", "") for field in ("containers", "initContainers") for c in spec.get(field) or ()}
    taken = set(targets)
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        at, name = f"{path}[{index}]", container.get("name", "")
        _validate_common(errors, container, at, scope)
        validate_plain_image(errors, container, at)
        if name in taken:
            errors.duplicate(f"{at}.name", name)
        taken.add(name)
        target = container.get("targetContainerName")
        if target and target not in targets:
            errors.not_found(f"{at}.targetContainerName", target)
        for field in _NOT_EPHEMERAL:
            if container.get(field):
                errors.forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")
        for position, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    message = "cannot be set for an Ephemeral Container"
                    errors.forbidden(f"{at}.volumeMounts[{position}].{field}", message)


def _validate_common(errors: Errors, container: Obj, path: str, scope: PodScope) -> None:
    name = container.get("name", "")
    if not name:
        errors.required(f"{path}.name")
    else:
        errors.invalid_each(f"{path}.name", name, names.dns1123_label(name))
    if not container.get("image"):
        errors.required(f"{path}.image")
    policy = container.get("terminationMessagePolicy")
    errors.one_of(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES, required=True)
    validate_ports(errors, container.get("ports"), f"{path}.ports")
    validate_env(errors, container.get("env"), f"{path}.env")
    validate_env_from(errors, container.get("envFrom"), f"{path}.envFrom")
    validate_mounts(errors, container, scope.volumes, f"{path}.volumeMounts")
    validate_devices(errors, container, scope.volumes, f"{path}.volumeDevices")
    errors.one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES, required=True)
    resources, odd = container.get("resources"), scope.options.odd_pages
    validate_resources(errors, resources, f"{path}.resources", scope.claims, odd_pages=odd)
    validate_resize_policy(errors, container, f"{path}.resizePolicy", scope.restart_policy)
    validate_container_security(
        errors, container.get("securityContext"), f"{path}.securityContext", host_users=scope.host_users
    )


def validate_plain_image(errors: Errors, container: Obj, path: str) -> None:
    """In a pod; a template's image may be a placeholder."""
    image = container.get("image", "")
    if image != image.strip():
        errors.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def validate_ports(errors: Errors, ports: Iterable[Obj] | None, path: str) -> None:
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
        errors.one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS, required=True)


def _validate_host_ports(errors: Errors, containers: Iterable[Obj], path: str) -> None:
    taken: set[tuple[Any, ...]] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = (port.get("protocol"), port.get("hostIP", ""), port["hostPort"])
            if key in taken:
                errors.duplicate(f"{path}[{index}].ports[{position}].hostPort", "/".join(map(str, key)))
            taken.add(key)


def validate_host_network_ports(errors: Errors, spec: Obj, path: str, *, is_pod: bool) -> None:
    """On the host's network a port is the host's; a template need not say so yet."""
    if not spec.get("hostNetwork"):
        return
    for index, container in enumerate(spec.get("containers") or ()):
        for position, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort", 0)
            if (is_pod or host) and host != port.get("containerPort", 0):
                message = "must match `containerPort` when `hostNetwork` is true"
                errors.invalid(f"{path}.containers[{index}].ports[{position}].hostPort", host, message)

"""A pod's spec as a whole, in a pod and in a template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from api.validation.containers import (
    validate_containers,
    validate_host_network_ports,
    validate_plain_image,
)
from api.validation.dns import (
    validate_dns_config,
    validate_dns_policy,
    validate_host_aliases,
    validate_hostname_override,
)
from api.validation.env import validate_file_volumes
from api.validation.errors import Errors
from api.validation.pod_annotations import (
    MIRROR,
    judged,
    validate_annotations,
    validate_same_profiles,
)
from api.validation.pod_level import validate_claims, validate_pod_level
from api.validation.pod_options import POD, PodOptions
from api.validation.pod_ratchets import options_for
from api.validation.pod_warnings import pod_warnings, speak_of_the_spec
from api.validation.resources import validate_resources
from api.validation.scheduling import (
    validate_affinity,
    validate_node_selector,
    validate_spread,
    validate_tolerations,
)
from api.validation.security import validate_host_users, validate_pod_security
from api.validation.volumes import validate_volumes
from api.validation.windows import validate_host_process, validate_os
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_INT32_MAX = 2**31 - 1
_LARGEST_BYTES = 16 * 1024  # of a spec whose verdict is remembered


def validate_pod(pod: Obj) -> Sequence[Cause]:
    """A new pod, its metadata apart."""
    spec, meta = pod.get("spec") or {}, pod["metadata"]
    text = orjson.dumps(spec)
    alone = not judged(meta.get("annotations")) and b'"ephemeral":' not in text
    if alone and len(text) <= _LARGEST_BYTES:
        return _causes_in(text)
    return _causes(spec, meta)


def advise_on_pod(pod: Obj) -> Sequence[str]:
    """Warnings about a new pod."""
    spec, meta = pod["spec"], pod["metadata"]
    name = meta.get("name", "")
    first: tuple[str, ...] = ()
    if bad := names.dns1123_label(name):
        first = (
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(bad)}]",
        )
    text = orjson.dumps(spec)
    if len(text) > _LARGEST_BYTES or speak_of_the_spec(meta.get("annotations") or {}):
        return (*first, *pod_warnings(spec, "spec", meta))
    return (*first, *_warnings_in(text))


@lru_cache(maxsize=256)
def _causes_in(text: bytes) -> Sequence[Cause]:
    """Pods come in families that share their spec: what is wrong with one is wrong with all."""
    return _causes(orjson.loads(text), {})


@lru_cache(maxsize=256)
def _warnings_in(text: bytes) -> Sequence[str]:
    return tuple(pod_warnings(orjson.loads(text), "spec"))


def _causes(spec: Obj, meta: Obj) -> Sequence[Cause]:
    errors = Errors()
    validate_whole_pod(errors, spec, meta, POD)
    if spec.get("ephemeralContainers"):
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    validate_same_profiles(errors, meta.get("annotations"), spec, "spec")
    return tuple(errors.causes)


def validate_whole_pod(errors: Errors, spec: Obj, meta: Obj, options: PodOptions) -> None:
    """A pod, new or changed: its spec, the annotations that speak of it, and what templates may but pods may not."""
    validate_annotations(errors, meta.get("annotations"), spec, "metadata.annotations", options)
    validate_pod_spec(errors, spec, "spec", options, meta)
    if not spec.get("serviceAccountName"):
        for index, volume in enumerate(spec.get("volumes") or ()):
            for position, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if source.get("serviceAccountToken") is not None:
                    errors.forbidden(
                        f"spec.volumes[{index}].projected.sources[{position}].serviceAccountToken",
                        "must not be specified when serviceAccountName is not set",
                    )
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            validate_plain_image(errors, container, f"spec.{field}[{index}]")


def validate_template(errors: Errors, template: Obj, path: str, old: Obj | None = None) -> None:
    """A pod template. `old`: the one it follows upon, whose mistakes it may keep."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    was = old or {}
    options = options_for(None if old is None else was.get("spec") or {}, was.get("metadata"), is_pod=False)
    errors.causes += names.labels(meta.get("labels") or {}, f"{path}.labels")
    errors.causes += names.annotations(meta.get("annotations") or {}, f"{path}.annotations")
    validate_annotations(errors, meta.get("annotations"), spec, f"{path}.annotations", options)
    validate_pod_spec(errors, spec, f"{path}.spec", options)
    validate_same_profiles(errors, meta.get("annotations"), spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        message = "ephemeral containers not allowed in pod template"
        errors.forbidden(f"{path}.spec.ephemeralContainers", message)


def validate_pod_spec(
    errors: Errors, spec: Obj, path: str, options: PodOptions, meta: Obj | None = None
) -> None:
    """`meta` is a pod's, None in a template."""
    meta = meta or {}
    if spec.get("terminationGracePeriodSeconds") is None:
        errors.required(f"{path}.terminationGracePeriodSeconds")
        spec = {**spec, "terminationGracePeriodSeconds": 30}
    volumes = spec.get("volumes") or ()
    good = validate_volumes(errors, volumes, f"{path}.volumes", options, meta.get("name", ""))
    mirror = MIRROR in (meta.get("annotations") or {})
    validate_claims(errors, spec.get("resourceClaims"), f"{path}.resourceClaims", mirror=mirror)
    validate_containers(errors, spec, path, good, options)
    validate_pod_level(errors, spec, path, odd_pages=options.odd_pages)
    validate_host_network_ports(errors, spec, path, is_pod=options.is_pod)
    errors.one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES, required=True)
    validate_dns_policy(errors, spec, path)
    validate_node_selector(errors, spec.get("nodeSelector"), f"{path}.nodeSelector")
    validate_pod_security(errors, spec, path, host_sysctls=options.host_sysctls)
    validate_affinity(errors, spec.get("affinity"), f"{path}.affinity", options)
    validate_dns_config(errors, spec, path)
    _validate_gates(errors, spec, path)
    constraints = spec.get("topologySpreadConstraints")
    validate_spread(errors, constraints, f"{path}.topologySpreadConstraints", options)
    validate_host_process(errors, spec, path)
    validate_host_users(errors, spec, path, devices=options.devices_for_own_users)
    validate_hostname_override(errors, spec, path)
    _validate_names(errors, spec, path, {"serviceAccountName", "nodeName"})
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None:
        bad = names.in_range(deadline, 1, _INT32_MAX)
        errors.invalid_each(f"{path}.activeDeadlineSeconds", deadline, bad)
    _validate_names(errors, spec, path, {"hostname", "subdomain"})
    validate_tolerations(errors, spec.get("tolerations"), f"{path}.tolerations")
    validate_host_aliases(errors, spec.get("hostAliases"), f"{path}.hostAliases")
    _validate_names(errors, spec, path, {"priorityClassName", "runtimeClassName"})
    if (preemption := spec.get("preemptionPolicy")) is not None:
        choices = ("PreemptLowerPriority", "Never")
        errors.one_of(f"{path}.preemptionPolicy", preemption, choices, required=True)
    overhead = {"limits": spec.get("overhead")}
    validate_resources(errors, overhead, f"{path}.overhead", odd_pages=options.odd_pages)
    validate_os(errors, spec, path)
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            validate_file_volumes(errors, volumes, container.get("env"), f"{path}.{field}[{index}].env")


_NAMES = (
    ("serviceAccountName", names.dns1123_subdomain),
    ("nodeName", names.dns1123_subdomain),
    ("hostname", names.dns1123_label),
    ("subdomain", names.dns1123_label),
    ("priorityClassName", names.dns1123_subdomain),
    ("runtimeClassName", names.dns1123_subdomain),
)


def _validate_names(errors: Errors, spec: Obj, path: str, which: set[str]) -> None:
    """Fields that hold the names of other objects, or the pod's own in DNS. An empty runtimeClassName is one."""
    for field, rule in _NAMES:
        if field in which and (spec.get(field) or (field == "runtimeClassName" and spec.get(field) == "")):
            errors.invalid_each(f"{path}.{field}", spec[field], rule(spec[field]))


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

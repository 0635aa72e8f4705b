"""Advice about pods that are accepted: fields on their way out, and values that cannot mean what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.validation.addresses import ip_warnings
from api.validation.claim import claim_spec_warnings
from api.validation.node_warnings import OLD_NODE_LABELS, node_term_warnings
from api.validation.pod_annotations import APPARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from api.validation.volume_warnings import overlap_warnings
from machinery import quantity

Obj = dict[str, Any]

_OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_OLD_VOLUMES = {
    "photonPersistentDisk": "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "flocker": "flocker: deprecated in v1.22, non-functional in v1.25+",
    "storageos": "storageOS: deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "quobyte: deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "cephfs: deprecated in v1.28, non-functional in v1.31+",
    "rbd": "rbd: deprecated in v1.28, non-functional in v1.31+",
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_SELECTOR = "a null labelSelector results in matching no pod"


def speak_of_the_spec(annotations: Mapping[str, str]) -> bool:
    """Whether advice about the spec depends on any of them."""
    return any(
        key in _OLD_ANNOTATIONS or key == SECCOMP_POD or key.startswith((SECCOMP_CONTAINER, APPARMOR))
        for key in annotations
    )


def pod_warnings(spec: Obj, path: str, meta: Obj | None = None) -> Sequence[str]:
    """Warnings for a pod's or a template's spec at `path` (`spec`, `spec.template.spec`), as kubectl prints them."""
    annotations = (meta or {}).get("annotations") or {}
    at_annotations = f"{path.removesuffix('spec')}metadata.annotations"
    out = [
        f"{path}.nodeSelector[{key}]: {OLD_NODE_LABELS[key]}"
        for key in spec.get("nodeSelector") or ()
        if key in OLD_NODE_LABELS
    ]
    out += _node_affinity(spec, f"{path}.affinity.nodeAffinity")
    out += _spread(spec, f"{path}.topologySpreadConstraints")
    out += [f"{at_annotations}[{k}]: {why}" for k, why in _OLD_ANNOTATIONS.items() if k in annotations]
    out += _volumes(spec, f"{path}.volumes")
    out += overlap_warnings(spec.get("volumes") or ())
    out += _repeated(spec, "hostAliases", "ip", path)
    out += _repeated(spec, "imagePullSecrets", "name", path)
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            out.append(f'{path}.imagePullSecrets[{index}].name: invalid empty name ""')
    out += _fractions(spec.get("overhead"), f"{path}.overhead")
    context = spec.get("securityContext") or {}
    if SECCOMP_POD in annotations and context.get("seccompProfile") is None:
        out.append(_old_profile(at_annotations, SECCOMP_POD, "seccompProfile", "non-functional in v1.27+"))
    for at, container in _containers(spec, path):
        own, name = container.get("securityContext") or {}, container.get("name", "")
        if SECCOMP_CONTAINER + name in annotations and own.get("seccompProfile") is None:
            key = SECCOMP_CONTAINER + name
            out.append(_old_profile(at_annotations, key, "seccompProfile", "non-functional in v1.27+"))
        has_field = context.get("appArmorProfile") is not None or own.get("appArmorProfile") is not None
        if path != "spec" and APPARMOR + name in annotations and not has_field:
            key = APPARMOR + name
            out.append(_old_profile(at_annotations, key, "appArmorProfile", "deprecated since v1.30"))
        out += _container_warnings(container, at)
    out += _ports(spec, path)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        out.append(
            f"{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        )
    out += _pod_affinity(spec, f"{path}.affinity")
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        out += ip_warnings(f"{path}.dnsConfig.nameservers[{index}]", server)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        out += ip_warnings(f"{path}.hostAliases[{index}].ip", alias.get("ip", ""))
    return out


def _old_profile(path: str, key: str, field: str, since: str) -> str:
    return f'{path}[{key}]: {since}; use the "{field}" field instead'


def _containers(spec: Obj, path: str) -> Iterator[tuple[str, Obj]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield f"{path}.{field}[{index}]", container


def _node_affinity(spec: Obj, path: str) -> Iterator[str]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    for index, term in enumerate((affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from node_term_warnings(term, f"{path}.{_REQUIRED}.nodeSelectorTerms[{index}]")
    for index, each in enumerate(affinity.get(_PREFERRED) or ()):
        yield from node_term_warnings(
            each.get("preference") or {}, f"{path}.{_PREFERRED}[{index}].preference"
        )


def _pod_affinity(spec: Obj, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        for index, term in enumerate(affinity.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{kind}.{_REQUIRED}[{index}].labelSelector: {_NO_SELECTOR}"
        for index, each in enumerate(affinity.get(_PREFERRED) or ()):
            if (each.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{kind}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_SELECTOR}"


def _spread(spec: Obj, path: str) -> Iterator[str]:
    for index, each in enumerate(spec.get("topologySpreadConstraints") or ()):
        key = each.get("topologyKey", "")
        if key in OLD_NODE_LABELS:
            yield f"{path}[{index}].topologyKey: {key} is {OLD_NODE_LABELS[key]}"
        if each.get("labelSelector") is None:
            yield f"{path}[{index}].labelSelector: {_NO_SELECTOR}"


def _volumes(spec: Obj, path: str) -> Iterator[str]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        for kind, why in _OLD_VOLUMES.items():
            if kind in volume:
                yield f"{path}[{index}].{why}"
        claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec")
        if claim is not None:
            yield from claim_spec_warnings(claim, f"{path}[{index}].ephemeral.volumeClaimTemplate.spec")


def _repeated(spec: Obj, field: str, key: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, each in enumerate(spec.get(field) or ()):
        value = each.get(key, "")
        if value in seen:
            yield f'{path}.{field}[{index}].{key}: duplicate {key} "{value}"'
        seen.add(value)


def _fractions(amounts: Obj | None, path: str) -> Iterator[str]:
    for name in ("memory", "ephemeral-storage"):
        amount = (amounts or {}).get(name)
        if amount is not None and quantity.milli_value(amount) % 1000:
            yield f'{path}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _container_warnings(container: Obj, path: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for name in ("memory", "ephemeral-storage"):
        for part in ("limits", "requests"):
            amounts = resources.get(part) or {}
            yield from _fractions({k: v for k, v in amounts.items() if k == name}, f"{path}.resources.{part}")
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name", ""), variable.get("value", "")
        # `X=$(X)-more` builds on what stood there before.
        builds = f"$({name})" in value and value != f"$({name})" and variable.get("valueFrom") is None
        if name in seen and not builds:
            yield f'{path}.env[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(spec: Obj, path: str) -> Iterator[str]:
    """Ports of all containers together: they share one address."""
    known: dict[tuple[Any, ...], list[tuple[str, Obj]]] = {}
    for at, container in _containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            here, ip, host = f"{at}.ports[{index}]", port.get("hostIP", ""), port.get("hostPort", 0)
            if ip and not host:
                shown = " ".join(
                    f"{field}:{port.get(key, default)}"
                    for field, key, default in (
                        ("Name", "name", ""),
                        ("HostPort", "hostPort", 0),
                        ("ContainerPort", "containerPort", 0),
                        ("Protocol", "protocol", ""),
                        ("HostIP", "hostIP", ""),
                    )
                )
                yield f"{here}: hostIP set without hostPort: {{{shown}}}"
            if ip:
                yield from ip_warnings(f"{here}.hostIP", ip)
            others = known.setdefault((port.get("containerPort"), port.get("protocol", "TCP")), [])
            for there, other in others:
                other_ip, other_host = other.get("hostIP", ""), other.get("hostPort", 0)
                if (ip, host) == (other_ip, other_host):
                    yield f"{here}: duplicate port definition with {there}"
                elif not host or not other_host:
                    yield f"{here}: overlapping port definition with {there}"
                elif host == other_host and bool(ip) != bool(other_ip):
                    yield f"{here}: dangerously ambiguous port definition with {there}"
            others.append((here, port))


def status_warnings(status: Obj) -> Sequence[str]:
    """Addresses in unusual forms."""
    out: list[str] = []
    for field in ("podIPs", "hostIPs"):
        for index, each in enumerate(status.get(field) or ()):
            out += ip_warnings(f"status.{field}[{index}].ip", each.get("ip", ""))
    return out

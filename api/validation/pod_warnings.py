"""Advice about pods that are accepted: fields on their way out, and values that cannot mean what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from machinery import quantity

Obj = dict[str, Any]

_OLD_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
}
_OLD_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


def pod_warnings(spec: Obj, path: str) -> Sequence[str]:
    """Warnings for a pod's or a template's spec, as kubectl prints them."""
    out = [
        f"{path}.nodeSelector[{key}]: {_OLD_NODE_LABELS[key]}"
        for key in spec.get("nodeSelector") or ()
        if key in _OLD_NODE_LABELS
    ]
    for index, volume in enumerate(spec.get("volumes") or ()):
        for kind, why in _OLD_VOLUMES.items():
            if kind in volume:
                out.append(f"{path}.volumes[{index}].{kind}: {why}")
    seen_secrets = set()
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        name, at = secret.get("name", ""), f"{path}.imagePullSecrets[{index}]"
        if not name:
            out.append(f'{at}: invalid empty name ""')
        elif name in seen_secrets:
            out.append(f'{at}: duplicate name "{name}"')
        seen_secrets.add(name)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        out.append(
            f"{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        )
    for at, container in _containers(spec, path):
        out += _container_warnings(container, at)
    return out


def _containers(spec: Obj, path: str) -> Iterator[tuple[str, Obj]]:
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield f"{path}.{field}[{index}]", container


def _container_warnings(container: Obj, path: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for part in ("limits", "requests"):
        for name in ("memory", "ephemeral-storage"):
            amount = (resources.get(part) or {}).get(name)
            if amount is not None and quantity.milli_value(amount) % 1000:
                yield (
                    f'{path}.resources.{part}[{name}]: fractional byte value "{amount}" is invalid, '
                    "must be an integer"
                )
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name = variable.get("name", "")
        if name in seen:
            yield f'{path}.env[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)
    ports: set[tuple[Any, ...]] = set()
    for index, port in enumerate(container.get("ports") or ()):
        key = (port.get("containerPort"), port.get("protocol", "TCP"))
        if key in ports and not port.get("hostPort"):
            yield f"{path}.ports[{index}]: duplicate port definition with an earlier port of this container"
        ports.add(key)

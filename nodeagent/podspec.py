"""Reading a Pod: small total functions over the wire dict, so that no other file spells a default twice.

Nothing here changes a pod. Fields that the API server defaults are still given their default, because
a mirror of an old object or a test may lack them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Literal

import orjson

Obj = dict[str, Any]
Role = Literal["init", "sidecar", "container", "ephemeral"]

DEFAULT_GRACE_S = 30


def uid_of(pod: Obj) -> str:
    return str(pod["metadata"].get("uid", ""))


def namespace_of(pod: Obj) -> str:
    return str(pod["metadata"].get("namespace", ""))


def name_of(pod: Obj) -> str:
    return str(pod["metadata"]["name"])


def full_name(pod: Obj) -> str:
    """`web_default(uid)`: how upstream's messages name a pod."""
    return f"{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"


def spec_of(pod: Obj) -> Obj:
    return pod.get("spec") or {}


def init_containers(pod: Obj) -> list[Obj]:
    return spec_of(pod).get("initContainers") or []


def containers(pod: Obj) -> list[Obj]:
    return spec_of(pod).get("containers") or []


def ephemeral_containers(pod: Obj) -> list[Obj]:
    return spec_of(pod).get("ephemeralContainers") or []


def all_containers(pod: Obj) -> Iterator[tuple[Role, Obj]]:
    """Every container with its role, init containers first."""
    for container in init_containers(pod):
        yield ("sidecar" if is_sidecar(container) else "init"), container
    for container in containers(pod):
        yield "container", container
    for container in ephemeral_containers(pod):
        yield "ephemeral", container


def find_container(pod: Obj, name: str) -> tuple[Role, Obj] | None:
    for role, container in all_containers(pod):
        if container["name"] == name:
            return role, container
    return None


def is_sidecar(init_container: Obj) -> bool:
    """An init container that is kept running beside the others (restartPolicy Always)."""
    return init_container.get("restartPolicy") == "Always"


def restart_policy(pod: Obj) -> str:
    return spec_of(pod).get("restartPolicy") or "Always"


def grace_period_s(pod: Obj) -> int:
    """Seconds from the first signal to SIGKILL: what the deletion asked for, else what the spec says."""
    meta = pod["metadata"]
    if meta.get("deletionTimestamp") and meta.get("deletionGracePeriodSeconds") is not None:
        return int(meta["deletionGracePeriodSeconds"])
    wanted = spec_of(pod).get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE_S if wanted is None else int(wanted)


def is_deleted(pod: Obj) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase_of(pod: Obj) -> str:
    return (pod.get("status") or {}).get("phase") or "Pending"


def is_terminal(pod: Obj) -> bool:
    return phase_of(pod) in ("Succeeded", "Failed")


def is_static(pod: Obj) -> bool:
    source = (pod["metadata"].get("annotations") or {}).get("kubernetes.io/config.source", "api")
    return bool(source != "api")


def uses_host_network(pod: Obj) -> bool:
    return bool(spec_of(pod).get("hostNetwork"))


def condition(pod: Obj, type_: str) -> Obj | None:
    for entry in (pod.get("status") or {}).get("conditions") or ():
        if entry.get("type") == type_:
            return dict(entry)
    return None


def container_hash(container: Obj) -> str:
    """Changes when the running container no longer is what the spec says. Only the image can change in
    place (resources are resized, not restarted), so only name and image count, as upstream."""
    seed = orjson.dumps([container["name"], container.get("image", "")])
    return hashlib.sha256(seed).hexdigest()[:16]


def container_field_path(role: Role, name: str) -> str:
    field = {
        "init": "initContainers",
        "sidecar": "initContainers",
        "container": "containers",
        "ephemeral": "ephemeralContainers",
    }[role]
    return f"spec.{field}{{{name}}}"

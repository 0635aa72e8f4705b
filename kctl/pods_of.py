"""From what people name (`POD`, `deployment/web`, `-l app=web`) to pods and their containers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kctl.failure import Failure
from kctl.session import Session
from kctl.targets import one_target

Obj = dict[str, Any]
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def pods_of(session: Session, args: Sequence[str]) -> list[Obj]:
    """The pods of the one object that `args` name: itself, or those its selector selects."""
    info, name = one_target(session.mapper, args, default="pods")
    obj = session.rest.get(info.gvr.path(session.namespace, name))
    if info.gvr.kind == "Pod":
        return [obj]
    selector = obj.get("spec", {}).get("selector") or {}
    labels = selector.get(
        "matchLabels", selector if info.gvr.kind in ("Service", "ReplicationController") else {}
    )
    if not labels:
        raise Failure(f"{info.full_name}/{name} selects no pods")
    text = ",".join(f"{key}={value}" for key, value in labels.items())
    path = session.mapper.find("pods").gvr.path(session.namespace)
    pods: list[Obj] = session.rest.get(path, [("labelSelector", text)])["items"]
    if not pods:
        raise Failure(f"{info.full_name}/{name} has no pods now")
    return sorted(pods, key=_preference)


def _preference(pod: Obj) -> tuple[bool, bool, str]:
    """Ready before not, running before not, then by name."""
    status = pod.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return (not ready, status.get("phase") != "Running", pod["metadata"]["name"])


def one_pod(session: Session, args: Sequence[str]) -> Obj:
    return pods_of(session, args)[0]


def containers_of(pod: Obj, *, init: bool = True) -> list[str]:
    spec = pod["spec"]
    fields = ("initContainers", "containers", "ephemeralContainers") if init else ("containers",)
    return [container["name"] for field in fields for container in spec.get(field) or ()]


def choose_container(
    session: Session, pod: Obj, wanted: str, *, quiet: bool = False, refusal: str = "not found in"
) -> str:
    """The named one; else the annotated default; else the first, saying so where there is a choice."""
    if wanted:
        if wanted not in containers_of(pod):
            name = pod["metadata"]["name"]
            known = ", ".join(containers_of(pod))
            raise Failure(f"container {wanted} {refusal} pod {name}; it has {known}")
        return wanted
    names = containers_of(pod, init=False)
    default: str = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    if default in names:
        return default
    if len(names) > 1 and not quiet:
        print(f'Defaulted container "{names[0]}" out of: {", ".join(containers_of(pod))}', file=session.err)
    return names[0]

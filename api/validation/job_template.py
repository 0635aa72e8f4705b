"""What a suspended job may still change about the pods that it will make.

A job that waits and has no pods may be told anew where they run, which labels and annotations they carry and how much
its containers get; all else of a template stays for good. Source: KEP-2926, KEP-5440.
"""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")


def allowed_template(old: Obj, new: Obj) -> Obj:
    """The old job's template, with what its successor may say of it taken from the template `new`."""
    template: Obj = (old.get("spec") or {}).get("template") or {}
    if not _waits(old):
        return template
    wanted, words = new.get("spec") or {}, new.get("metadata") or {}
    pod = _taking(template.get("spec") or {}, wanted, _SCHEDULING)
    pod = _with_node_affinity(pod, wanted.get("affinity"))
    for part in ("containers", "initContainers"):
        if part in pod:
            pod[part] = _with_resources(pod[part] or [], wanted.get(part) or [])
    meta = _taking(template.get("metadata") or {}, words, ("labels", "annotations"))
    return {**template, "spec": pod, **({"metadata": meta} if meta or "metadata" in new else {})}


def _waits(old: Obj) -> bool:
    """Suspended, never started or known to have stopped, and without pods."""
    status = old.get("status") or {}
    stopped = not status.get("startTime") or any(
        each.get("type") == "Suspended" and each.get("status") == "True"
        for each in status.get("conditions") or ()
    )
    return bool(old["spec"].get("suspend")) and stopped and not status.get("active")


def _taking(part: Obj, source: Obj, fields: tuple[str, ...]) -> Obj:
    kept = {key: value for key, value in part.items() if key not in fields}
    return kept | {field: source[field] for field in fields if field in source}


def _with_node_affinity(pod: Obj, wanted: Obj | None) -> Obj:
    """Affinity to nodes is as wanted, to pods as it was; none is left where nothing else was asked for."""
    affinity = _taking(pod.get("affinity") or {}, wanted or {}, ("nodeAffinity",))
    rest = {key: value for key, value in pod.items() if key != "affinity"}
    return {**rest, "affinity": affinity} if affinity or wanted is not None else rest


def _with_resources(containers: list[Obj], wanted: list[Obj]) -> list[Obj]:
    """Resources by position; containers that came, went or changed names differ by that alone."""
    if len(containers) != len(wanted):
        return containers
    return [_taking(each, source, ("resources",)) for each, source in zip(containers, wanted, strict=True)]

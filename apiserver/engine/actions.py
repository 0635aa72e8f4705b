"""POST to a pod's binding: a write of the pod under a narrow rule, so conflicts and watches see nothing special.

The Binding itself has been through admission.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from api.resource import Obj
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.write import Change, Scope, guaranteed_update
from apiserver.storage.store import Entry
from machinery.clock import rfc3339
from machinery.errors import BadRequest, Cause, conflict, invalid


def success(code: int = 201) -> Written:
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": code,
    }
    return Written(code, orjson.dumps(status), status)


async def bind(engine: Engine, call: Call, binding: Obj) -> Written:
    """Assign a pod to a node. Raises Conflict where it is assigned or going, Invalid where the target is no node."""
    call = _of_pod(engine, call, binding["metadata"].get("name", ""))
    target = binding.get("target") or {}
    node = target.get("name", "")
    causes = []
    if target.get("kind") not in (None, "", "Node"):
        causes.append(
            Cause(
                "FieldValueNotSupported",
                f'Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"',
                "target.kind",
            )
        )
    if not node:
        causes.append(Cause("FieldValueRequired", "Required value", "target.name"))
    if causes:
        raise invalid("", "Binding", call.name, causes)
    if not call.name:
        raise BadRequest("Name parameter required.")
    now = rfc3339(engine.clock.now())

    def change(pod: Obj, entry: Entry) -> Change:
        why = _objection(pod, binding, entry)
        if why:
            raise conflict(call.group, "pods/binding", call.name, why)
        pod["spec"]["nodeName"] = node
        for key in ("annotations", "labels"):
            if binding["metadata"].get(key):
                pod["metadata"].setdefault(key, {}).update(binding["metadata"][key])
        _set_scheduled(pod, now)
        return Change(pod, manager_op="")  # nobody owns where a pod runs

    await guaranteed_update(engine, call, change, Scope(_unchanged, _no_causes, False), admitted=True)
    return success()


def _of_pod(engine: Engine, call: Call, named: str) -> Call:
    """POST to the collection of bindings names the pod in the body."""
    pods = engine.catalog.find("", "pods")
    if pods is not None and call.plural == "bindings":
        return replace(call, served=pods, subresource="binding", name=named)
    if named != call.name:
        raise BadRequest("name in URL does not match name in Binding object")
    return call


def _objection(pod: Obj, binding: Obj, entry: Entry) -> str:
    """Why this pod is not assigned, "" where it may be."""
    meta, spec = pod["metadata"], pod["spec"]
    for what, key, found in (
        ("UID", "uid", meta.get("uid", "")),
        ("ResourceVersion", "resourceVersion", str(entry.revision)),
    ):
        expected = binding["metadata"].get(key)
        if expected and expected != found:
            return f"Precondition failed: {what} in precondition: {expected}, {what} in object meta: {found}"
    if meta.get("deletionTimestamp"):
        return f"pod {meta['name']} is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f'pod {meta["name"]} is already assigned to node "{spec["nodeName"]}"'
    if spec.get("schedulingGates"):
        return f"pod {meta['name']} has non-empty .spec.schedulingGates"
    return ""


def _set_scheduled(pod: Obj, now: str) -> None:
    status = pod.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    conditions = status.setdefault("conditions", [])
    for condition in conditions:
        if condition["type"] == "PodScheduled":
            if condition["status"] != "True":
                condition["lastTransitionTime"] = now
            condition["status"] = "True"
            condition.pop("reason", None)
            condition.pop("message", None)
            return
    conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": now})


def _unchanged(obj: Obj, old: Obj) -> None:
    return None


def _no_causes(obj: Obj, old: Obj) -> tuple[Cause, ...]:
    return ()

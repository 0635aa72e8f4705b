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
        raise invalid("", "Binding", call.name or binding["metadata"].get("name", ""), causes)
    said = binding["metadata"].get("uid", "")
    # POST to the bindings collection names the pod in the body.
    call = replace(call, name=call.name or binding["metadata"].get("name", ""))
    if not call.name:
        raise BadRequest("the binding must name a pod")
    now = rfc3339(engine.clock.now())

    def change(old: Obj, entry: Entry) -> Change:
        meta, spec = old["metadata"], old["spec"]
        if said and said != meta.get("uid"):
            raise conflict(
                call.group,
                "pods/binding",
                call.name,
                f"Precondition failed: UID in precondition: {said}, UID in object meta: {meta.get('uid', '')}",
            )
        if meta.get("deletionTimestamp"):
            raise conflict(
                call.group,
                "pods/binding",
                call.name,
                f"pod {call.name} is being deleted, cannot be assigned to a host",
            )
        if spec.get("nodeName"):
            raise conflict(
                call.group,
                "pods/binding",
                call.name,
                f'pod {call.name} is already assigned to node "{spec["nodeName"]}"',
            )
        if spec.get("schedulingGates"):
            raise conflict(
                call.group, "pods/binding", call.name, f"pod {call.name} has non-empty .spec.schedulingGates"
            )
        spec["nodeName"] = node
        for key in ("annotations", "labels"):
            if binding["metadata"].get(key):
                meta.setdefault(key, {}).update(binding["metadata"][key])
        _set_scheduled(old, now)
        return Change(old)

    await guaranteed_update(engine, call, change, Scope(_unchanged, _no_causes, False), admitted=True)
    return success()


def _set_scheduled(pod: Obj, now: str) -> None:
    status = pod.setdefault("status", {})
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

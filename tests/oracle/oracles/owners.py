"""Server-side apply and field ownership of built-in kinds, step by step, against upstream's field manager.

A case is one write: the live object with its managedFields, who writes what and how. `fresh` follows runs of writes by
several managers; each step starts from what upstream made of the one before. Compared are the object, every entry of
managedFields with its fields, and, where an apply is refused, message and causes.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import orjson
from oracles.process import Answer, Ask, Request
from oracles.values import Shape

from api import registry
from api.resource import Resource
from machinery.clock import parse_rfc3339
from machinery.errors import ApiError
from machinery.patch import PatchError, apply

Obj = dict[str, Any]
NOW = "2030-01-01T00:00:00Z"
MANAGERS = ("ann", "bob", "cat", "kubectl")
_POPULAR = (
    "Pod", "Deployment", "Service", "ConfigMap", "Secret", "Node", "NetworkPolicy", "EndpointSlice", "Role", "StatefulSet",
    "PersistentVolumeClaim", "CustomResourceDefinition", "HorizontalPodAutoscaler", "Ingress", "ServiceAccount", "Job",
)  # fmt: skip
_SKIPPED = ("CustomResourceDefinition", "APIService")  # client-go has no schemas of theirs


def kinds() -> dict[str, Resource]:
    out = {}
    for resource in registry.load():
        schema = resource.schema()
        if "metadata" in schema.fields and resource.kind not in _SKIPPED and "update" in resource.verbs:
            out[f"{resource.gvr.api_version} {resource.kind}"] = resource
    return out


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    """One run of writes, each with upstream's answer."""
    known = kinds()
    popular = [name for name in known if name.split()[1] in _POPULAR]
    name = rng.choice(popular if rng.random() < 0.7 else list(known))
    resource = known[name]
    shape = Shape(rng, resource.schema(), share=rng.choice((0.15, 0.25, 0.4)))
    faulty = rng.choice((0, 0, 0, 0.3))
    live: Obj | None = None
    clock = 0
    for _ in range(rng.randrange(3, 8)):
        request = _step(rng, resource, shape, live, faulty)
        answer = settled(ask(request))
        yield request, answer
        made = answer.get("out") or {}
        if made.get("object"):
            clock += 1
            live = _stored(made, f"2025-01-01T00:00:{clock:02}Z")


def _step(rng: random.Random, resource: Resource, shape: Shape, live: Obj | None, faulty: float) -> Request:
    do = rng.choice(("apply", "apply", "update")) if live else rng.choice(("apply", "update"))
    obj = shape.value(rng, sparse=0.35 if do == "apply" else 0.2, faulty=faulty)
    obj.setdefault("metadata", {})
    obj["metadata"] = {
        key: value
        for key, value in obj["metadata"].items()
        if key in ("labels", "annotations", "ownerReferences", "finalizers")
    }
    obj["metadata"]["name"] = "one"
    subresource = ""
    if live and "status" in resource.subresources and "status" in obj and rng.random() < 0.3:
        subresource = "status"
        obj = {"metadata": obj["metadata"], "status": obj["status"]}
    if do == "update" and live:
        base = {**copy.deepcopy(live), **obj} if rng.random() < 0.6 else obj
        base["metadata"] = {**live["metadata"], **obj["metadata"]}
        base["metadata"].pop("managedFields", None)
        obj = base
    if do == "apply" and live and rng.random() < 0.3:  # say again what is there
        for key in list(obj):
            if key in live and key != "metadata" and rng.random() < 0.6:
                obj[key] = live[key]
    api_version = resource.gvr.api_version
    return {
        "fn": do,
        "apiVersion": api_version,
        "kind": resource.kind,
        "live": live,
        "object": {"apiVersion": api_version, "kind": resource.kind, **obj},
        "manager": rng.choice(MANAGERS),
        "subresource": subresource,
        "force": do == "apply" and rng.random() < 0.4,
    }


def _stored(made: Obj, now: str) -> Obj:
    """What the server would hold: upstream's object without its zeros, managedFields back in place, and times gone by."""
    obj: Obj = pruned(copy.deepcopy(made["object"]))
    meta = obj.setdefault("metadata", {})
    meta["uid"] = "11111111-1111-1111-1111-111111111111"
    entries = []
    for held in made.get("managedFields") or []:
        entry = {
            "manager": held["Manager"],
            "operation": held["Operation"],
            "apiVersion": held["APIVersion"],
            "time": now if held["Time"] == "now" else held["Time"],
            "fieldsType": "FieldsV1",
            "fieldsV1": orjson.loads(held["Fields"]),
        }
        if not held["Time"]:
            del entry["time"]
        if held["Subresource"]:
            entry["subresource"] = held["Subresource"]
        entries.append(entry)
    if entries:
        meta["managedFields"] = entries
    return obj


def settled(answer: Answer) -> Answer:
    """The answer without what differs from run to run: the present."""
    out = answer.get("out")
    if isinstance(out, dict):
        for held in out.get("managedFields") or []:
            if held["Time"] > "2026":
                held["Time"] = "now"
    return answer


def ours(request: Request) -> Answer:
    resource = kinds_known()[f"{request['apiVersion']} {request['kind']}"]
    live, sent = copy.deepcopy(request["live"]), copy.deepcopy(request["object"])
    now = parse_rfc3339(NOW)
    words: dict[str, Any] = {
        "manager": request["manager"],
        "api_version": request["apiVersion"],
        "now": now,
        "schema": resource.schema(),
        "subresource": request["subresource"],
    }
    try:
        if request["fn"] == "apply":
            made = apply.apply(live, sent, force=request["force"], **words)
        else:
            apply.update_managed_fields(live, sent, **words)
            made = sent
    except ApiError as error:
        status = error.to_status()
        causes = [
            {"reason": cause["reason"], "message": cause["message"], "field": cause["field"]}
            for cause in (status.get("details") or {}).get("causes") or []
        ]
        causes.sort(key=lambda cause: cause["message"])
        return {
            "out": {
                "message": status["message"],
                "reason": status["reason"],
                "code": status["code"],
                "causes": causes,
            }
        }
    except PatchError as error:
        return {"error": str(error)}
    entries = (made.get("metadata") or {}).pop("managedFields", None) or []
    out: Obj = {"object": made}
    if entries:
        out["managedFields"] = [
            {
                "Manager": entry["manager"],
                "Operation": entry["operation"],
                "APIVersion": entry["apiVersion"],
                "Subresource": entry.get("subresource", ""),
                "Time": "now" if entry.get("time") == NOW else entry.get("time", ""),
                "Fields": orjson.dumps(entry["fieldsV1"], option=orjson.OPT_SORT_KEYS).decode(),
            }
            for entry in entries
        ]
    return {"out": out}


_kinds: dict[str, Resource] = {}


def kinds_known() -> dict[str, Resource]:
    if not _kinds:
        _kinds.update(kinds())
    return _kinds


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    """What differs, in words; "" for nothing."""
    if "out" not in theirs or "out" not in mine:
        return "" if set(theirs) == set(mine) else f"theirs {_short(theirs)}\n mine {_short(mine)}"
    their, my = theirs["out"], mine["out"]
    for key in ("message", "reason", "code", "causes"):
        if their.get(key) != my.get(key):
            return f"{key}: theirs {_short(their.get(key))}\n   mine {_short(my.get(key))}"
    if their.get("message"):
        return ""
    found = _entries(their.get("managedFields") or [], my.get("managedFields") or [])
    if found:
        return found
    left, right = pruned(their.get("object")), pruned(my.get("object"))
    return "" if left == right else "object: " + _where(left, right, "")


def _entries(theirs: list[Obj], mine: list[Obj]) -> str:
    def parsed(entries: list[Obj]) -> list[Obj]:
        return [{**entry, "Fields": orjson.loads(entry["Fields"])} for entry in entries]

    return (
        "" if parsed(theirs) == parsed(mine) else "managedFields: " + _where(parsed(theirs), parsed(mine), "")
    )


def pruned(value: Any) -> Any:
    """Without what Go's JSON writes or leaves out by habit: nulls, zeros, empty maps, lists and texts."""
    if isinstance(value, dict):
        return {
            key: made
            for key, item in value.items()
            if (made := pruned(item)) not in (None, {}, [], "", "0", False, 0) or made is True
        }
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


def _where(left: Any, right: Any, path: str) -> str:
    if type(left) is type(right):
        if isinstance(left, dict):
            for key in sorted(left.keys() | right.keys()):
                if key not in left or key not in right or left[key] != right[key]:
                    missing = "(absent)"
                    return _where(left.get(key, missing), right.get(key, missing), f"{path}/{key}")
        if isinstance(left, list) and len(left) == len(right):
            for index, (one, other) in enumerate(zip(left, right, strict=True)):
                if one != other:
                    return _where(one, other, f"{path}[{index}]")
    return f"{path}: theirs {_short(left)}\n   mine {_short(right)}"


def _short(value: Any) -> str:
    return orjson.dumps(value).decode()[:900]

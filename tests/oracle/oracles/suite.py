"""The cases of structured-merge-diff's own suite, as its functions were asked and answered while it ran.

A case is one call: an update or apply of `merge.Updater` (with what its converter was asked for), or one of the functions
of `typed`. Cases that speak of what Kubernetes never does, or of what is done elsewhere here, are not applicable; `why_not`
says why, and docs/checklists/structured-merge-diff.md counts them.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from typing import Any

import orjson
from oracles import smd_schema
from oracles.process import Answer, Ask, Request

from machinery.errors import Conflict
from machinery.patch import PatchError
from machinery.patch.apply import comparing, managed, merging, reconciling, typed, unowned, versioned
from machinery.patch.apply.versioned import Form
from machinery.schema import Schema

Obj = dict[str, Any]


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    """Nothing: these cases are recorded from upstream's own suite (tools/upstream/oracle/suite)."""
    return iter(())


def why_not(request: Request) -> str:
    """Why a case is not applicable; "" where it is."""
    do = request["do"]
    try:
        smd_schema.schema_of(request["schema"], request["type"])
        for made in request.get("conversions") or ():
            if "to" in made:
                smd_schema.schema_of(made["type"]["schema"], made["type"]["type"])
    except smd_schema.Unlike:
        return "no type of Kubernetes: a map or a list but no scalar, or an unknown scalar"
    except RecursionError:
        return "a type made of nothing but itself"
    if do in ("update", "apply"):
        return _why_not_written(request)
    if do == "extract":
        return "extracting an owner's configuration is done by clients"
    error = request.get("error", "")
    if error and "duplicate" not in error and "associative list" not in error:
        return "types are judged by the codecs, before any of this"
    return ""


def _why_not_written(request: Request) -> str:
    own = request["before"].get(request["manager"])
    if request.get("filtered"):
        return "what an endpoint resets is taken out of the object before, not ignored after"
    if own is not None and own["applied"] != (request["do"] == "apply"):
        return "a manager's updates and applies are owners of their own"
    if own is not None and request["do"] == "update" and own["version"] != request["version"]:
        return "a manager's updates through two versions are owners of their own"
    if request["live"] and not request["before"]:
        return "an object without owners is left untracked, or gets one before its first apply"
    if "schema error" in request.get("error", ""):
        return "types are judged by the codecs, before any of this"
    return ""


def ours(request: Request) -> Answer:
    schema = smd_schema.schema_of(request["schema"], request["type"])
    if request["do"] in ("update", "apply"):
        return _written(request, schema)
    # Roots of any kind: as the one field of an object.
    whole = Schema("object", fields={"v": schema})
    left, right = {"v": request["left"]}, {"v": request.get("right")}
    fields = {"f:v": request["fields"]} if request.get("fields") else {}
    try:
        match request["do"]:
            case "validate":
                _judge(left, whole, request["lenient"])
                return {"out": None}
            case "fields":
                _judge(left, whole, True)
                return {"out": typed.field_set(left, whole, lenient=True).get("f:v", {})}
            case "merge":
                _judge(left, whole, True)
                _judge(right, whole, False)
                return {"out": merging.merge(left, right, whole).get("v")}
            case "compare":
                _judge(left, whole, True)
                _judge(right, whole, True)
                found = comparing.compare(left, right, whole)._asdict()
                return {"out": {key: node.get("f:v", {}) for key, node in found.items()}}
            case "remove":
                return {"out": merging.remove(left, fields, whole).get("v")}
            case "reconcile":
                made = reconciling.reconcile(fields, whole)
                return {"out": made.get("f:v", {}) if made is not fields else None}
    except PatchError as error:
        return {"error": str(error)}
    raise AssertionError(request["do"])


def _judge(value: Obj, schema: Schema, lenient: bool) -> None:
    """As upstream judges a value before it works with it."""
    if not lenient:
        typed.field_set(value, schema)


def _written(request: Request, schema: Schema) -> Answer:
    live, sent = request["live"] or {}, request["object"] or {}
    entries = [
        managed.make_entry(
            manager,
            "Apply" if held["applied"] else "Update",
            held["version"],
            "",
            "2020-01-01T00:00:00Z",
            held["fields"],
        )
        for manager, held in request["before"].items()
    ]
    live = {**live, "metadata": {**(live.get("metadata") or {}), "managedFields": entries}}
    words: Obj = {
        "manager": request["manager"],
        "api_version": request["version"],
        "now": 0.0,
        "schema": schema,
    }

    async def translate(obj: Obj, api_version: str, wanted: str) -> Form | None:
        if wanted == api_version and wanted == request["version"]:
            return Form(obj, schema)
        plain = _plain(obj)
        for made in request["conversions"]:
            if made["version"] == wanted and _without_nulls(made.get("from") or {}) == plain:
                if "to" not in made:
                    return None
                return Form(
                    made["to"] or {}, smd_schema.schema_of(made["type"]["schema"], made["type"]["type"])
                )
        if any(made["version"] == wanted and made.get("gone") for made in request["conversions"]):
            return None
        # Upstream asked for other objects on its way, by one of its tests' three converters.
        renamed = obj
        if any(made.get("from") != made.get("to") for made in request["conversions"]):
            renamed = orjson.loads(_converted(orjson.dumps(obj).decode(), api_version, wanted))
        return Form(renamed, _schema_at(request, wanted, schema))

    try:
        if request["do"] == "apply":
            made = asyncio.run(
                versioned.apply(live, sent, translate=translate, force=request["force"], **words)
            )
        else:
            made = {**sent, "metadata": dict(sent.get("metadata") or {})}
            foreign = asyncio.run(
                versioned.foreign_comparisons(
                    request["live"] or {}, sent, entries, request["version"], translate
                )
            )
            managed.update_managed_fields(live if request["live"] else None, made, foreign=foreign, **words)
    except Conflict as error:
        return {"conflicts": sorted([_who(cause.message), cause.field] for cause in error.causes)}
    except PatchError as error:
        return {"error": str(error)}
    owners = {
        entry["manager"]: {
            "fields": entry["fieldsV1"],
            "version": entry["apiVersion"],
            "applied": entry["operation"] == "Apply",
        }
        for entry in made["metadata"].get("managedFields") or ()
    }
    return {"owners": owners, "object": _plain(made)}


def _converted(text: str, version: str, wanted: str) -> str:
    """Every `v1` is a `v2`, and every name of one letter stands as often as the version says: `a`, `aa`, `aaa`."""
    text = text.replace(version, wanted)
    old, new = int(version[1:]), int(wanted[1:])
    return re.sub(rf'"(([a-z])\2{{{old - 1}}})":', lambda found: f'"{found[2] * new}":', text)


def _schema_at(request: Request, version: str, schema: Schema) -> Schema:
    for made in request["conversions"]:
        if made["version"] == version:
            return smd_schema.schema_of(made["type"]["schema"], made["type"]["type"])
    try:
        return smd_schema.schema_of(request["schema"], f"namedType: {version}")
    except smd_schema.Unlike:
        return schema


def _who(message: str) -> str:
    return message.split('"')[1]


def _plain(obj: Obj) -> Obj:
    out = {key: value for key, value in obj.items() if key != "metadata"}
    if meta := {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}:
        out["metadata"] = meta
    plain: Obj = _without_nulls(out)
    return plain


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def theirs(request: Request) -> Answer:
    """What upstream answered, which stands beside what it was asked."""
    if "conflicts" in request:
        return {"conflicts": sorted(request["conflicts"])}
    if "error" in request:
        return {"error": request["error"]}
    if request["do"] not in ("update", "apply"):
        return {"out": request.get("out")}
    owners = {
        manager: {**held, "fields": fields}
        for manager, held in request["owners"].items()
        if (fields := unowned.without_unowned(held["fields"]))
    }
    if request["do"] == "update":
        obj = request["object"]
    else:
        obj = request["live"] if request.get("same") else request["out"]
    return {"owners": owners, "object": _without_nulls(obj or {})}


def difference(request: Request, their: Answer, mine: Answer) -> str:
    if "error" in their or "error" in mine:
        return "" if set(their) == set(mine) else f"theirs {their}\n mine {mine}"
    return "" if their == mine else f"theirs {their}\n mine {mine}"

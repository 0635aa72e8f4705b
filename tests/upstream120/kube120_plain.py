"""An answer of either server, on top of upstream_normal, without what says nothing about a kind.

an object seen before     what changed since it was last shown: {"changes": {...}}, "<gone>" for what went
resourceVersion           of an object: <new>, or <as before>
managedFields             by manager and operation, after creates, of statuses and of applies: 1.20 knows no subresources there, not
                          whose the status is, and gives fields back to who has lost them
a table                   {column: [type, format, priority, cell]}
causes                    each once and in order, values in them that Go prints and we show as JSON are <value>; the message that
                          lists them is left out
creationTimestamp null    in the metadata of templates: 1.36 leaves it out
storage's own words       in front of a precondition that failed
warnings                  1.20 knows hardly any
"""

from __future__ import annotations

import re
from typing import Any

Obj = dict[str, Any]

_STORAGE = re.compile(
    r"StorageError: invalid object, Code: 4, Key: [^,]*, ResourceVersion: [^,]*, AdditionalErrorMsg: "
)
_OWNED = re.compile(r"# (minimal|rich|status|apply )")
_VALUE = re.compile(r"^(\w+ value): ([\w.*&]*[{\[].*[}\]](\(nil\))?|\"?null\"?|0|0x0): ?", re.DOTALL)
_AGE = re.compile(r"(\d+[smhdy])+")
GONE = "<gone>"


def plain(said: list[Obj]) -> list[Obj]:
    """Of one scenario's answers, in their order."""
    seen: dict[str, Obj] = {}
    return [_plain(each, seen) for each in said]


def _plain(said: Obj, seen: dict[str, Obj]) -> Obj:
    said = {**said, "headers": [each for each in said.get("headers", ()) if each[0] != "warning"]}
    body = _without_null_times(said.get("body"))
    match body:
        case {"kind": "Status", "details": {"causes": list(causes)}}:
            told = [{**each, "message": _message(each["message"])} for each in causes]
            once = {repr(sorted(each.items())): each for each in told}
            details = {**body["details"], "causes": [once[key] for key in sorted(once)]}
            body = {key: value for key, value in body.items() if key != "message"} | {"details": details}
        case {"kind": "Status", "message": str(message)}:
            body = {**body, "message": _STORAGE.sub("", message)}
        case {"columnDefinitions.*.name": list(names), "rows.*.cells": list(cells)}:
            parts = (body[f"columnDefinitions.*.{part}"] for part in ("type", "format", "priority"))
            shown = ["<age>" if _AGE.fullmatch(str(each)) else each for row in cells for each in row]
            body = {name: list(each) for name, *each in zip(names, *parts, shown, strict=True)}
        case {"metadata": {"uid": str(uid), "resourceVersion": str(revision)}}:
            body = {**body, "metadata": {**body["metadata"], "managedFields": _owners(body["metadata"])}}
            before = seen.get(uid)
            seen[uid] = body
            if before is None:
                body = {**body, "metadata": {**body["metadata"], "resourceVersion": "<new>"}}
            else:
                known = before["metadata"]["resourceVersion"] == revision
                body = {"changes": _changes(before, body)}
                if not known:
                    body["changes"]["metadata"]["resourceVersion"] = "<new>"
                if not _OWNED.search(said["step"]):
                    body["changes"].get("metadata", {}).pop("managedFields", None)
    return {**said, "body": body} if "body" in said else said


def _message(text: str) -> str:
    return _VALUE.sub(r"\1: <value>: ", text.partition("\n")[0])


def _owners(metadata: Obj) -> Obj:
    owners: Obj = {}
    for entry in metadata.get("managedFields") or ():
        fields = {key: value for key, value in (entry.get("fieldsV1") or {}).items() if key != "f:status"}
        if fields:
            _merge(owners.setdefault(f"{entry.get('manager')} {entry.get('operation')}", {}), fields)
    return owners


def _merge(into: Obj, fields: Obj) -> None:
    for key, value in fields.items():
        _merge(into.setdefault(key, {}), value)


def _changes(before: Obj, after: Obj) -> Obj:
    found: Obj = {key: GONE for key in before if key not in after}
    for key, value in after.items():
        was = before.get(key)
        if isinstance(value, dict) and isinstance(was, dict):
            inner = _changes(was, value)
            if inner:
                found[key] = inner
        elif key not in before or value != was:
            found[key] = value
    return found


def _without_null_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null_times(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_null_times(each)
        for key, each in value.items()
        if key != "creationTimestamp" or each is not None
    }

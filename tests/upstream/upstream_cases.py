"""Many requests that differ in little, told by what differs: expanded into the steps that the catalogue is made of.

    let:                        documents by name, for all scenarios of the file
      crd: {...}
    scenarios:
    - name: definition-names
      each: {do: POST $CRDS?dryRun=All, from: crd}
      paths: {s: spec/versions/0/schema/openAPIV3Schema}
      cases:
        - {note: no group, without: [spec/group]}
        - {note: array, with: {$s/type: array}}

A step (or case) with `from` sends that document of `let` (or, with `from: ${a}`, an earlier answer), changed by `with` (a value by
its path: keys and indices, "-" is a list's end) and `without`. `PATCH:apply`, `PATCH:merge` and `PATCH:json` stand for
PATCH with that content type. The steps of a scenario that has cases come before them; `after` comes behind.
"""

from __future__ import annotations

import copy
from typing import Any

from upstream_text import filled

Obj = dict[str, Any]
_TYPES = {
    "PATCH:apply": "application/apply-patch+yaml",
    "PATCH:merge": "application/merge-patch+json",
    "PATCH:json": "application/json-patch+json",
    "PATCH:strategic": "application/strategic-merge-patch+json",
}


def expanded(document: Any) -> list[Obj]:
    """The scenarios of a catalogue's file."""
    if isinstance(document, list):
        return [_expand(each, {}) for each in document]
    return [_expand(each, document.get("let", {})) for each in document["scenarios"]]


def _expand(told: Obj, let: Obj) -> Obj:
    told = dict(told)
    common, paths = told.pop("each", {}), told.pop("paths", {})
    cases = [{**common, **case} for case in told.pop("cases", ())]
    steps = [*told.get("steps", ()), *cases, *told.pop("after", ())]
    told["steps"] = [_step(each, {**let, **told.get("let", {})}, paths) for each in steps]
    if "setup" in told:
        told["setup"] = [_step(each, let, paths) for each in told["setup"]]
    told["crds"] = [let.get(each, each) if isinstance(each, str) else each for each in told.get("crds", ())]
    return told


def _step(step: Obj, let: Obj, paths: Obj) -> Obj:
    step = dict(step)
    if "do" in step:
        verb, target = step["do"].split(" ", 1)
        if verb in _TYPES:
            step["do"] = f"PATCH {target}"
            step["headers"] = {"content-type": _TYPES[verb], **step.get("headers", {})}
            step["note"] = " ".join(filter(None, (verb.partition(":")[2], step.get("note"))))
    if "from" in step:
        source = step.pop("from")
        step["body"] = {
            "source": copy.deepcopy(let[source]) if source in let else source,
            "with": {_path(path, paths): value for path, value in step.pop("with", {}).items()},
            "without": [_path(path, paths) for path in step.pop("without", ())],
        }
        step["made"] = True
    if "while" in step:
        step["while"] = [_step(each, let, paths) for each in step["while"]]
    return step


def _path(path: str, paths: Obj) -> str:
    head, slash, rest = path.partition("/")
    return f"{paths[head[1:]]}{slash}{rest}" if head.startswith("$") else path


def made(told: Obj, words: Obj) -> Any:
    """The document of a step with `from`, placeholders filled."""
    document = copy.deepcopy(filled(told["source"], words))
    for path, value in told["with"].items():
        *outer, last = path.split("/")
        inner = document
        for key in outer:
            inner = inner[int(key)] if isinstance(inner, list) else inner.setdefault(key, {})
        if isinstance(inner, list) and last == "-":
            inner.append(filled(value, words))
        else:
            inner[int(last) if isinstance(inner, list) else last] = filled(value, words)
    for path in told["without"]:
        *outer, last = path.split("/")
        inner = document
        for key in outer:
            inner = inner[int(key)] if isinstance(inner, list) else inner[key]
        inner.pop(int(last) if isinstance(inner, list) else last)
    return document

"""The tables of tests/unit/api/validation_cases: their placeholders, and documents changed by path.

`${x*300}` is a character many times, `{$times: 21, of: ...}` a list in which `$i` counts (`$n`: as a number). A path's steps are
keys and indices; `~1` is a slash.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from api import registry
from api.resource import Resource
from machinery.objects import deep_copy

Obj = dict[str, Any]

CASES = Path(__file__).parents[1] / "unit/api/validation_cases"
_MANY = re.compile(r"\$\{(.)\*(\d+)\}")
_MISSING = object()


def tables() -> dict[str, Obj]:
    """By the name of their file."""
    files = sorted(CASES.glob("*.yaml"))
    return {file.stem: yaml.load(file.read_text(), Loader=yaml.CSafeLoader) for file in files}


def name_of(case: Obj) -> str:
    return case.get("note") or ",".join((*case.get("set", {}), *case.get("stored", {}))) or "as it is"


def resource_of(table: Obj) -> Resource:
    version, group = table.get("version", ""), table.get("group")
    return next(
        each
        for each in registry.load()
        if each.kind == table["kind"]
        and version in ("", each.gvr.version)
        and group in (None, each.gvr.group)
    )


def expanded(value: Any, count: str = "") -> Any:
    if value == "$n" and count:
        return int(count)
    if isinstance(value, str):
        text = value.replace("$i", count) if count else value
        return _MANY.sub(lambda found: found[1] * int(found[2]), text)
    if isinstance(value, list):
        return [expanded(each, count) for each in value]
    if not isinstance(value, dict):
        return value
    if "$times" in value:
        return [expanded(value["of"], str(index)) for index in range(value["$times"])]
    return {expanded(key, count): expanded(each, count) for key, each in value.items()}


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/") for step in path.split("/")]


def changed(obj: Obj, changes: Obj) -> Obj:
    """A copy with the values of `changes` at their paths; null takes away."""
    obj = deep_copy(obj)
    for path, value in changes.items():
        *before, last = _steps(path)
        at: Any = obj
        for step in before:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        if isinstance(at, list):
            at[int(last) : int(last) + 1] = [] if value is None else [expanded(value)]
        elif value is None:
            at.pop(last, None)
        else:
            at[last] = expanded(value)
    return obj


def value_at(obj: Any, path: str) -> Any:
    for step in _steps(path):
        if isinstance(obj, list):
            obj = obj[int(step)] if int(step) < len(obj) else _MISSING
        else:
            obj = obj.get(step, _MISSING) if isinstance(obj, dict) else _MISSING
    return None if obj is _MISSING else obj

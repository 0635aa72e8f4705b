"""What kinds refuse, default, keep and advise, as tables: `validation_cases/KIND.yaml`, one file or more a kind.

    kind: Job                       # and `version:` where there are two
    base: {spec: {...}}             # what is sent; metadata is filled in
    cases:
    - note: why                     # optional
      do: update                    # create (where nothing is said), update, status, or another subresource's name
      was: {spec/suspend: true}     # update: changes of the base before it is stored ...
      stored: {status/active: 1}    # ... and of the stored object, which may thereby break a rule
      set: {spec/parallelism: -1}   # changes of what is sent; null takes away; a path's `~1` is a slash
      errors: [Invalid spec.parallelism]      # all of them, in this order; `: words` of the message may follow
      gives: {spec/backoffLimit: 6}           # what stands there afterwards (null: nothing)
      warns: [words]                          # of each warning there is, in this order

`${x*300}` is a character many times, `{$times: 21, of: ...}` a list in which `$i` counts (`$n`: as a number).
The way is the engine's: decode, identity, defaults, strategy, then metadata's rules and the kind's. A cause that upstream
tells twice is told once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import registry
from api.resource import Resource
from api.unserved import notices
from api.validation.errors import judged
from apiserver.engine.metadata import (
    bump_generation,
    carry_over,
    prepare_new,
    validate_metadata,
    validate_metadata_update,
)
from apiserver.engine.write import Scope, main_scope, own_scope, status_scope
from machinery.errors import Cause
from machinery.objects import deep_copy

Obj = dict[str, Any]

CASES = Path(__file__).parent / "validation_cases"
_MANY = re.compile(r"\$\{(.)\*(\d+)\}")
_MISSING = object()


def _expanded(value: Any, count: str = "") -> Any:
    if value == "$n" and count:
        return int(count)
    if isinstance(value, str):
        text = value.replace("$i", count) if count else value
        return _MANY.sub(lambda found: found[1] * int(found[2]), text)
    if isinstance(value, list):
        return [_expanded(each, count) for each in value]
    if not isinstance(value, dict):
        return value
    if "$times" in value:
        return [_expanded(value["of"], str(index)) for index in range(value["$times"])]
    return {_expanded(key, count): _expanded(each, count) for key, each in value.items()}


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/") for step in path.split("/")]


def _changed(obj: Obj, changes: Obj) -> Obj:
    obj = deep_copy(obj)
    for path, value in changes.items():
        *before, last = _steps(path)
        at: Any = obj
        for step in before:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        if isinstance(at, list):
            at[int(last) : int(last) + 1] = [] if value is None else [_expanded(value)]
        elif value is None:
            at.pop(last, None)
        else:
            at[last] = _expanded(value)
    return obj


def _at(obj: Any, path: str) -> Any:
    for step in _steps(path):
        if isinstance(obj, list):
            obj = obj[int(step)] if int(step) < len(obj) else _MISSING
        else:
            obj = obj.get(step, _MISSING) if isinstance(obj, dict) else _MISSING
    return None if obj is _MISSING else obj


class Writing:
    """Writes one object of a kind as the engine does, without a store."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource

    def _decoded(self, raw: Obj) -> Obj:
        obj, unknown = self.resource.codec().decode(deep_copy(raw))
        assert not unknown, f"the case speaks of unknown fields: {unknown}"
        self.resource.codec().forget(obj)
        return obj

    def create(self, raw: Obj) -> tuple[Obj, list[Cause], list[str]]:
        resource, strategy = self.resource, self.resource.strategy
        obj = self._decoded(raw)
        if resource.verbs == ("create",):  # a question, which is never stored
            return obj, list(judged(strategy.validate, obj)), []
        prepare_new(obj, resource, "default", "u-1", "2024-01-01T00:00:00Z")
        strategy.default(obj)
        strategy.prepare_create(obj)
        resource.codec().complete(obj)
        causes = [*validate_metadata(obj, resource), *judged(strategy.validate, obj)]
        advice = [] if causes else [said for said in strategy.warnings(obj, None) if said not in notices(obj)]
        return obj, causes, advice

    def scope(self, do: str) -> Scope:
        if do == "update":
            return main_scope(self.resource)
        rules = self.resource.subresources[do].strategy
        return status_scope(self.resource) if rules is None else own_scope(self.resource, rules)

    def update(self, raw: Obj, old: Obj, do: str) -> tuple[Obj, list[Cause], list[str]]:
        resource, strategy, scope = self.resource, self.resource.strategy, self.scope(do)
        obj = self._decoded(raw)
        carry_over(obj, old, resource, resource.gvr.resource)
        strategy.default(obj)
        scope.prepare(obj, old)
        resource.codec().complete(obj)
        if scope.generation:
            bump_generation(obj, old, resource)
        causes = [*validate_metadata_update(obj, old, resource), *judged(scope.validate, obj, old)]
        return obj, causes, [] if causes else list(strategy.warnings(obj, old))


def _load() -> list[Any]:
    params = []
    for file in sorted(CASES.glob("*.yaml")):
        table = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        for index, case in enumerate(table["cases"]):
            told = case.get("note") or ",".join((*case.get("set", {}), *case.get("stored", {}))) or "as it is"
            params.append(pytest.param(table, case, id=f"{file.stem}-{index}-{told}"))
    return params


def _resource(table: Obj) -> Resource:
    version, group = table.get("version", ""), table.get("group")
    return next(
        each
        for each in registry.load()
        if each.kind == table["kind"]
        and version in ("", each.gvr.version)
        and group in (None, each.gvr.group)
    )


@pytest.mark.parametrize(("table", "case"), _load())
def test_object_is_judged_as_the_table_says(table: Obj, case: Obj) -> None:
    resource = _resource(table)
    writing, do = Writing(resource), case.get("do", "create")
    meta = {} if resource.verbs == ("create",) else {"name": "x"}
    head = {"apiVersion": resource.gvr.api_version, "kind": resource.kind, "metadata": meta}
    base = _changed(head, _expanded(table["base"]))
    if do == "create":
        obj, causes, advice = writing.create(_changed(base, case.get("set", {})))
    else:
        stored, _, _ = writing.create(_changed(base, case.get("was", {})))
        stored = _changed(stored, case.get("stored", {}))
        obj, causes, advice = writing.update(_changed(stored, case.get("set", {})), stored, do)
    found = list(
        dict.fromkeys((c.reason.removeprefix("FieldValue") + " " + c.field, c.message) for c in causes)
    )
    expected = [_expanded(each).partition(": ") for each in case.get("errors", ())]
    assert [each for each, _ in found] == [each for each, _, _ in expected], found
    for (_, message), (_, _, words) in zip(found, expected, strict=True):
        assert words in message
    for path, value in case.get("gives", {}).items():
        assert _at(obj, path) == _expanded(value), path
    warns = case.get("warns", [])
    assert len(advice) == len(warns), advice
    assert all(words in said for words, said in zip(warns, advice, strict=True)), advice


def test_every_table_is_of_a_kind() -> None:
    for file in CASES.glob("*.yaml"):
        table = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        assert file.stem.split("-")[0] == table["kind"], file

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

from typing import Any

import pytest
from case_tables import changed, expanded, name_of, resource_of, tables, value_at

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

NOW = "2024-01-01T00:00:00Z"


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
        prepare_new(obj, resource, "default", "u-1", NOW)
        strategy.default(obj)
        strategy.prepare_create(obj)
        strategy.stamp(obj, None, NOW)
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
        strategy.stamp(obj, old, NOW)
        resource.codec().complete(obj)
        if scope.generation:
            bump_generation(obj, old, resource)
        causes = [*validate_metadata_update(obj, old, resource), *judged(scope.validate, obj, old)]
        return obj, causes, [] if causes else list(strategy.warnings(obj, old))


def _load() -> list[Any]:
    return [
        pytest.param(table, case, id=f"{name}-{index}-{name_of(case)}")
        for name, table in tables().items()
        for index, case in enumerate(table["cases"])
    ]


@pytest.mark.parametrize(("table", "case"), _load())
def test_object_is_judged_as_the_table_says(table: Obj, case: Obj) -> None:
    resource = resource_of(table)
    writing, do = Writing(resource), case.get("do", "create")
    meta = {} if resource.verbs == ("create",) else {"name": "x"}
    head = {"apiVersion": resource.gvr.api_version, "kind": resource.kind, "metadata": meta}
    base = changed(head, expanded(table["base"]))
    if do == "create":
        obj, causes, advice = writing.create(changed(base, case.get("set", {})))
    else:
        stored, _, _ = writing.create(changed(base, case.get("was", {})))
        stored = changed(stored, case.get("stored", {}))
        obj, causes, advice = writing.update(changed(stored, case.get("set", {})), stored, do)
    found = list(
        dict.fromkeys((c.reason.removeprefix("FieldValue") + " " + c.field, c.message) for c in causes)
    )
    expected = [expanded(each).partition(": ") for each in case.get("errors", ())]
    assert [each for each, _ in found] == [each for each, _, _ in expected], found
    for (_, message), (_, _, words) in zip(found, expected, strict=True):
        assert words in message
    for path, value in case.get("gives", {}).items():
        assert value_at(obj, path) == expanded(value), path
    warns = case.get("warns", [])
    assert len(advice) == len(warns), advice
    assert all(words in said for words, said in zip(warns, advice, strict=True)), advice


def test_every_table_is_of_a_kind() -> None:
    for name, table in tables().items():
        assert name.split("-")[0] == table["kind"], name

"""CEL rules of custom resources (x-kubernetes-validations): values judged by expressions, all errors at once.

    checker = rules_of(schema)          None where no rule stands anywhere in it
    checker.check(errors, new, old)     `old` is None for a new object

`self` is the value at the rule's place, `oldSelf` what stood there before. A rule that names `oldSelf` is judged only
where there is such a value (or always, with optionalOldSelf); list items have one only in lists of type map. A value
that an update leaves as it was is not judged again by rules without `oldSelf` (ratcheting).

Expressions are compiled with the first object that they judge, or when the definition is written.

Source: Kubernetes "CustomResourceDefinitions: Validation rules"; KEP-2876, KEP-4008.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from api.apiextensions.v1.cel_values import Convert, converter
from api.apiextensions.v1.values import stands
from api.validation.errors import Errors
from machinery.cel import CelError, Environment
from machinery.cel.variables import outside_strings
from machinery.field_errors import OMITTED

Json = dict[str, Any]

# What makes further judgement pointless.
BLOCKING = frozenset(
    (
        *("FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"),
        "FieldValueNotSupported",
    )
)
NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
ROOT = "<nil>"
# Of all rules on one object; each is bounded by the engine.
MAX_EVALUATIONS = 100_000
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
_OLD_SELF = re.compile(r"(?<![\w.])oldSelf(?!\w)")
_QUOTED_STEP = re.compile(r"\['([^']*)'\]")


@cache
def environment() -> Environment:
    return Environment(("self", "oldSelf", "hasOldSelf"))


@dataclass(slots=True)
class Budget:
    """How many rules may still be judged."""

    left: int = MAX_EVALUATIONS

    @property
    def is_spent(self) -> bool:
        return self.left < 0

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


@dataclass(slots=True)
class Node:
    """A place in a schema at or below which rules stand."""

    type: str
    rules: list[Json]
    to_cel: Convert | None
    properties: dict[str, Node] = field(default_factory=dict)
    items: Node | None = None
    additional: Node | None = None
    # For lists of type map: the keys that identify an item.
    keys: tuple[str, ...] = ()

    def check(
        self,
        errors: Errors,
        value: Any,
        old: Any,
        path: str,
        *,
        has_old: bool,
        budget: Budget | None = None,
        untouched: bool = False,
    ) -> None:
        """`budget` is shared by all rules of one object; a new one unless given. `untouched`: the nearest node above
        that has a past is as it was."""
        budget = budget or Budget()
        if value is None or budget.is_spent:
            return
        before = old if has_old else None
        if before is not None:
            untouched = stands(value, before)
        if self.rules:
            self._judge(errors, value, before, path, untouched, budget)
        if isinstance(value, dict):
            was = before if isinstance(before, dict) else {}
            for name, node in self.properties.items():
                if name in value:
                    node.check(
                        errors,
                        value[name],
                        was.get(name),
                        _child(path, name),
                        has_old=name in was,
                        budget=budget,
                        untouched=untouched,
                    )
            if self.additional is not None:
                for name, item in value.items():
                    self.additional.check(
                        errors,
                        item,
                        was.get(name),
                        f"{path}[{name}]",
                        has_old=name in was,
                        budget=budget,
                        untouched=untouched,
                    )
        elif isinstance(value, list) and self.items is not None:
            known = self._identified(before) if isinstance(before, list) else {}
            for index, item in enumerate(value):
                was_item = known.get(self._identity(item))
                self.items.check(
                    errors,
                    item,
                    was_item,
                    f"{path}[{index}]",
                    has_old=was_item is not None,
                    budget=budget,
                    untouched=untouched,
                )

    def _identified(self, items: list[Any]) -> dict[Any, Any]:
        return {self._identity(item): item for item in items} if self.keys else {}

    def _identity(self, item: Any) -> Any:
        if not self.keys or not isinstance(item, dict):
            return None
        return tuple(repr(item.get(key)) for key in self.keys)

    def _judge(
        self, errors: Errors, value: Any, old: Any, path: str, untouched: bool, budget: Budget
    ) -> None:
        path = path or ROOT
        has_old = old is not None
        values: Json | None = None
        for rule in self.rules:
            text = rule.get("rule", "")
            is_transition = names_old_self(text)
            if is_transition and not has_old and not rule.get("optionalOldSelf"):
                continue
            if untouched and not is_transition:
                continue
            if not budget.take():
                errors.invalid(path, self.type, OUT_OF_BUDGET)
                return
            if values is None:
                convert = self.to_cel
                values = {
                    "self": convert(value) if convert else value,
                    "oldSelf": (convert(old) if convert else old) if has_old else None,
                    "hasOldSelf": has_old,
                }
            self._apply(errors, rule, values, path)

    def _apply(self, errors: Errors, rule: Json, values: Json, path: str) -> None:
        said, text = (rule.get("message") or "").strip(), str(rule.get("rule", "")).strip()
        try:
            program = environment().compile(expression_of(rule))
        except CelError as error:
            errors.invalid(path, self.type, f"rule compile error: compilation failed: {error}")
            return
        try:
            holds = program(values)
        except CelError as error:
            errors.invalid(path, self.type, f"{error} evaluating rule: {said or text}")
            return
        if holds is not True:
            shown = OMITTED if self.type in ("object", "array") else values["self"]
            _report(errors, rule, path, shown, _message(rule, values) or said or f"failed rule: {text}")


def _message(rule: Json, values: Json) -> str:
    """What messageExpression gives, "" where that is nothing usable."""
    text = rule.get("messageExpression")
    if not text:
        return ""
    try:
        message = environment().compile(expression_of(rule, text))(values)
    except CelError:
        return ""
    if not isinstance(message, str) or "\n" in message or len(message) > 5 * 1024:
        return ""
    return message.strip()


def _report(errors: Errors, rule: Json, path: str, value: Any, message: str) -> None:
    if rule.get("fieldPath"):
        steps = _QUOTED_STEP.sub(r".\1", rule["fieldPath"]).strip(".")
        path = steps if path == ROOT else _child(path, steps)
    match rule.get("reason"):
        case "FieldValueForbidden":
            errors.forbidden(path, message)
        case "FieldValueRequired":
            errors.required(path, message)
        case "FieldValueDuplicate":
            errors.duplicate(path, value)
        case _:
            errors.invalid(path, value, message)


def names_old_self(text: str) -> bool:
    return any(_OLD_SELF.search(part) for part, is_code in outside_strings(text) if is_code)


def expression_of(rule: Mapping[str, Any], text: str | None = None) -> str:
    """With optionalOldSelf the old value is an optional, which only an expression can make."""
    text = rule.get("rule", "") if text is None else text
    if not rule.get("optionalOldSelf") or not names_old_self(text):
        return text
    renamed = "".join(
        _OLD_SELF.sub("optionalOldSelf", part) if is_code else part for part, is_code in outside_strings(text)
    )
    return f"cel.bind(optionalOldSelf, hasOldSelf ? optional.of(oldSelf) : optional.none(), {renamed}\n)"


def rules_of(schema: Json, *, root: bool = True) -> Node | None:
    """`schema` is a version's openAPIV3Schema as written."""
    properties = schema.get("properties") or {}
    node = Node(
        "object" if root else _type_of(schema), list(schema.get("x-kubernetes-validations") or ()), None
    )
    for name, child in properties.items():
        if root and name in ("apiVersion", "kind", "metadata"):
            continue
        below = rules_of(child, root=False)
        if below is not None:
            node.properties[name] = below
    if isinstance(schema.get("items"), dict):
        node.items = rules_of(schema["items"], root=False)
        if schema.get("x-kubernetes-list-type") == "map":
            node.keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if isinstance(schema.get("additionalProperties"), dict):
        node.additional = rules_of(schema["additionalProperties"], root=False)
    if not (node.rules or node.properties or node.items or node.additional):
        return None
    if node.rules:
        node.to_cel = converter(schema)
    return node


def _type_of(schema: Json) -> str:
    return "" if schema.get("x-kubernetes-int-or-string") else str(schema.get("type") or "object")


def _child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

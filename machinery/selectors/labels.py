"""Label selectors, from a query string or from a LabelSelector object.

A `LabelSelector` is immutable and hashable by its text; `matches(labels)` is its predicate, `str()` the
canonical text that parses back to it. Parsing is cached.

Differences that matter: `a!=b` and `a notin (b)` match objects without the label; an absent LabelSelector
object selects nothing, an empty one everything.

Source: apimachinery pkg/labels/selector.go, meta/v1/helpers.go, meta/v1/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from machinery import field_errors, integers, names
from machinery.errors import Cause
from machinery.short_texts import keeping

Predicate = Callable[[Mapping[str, str]], bool]
_BINARY = "in, notin, =, ==, !=, gt, lt"
_TOKEN = re.compile(r"[ \t\r\n]*(?:(!=|==|[=!(),<>])|([^ \t\r\n=!(),<>]+))")
_OPERATORS = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
    "Gt": "gt",
    "Lt": "lt",
}


class SelectorError(ValueError):
    """The text or object is no selector; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """`operator`: one of = == != in notin exists ! gt lt. `values` are sorted and distinct."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        values = ",".join(self.values)
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case "gt":
                return f"{self.key}>{values}"
            case "lt":
                return f"{self.key}<{values}"
            case _:
                return f"{self.key}{self.operator}{values}"

    def predicate(self) -> Predicate:
        key, values = self.key, self.values
        match self.operator:
            case "exists":
                return lambda labels: key in labels
            case "!":
                return lambda labels: key not in labels
            case "=" | "==" | "in" if len(values) == 1:
                only = values[0]
                return lambda labels: labels.get(key) == only
            case "in":
                several = frozenset(values)
                return lambda labels: labels.get(key) in several
            case "!=" | "notin":
                refused = frozenset(values)
                return lambda labels: labels.get(key) not in refused
            case _:
                return _number_predicate(key, self.operator, values)


def _number_predicate(key: str, operator: str, values: tuple[str, ...]) -> Predicate:
    bound = integers.parse(values[0]) if len(values) == 1 else None

    def matches(labels: Mapping[str, str]) -> bool:
        number = integers.parse(labels.get(key, ""))
        if number is None or bound is None:
            return False
        return number > bound if operator == "gt" else number < bound

    return matches


class LabelSelector:
    """All of its requirements must hold. Without any it matches everything (unless it is NOTHING)."""

    __slots__ = ("_predicates", "_text", "is_nothing", "requirements")

    def __init__(self, requirements: Iterable[Requirement] = (), *, nothing: bool = False) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda r: r.key))
        self.is_nothing = nothing
        self._predicates = tuple(r.predicate() for r in self.requirements)
        self._text = ",".join(map(str, self.requirements))

    @property
    def is_everything(self) -> bool:
        return not self.requirements and not self.is_nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.is_nothing:
            return False
        given = labels or {}
        for predicate in self._predicates:  # noqa: SIM110 (all() with a generator costs twice as much)
            if not predicate(given):
                return False
        return True

    def exact(self, key: str) -> str | None:
        """The one value that `key` must have, if the selector says so: lets an index answer."""
        for requirement in self.requirements:
            if requirement.key == key and requirement.operator in ("=", "==", "in"):
                return requirement.values[0] if len(requirement.values) == 1 else None
        return None

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"LabelSelector({'<nothing>' if self.is_nothing else self._text!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LabelSelector)
            and self.requirements == other.requirements
            and self.is_nothing == other.is_nothing
        )

    def __hash__(self) -> int:
        return hash((self._text, self.is_nothing))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def _tokens(text: str) -> list[str]:
    out = []
    position = 0
    while (match := _TOKEN.match(text, position)) is not None:
        out.append(match[1] or match[2])
        position = match.end()
    out.append("")
    return out


def _is_identifier(token: str) -> bool:
    return bool(token) and token[0] not in "=!(),<>"


class _Parser:
    """Recursive descent; "" is the end of the text."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position]

    def take(self) -> str:
        token = self.tokens[self.position]
        if token:
            self.position += 1
        return token

    def parse(self) -> list[Requirement]:
        out: list[Requirement] = []
        while token := self.peek():
            if token != "!" and not _is_identifier(token):
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                out.append(self.requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            separator = self.take()
            if not separator:
                break
            if separator != ",":
                raise SelectorError(f"found '{separator}', expected: ',' or 'end of string'")
            following = self.peek()
            if following != "!" and not _is_identifier(following):
                raise SelectorError(f"found '{following}', expected: identifier after ','")
        return out

    def requirement(self) -> Requirement:
        token = self.take()
        negated = token == "!"
        if negated:
            token = self.take()
        if not _is_identifier(token):
            raise SelectorError(f"found '{token}', expected: identifier")
        if messages := names.qualified_name(token):
            raise SelectorError(f"<nil>: Invalid value: {field_errors.quote(token)}: {'; '.join(messages)}")
        if negated or self.peek() in ("", ","):
            return Requirement(token, "!" if negated else "exists")
        operator = self.take()
        if operator in ("in", "notin"):
            values = self.values()
        elif operator in ("=", "==", "!=", ">", "<"):
            values = {self.exact_value()}
        else:
            raise SelectorError(f"found '{operator}', expected: {_BINARY}")
        return _checked(token, {">": "gt", "<": "lt"}.get(operator, operator), values)

    def exact_value(self) -> str:
        if self.peek() in ("", ","):
            return ""
        token = self.take()
        if not _is_identifier(token):
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def values(self) -> set[str]:
        token = self.take()
        if token != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        out: set[str] = set()
        value = ""
        while True:
            token = self.take()
            if _is_identifier(token):
                value = token
                token = self.take()
                if token not in (",", ")"):
                    raise SelectorError(f"found '{token}', expected: ',' or ')'")
            elif token not in (",", ")"):
                raise SelectorError(f"found '{token}', expected: ',', ')' or identifier")
            out.add(value)
            value = ""
            if token == ")":
                return out


def _checked(key: str, operator: str, values: Iterable[str]) -> Requirement:
    """A requirement, or SelectorError with every fault."""
    ordered = tuple(sorted(set(values)))
    faults = []
    if operator in ("gt", "lt"):
        faults = [
            f"values[{i}]: Invalid value: {field_errors.quote(v)}: "
            "for 'Gt', 'Lt' operators, the value must be an integer"
            for i, v in enumerate(ordered)
            if integers.parse(v) is None
        ]
    for index, value in enumerate(ordered):
        if messages := names.label_value(value):
            shown = field_errors.quote(value)
            faults.append(f"values[{index}][{key}]: Invalid value: {shown}: {'; '.join(messages)}")
    if faults:
        raise SelectorError(faults[0] if len(faults) == 1 else "[" + ", ".join(faults) + "]")
    return Requirement(key, operator, ordered)


@keeping(1024)
def parse_label_selector(text: str) -> LabelSelector:
    """From a query (`app=web,tier in (a,b),!legacy`). Raises SelectorError."""
    if not text:
        return EVERYTHING
    return LabelSelector(_Parser(text).parse())


def selector_from_labels(labels: Mapping[str, str] | None) -> LabelSelector:
    """Exactly these labels (a Service's selector); none selects everything."""
    return LabelSelector(Requirement(key, "=", (value,)) for key, value in (labels or {}).items())


def label_selector_of(selector: Mapping[str, Any] | None) -> LabelSelector:
    """From a LabelSelector object. None selects nothing, {} everything. Raises SelectorError."""
    if selector is None:
        return NOTHING
    out = [Requirement(key, "=", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = expression.get("operator", "")
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            raise SelectorError(f"{field_errors.quote(operator)} is not a valid label selector operator")
        values = tuple(sorted(set(expression.get("values") or ())))
        if operator in ("In", "NotIn") and not values:
            raise SelectorError(
                "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
            )
        if operator in ("Exists", "DoesNotExist") and values:
            raise SelectorError(
                f"values: Invalid value: {field_errors.show(list(values))}: "
                "values set must be empty for exists and does not exist"
            )
        out.append(Requirement(expression["key"], _OPERATORS[operator], values))
    return LabelSelector(out)


def validate_label_selector(selector: Mapping[str, Any] | None, path: str) -> list[Cause]:
    """Every fault of a LabelSelector object, as field errors."""
    out: list[Cause] = []
    if selector is None:
        return out
    out.extend(names.labels(selector.get("matchLabels") or {}, f"{path}.matchLabels"))
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator = expression.get("operator", "")
        values = expression.get("values") or ()
        if operator in ("In", "NotIn"):
            if not values:
                out.append(
                    field_errors.required(
                        f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'"
                    )
                )
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                out.append(
                    field_errors.forbidden(
                        f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    )
                )
        else:
            out.append(
                field_errors.invalid_value(f"{here}.operator", operator, "not a valid selector operator")
            )
        key = expression.get("key", "")
        out.extend(
            field_errors.invalid_value(f"{here}.key", key, message) for message in names.qualified_name(key)
        )
        for position, value in enumerate(values):
            out.extend(
                field_errors.invalid_value(f"{here}.values[{position}]", value, message)
                for message in names.label_value(value)
            )
    return out

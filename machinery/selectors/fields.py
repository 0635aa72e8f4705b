"""Field selectors: `status.phase=Running,spec.nodeName!=n1`.

Which fields a kind can be selected by is the caller's knowledge: it hands `matches` a mapping from field
to text. A field that is absent there is the empty text. In values `\\`, `,` and `=` are escaped by `\\`.

Source: apimachinery pkg/fields/selector.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from machinery.selectors.labels import SelectorError
from machinery.short_texts import keeping


class FieldRequirement(NamedTuple):
    field: str
    operator: str  # = or !=
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{escape(self.value)}"


class FieldSelector:
    """All of its requirements must hold."""

    __slots__ = ("_text", "requirements")

    def __init__(self, requirements: Iterable[FieldRequirement] = ()) -> None:
        self.requirements = tuple(requirements)
        self._text = ",".join(map(str, self.requirements))

    @property
    def is_everything(self) -> bool:
        return not self.requirements

    def fields(self) -> list[str]:
        """Every field it asks about, to be checked against what the kind offers."""
        return [requirement.field for requirement in self.requirements]

    def matches(self, fields: Mapping[str, str]) -> bool:
        for field, operator, value in self.requirements:
            if (fields.get(field, "") == value) != (operator == "="):
                return False
        return True

    def exact(self, field: str) -> str | None:
        """The one value that `field` must have, if the selector says so."""
        for requirement in self.requirements:
            if requirement.field == field and requirement.operator == "=":
                return requirement.value
        return None

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"FieldSelector({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSelector) and self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self._text)


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _unescape(value: str) -> str:
    if not any(char in value for char in "\\,="):
        return value
    out = []
    chars = iter(value)
    for char in chars:
        if char == "\\":
            escaped = next(chars, "")
            if not escaped or escaped not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            out.append(escaped)
        elif char in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            out.append(char)
    return "".join(out)


def _split_terms(text: str) -> list[str]:
    terms = []
    start = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == ",":
            terms.append(text[start:position])
            start = position + 1
        position += 1
    terms.append(text[start:])
    return terms


@keeping(1024)
def parse_field_selector(text: str) -> FieldSelector:
    """Raises SelectorError in upstream's words."""
    out = []
    for term in sorted(_split_terms(text)):
        if not term:
            continue
        found = min(
            ((term.find(op), -len(op), op) for op in ("!=", "==", "=") if op in term),
            default=None,
        )
        if found is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        at, _, operator = found
        value = _unescape(term[at + len(operator) :])
        if not at and not value:
            continue  # of nothing, nothing is wanted
        out.append(FieldRequirement(term[:at], "!=" if operator == "!=" else "=", value))
    return FieldSelector(out)

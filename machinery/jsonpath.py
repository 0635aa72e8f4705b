"""The Kubernetes dialect of JSONPath: `-o jsonpath`, `--sort-by`, `wait`, columns of custom resources.

A template is text with actions in braces: paths (`{.items[*].metadata.name}`), quoted text (`{"\\n"}`),
loops (`{range .items[*]}...{end}`). In paths: `.name`, `['name']`, escaped dots, `[0]`, `[-1]`, `[1:3]`,
`[0,2]`, `[*]`, `..name`, filters `[?(@.x=="y")]`, `@` for the current and `$` for the whole value. Text
without braces that begins with `.`, `$`, `@` or `[` is taken as a path.

`compile(text)` is cached; the result gives `values(obj)` (all that its paths find) and `render(obj)` (the
filled template). What is missing is simply not found. JSONPathError is raised only for a faulty template.

Source: client-go util/jsonpath.
"""

from __future__ import annotations

import json
import operator as operators
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from machinery import integers

Step = Callable[[list[Any], Any], list[Any]]  # (values so far, the whole value) → values

_FIELD = re.compile(r"(?:\\.|[^\s.\[\]{}()$@,?\\])+")
_FILTER = re.compile(r"^((?:\"[^\"]*\"|'[^']*'|[^!<>=\"'])+?)\s*([!<>=]=?)\s*(.+)$", re.DOTALL)
_SLICE = re.compile(r"^(-?\d*)(?::(-?\d*))?(?::(-?\d*))?$")
_NUMBER = re.compile(r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$")
_ORDERS = {"<": operators.lt, "<=": operators.le, ">": operators.gt, ">=": operators.ge}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class JSONPathError(ValueError):
    """The template cannot be read."""


@dataclass(frozen=True, slots=True)
class _Path:
    steps: tuple[Step, ...]
    from_root: bool = False

    def find(self, current: Any, root: Any) -> list[Any]:
        values = [root if self.from_root else current]
        for step in self.steps:
            values = step(values, root)
            if not values:
                break
        return values


@dataclass(frozen=True, slots=True)
class _Loop:
    path: _Path
    body: tuple[str | _Path | _Loop, ...]


class JSONPath:
    """A compiled template."""

    __slots__ = ("_program", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._program = _Template(text).parse()

    def values(self, obj: Any) -> list[Any]:
        """Everything that the template's paths find, in order."""
        out: list[Any] = []
        _collect(self._program, obj, obj, out)
        return out

    def first(self, obj: Any, default: Any = None) -> Any:
        found = self.values(obj)
        return found[0] if found else default

    def render(self, obj: Any) -> str:
        """The template filled in; several finds of one path are joined by spaces."""
        out: list[str] = []
        _render(self._program, obj, obj, out)
        return "".join(out)

    def __repr__(self) -> str:
        return f"JSONPath({self.text!r})"


@lru_cache(maxsize=2048)
def compile(text: str) -> JSONPath:
    return JSONPath(text)


def relaxed(text: str) -> str:
    """What people type for a single path (`x.y`, `.x.y`, `{x.y}`), as a template. JSONPathError otherwise."""
    inner = text.strip()
    if inner.startswith("{") or inner.endswith("}"):
        if not (inner.startswith("{") and inner.endswith("}")):
            raise JSONPathError(
                f"unexpected path string, expected a 'name1.name2' or '{{.name1.name2}}': {text}"
            )
        inner = inner[1:-1].strip()
    if not inner:
        return "{}"
    return "{" + (inner if inner[0] in ".[$@" else "." + inner) + "}"


def to_text(value: Any) -> str:
    """A value as the template prints it: strings as they are, containers as JSON, as Go writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return str(value)


def _collect(program: Iterable[str | _Path | _Loop], current: Any, root: Any, out: list[Any]) -> None:
    for node in program:
        if isinstance(node, _Path):
            out.extend(node.find(current, root))
        elif isinstance(node, _Loop):
            for item in node.path.find(current, root):
                _collect(node.body, item, root, out)


def _render(program: Iterable[str | _Path | _Loop], current: Any, root: Any, out: list[str]) -> None:
    for node in program:
        if isinstance(node, str):
            out.append(node)
        elif isinstance(node, _Path):
            out.append(" ".join(map(to_text, node.find(current, root))))
        else:
            for item in node.path.find(current, root):
                _render(node.body, item, root, out)


# Templates


class _Template:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def parse(self) -> tuple[str | _Path | _Loop, ...]:
        if "{" not in self.text and self.text[:1] in (".", "$", "@", "["):
            return _actions(self.text)
        program, ended = self._block()
        if ended:
            raise JSONPathError("not in range, nothing to end")
        return program

    def _block(self) -> tuple[tuple[str | _Path | _Loop, ...], bool]:
        """Nodes up to {end} or to the end of the text; whether it was {end}."""
        out: list[str | _Path | _Loop] = []
        while self.position < len(self.text):
            brace = self.text.find("{", self.position)
            if brace < 0:
                out.append(self.text[self.position :])
                self.position = len(self.text)
                break
            if brace > self.position:
                out.append(self.text[self.position : brace])
            action = self._action(brace)
            if action == "end":
                return tuple(out), True
            if action == "range" or action.startswith(("range ", "range\t")):
                path = _Scanner(action[5:].strip()).path()
                body, ended = self._block()
                if not ended:
                    raise JSONPathError("unterminated range, expecting {end}")
                out.append(_Loop(path, body))
            else:
                out.extend(_actions(action))
        return tuple(out), False

    def _action(self, brace: int) -> str:
        """The text between braces, of which quoted parts may hold braces themselves."""
        position = brace + 1
        quote = ""
        while position < len(self.text):
            char = self.text[position]
            if char == "\\":
                position += 1
            elif quote:
                quote = "" if char == quote else quote
            elif char in "\"'":
                quote = char
            elif char == "}":
                self.position = position + 1
                return self.text[brace + 1 : position].strip()
            position += 1
        raise JSONPathError("unclosed action")


def _actions(text: str) -> tuple[str | _Path | _Loop, ...]:
    """One pair of braces may hold several paths and quoted texts."""
    out: list[str | _Path | _Loop] = []
    scanner = _Scanner(text)
    while not scanner.at_end():
        if scanner.peek() in "\"'":
            out.append(scanner.quoted())
        else:
            out.append(scanner.path())
        scanner.skip_space()
    return tuple(out)


# Paths


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def at_end(self) -> bool:
        return self.position >= len(self.text)

    def peek(self) -> str:
        return self.text[self.position] if not self.at_end() else ""

    def skip_space(self) -> None:
        while self.peek().isspace():
            self.position += 1

    def quoted(self) -> str:
        quote = self.peek()
        self.position += 1
        out: list[str] = []
        while not self.at_end():
            char = self.peek()
            self.position += 1
            if char == quote:
                return "".join(out)
            if char == "\\" and not self.at_end():
                char = _ESCAPES.get(self.peek(), "\\" + self.peek())
                self.position += 1
            out.append(char)
        raise JSONPathError("unterminated quoted string")

    def path(self) -> _Path:
        self.skip_space()
        steps: list[Step] = []
        from_root = False
        if self.peek() in ("$", "@") and self.peek():
            from_root = self.peek() == "$"
            self.position += 1
        start = self.position
        while not self.at_end() and not self.peek().isspace():
            char = self.peek()
            if self.text.startswith("..", self.position):
                self.position += 2
                steps.append(_descend)
                if self.peek() != "[":
                    steps.append(self._field())
            elif char == ".":
                self.position += 1
                if not self.at_end() and not self.peek().isspace() and self.peek() != "[":
                    steps.append(self._field())
            elif char == "[":
                steps.append(self._brackets())
            elif self.position == start and _FIELD.match(self.text, self.position):
                steps.append(self._field())
            else:
                raise JSONPathError(f"unrecognized character in action: {char!r} in {self.text!r}")
        return _Path(tuple(steps), from_root)

    def _field(self) -> Step:
        match = _FIELD.match(self.text, self.position)
        if match is None:
            raise JSONPathError(f"unrecognized character in action: {self.peek()!r} in {self.text!r}")
        self.position = match.end()
        name = re.sub(r"\\(.)", r"\1", match[0])
        return _every if name == "*" else _member(name)

    def _brackets(self) -> Step:
        inner = self._until_bracket()
        if inner.startswith("?(") and inner.endswith(")"):
            return _filter(inner[2:-1].strip())
        parts = _split(inner)
        steps = [_bracket_step(part.strip()) for part in parts]
        if len(steps) == 1:
            return steps[0]
        return lambda values, root: [found for value in values for s in steps for found in s([value], root)]

    def _until_bracket(self) -> str:
        depth = 0
        for position, char in _outside_quotes(self.text, self.position):
            if char == "[":
                depth += 1
            elif char == "]":
                depth -= 1
                if depth == 0:
                    inner = self.text[self.position + 1 : position]
                    self.position = position + 1
                    return inner.strip()
        raise JSONPathError("unterminated array")


def _outside_quotes(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """(position, character) of what no quotes enclose; within them a backslash takes the next character along."""
    quote, position = "", start
    while position < len(text):
        char = text[position]
        if quote:
            if char == "\\":
                position += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        else:
            yield position, char
        position += 1


def _split(text: str) -> list[str]:
    """By commas outside quotes."""
    out, start = [], 0
    for position, char in _outside_quotes(text):
        if char == ",":
            out.append(text[start:position])
            start = position + 1
    return [*out, text[start:]]


def _whole(text: str) -> int:
    number = integers.parse(text)
    if number is None:
        raise JSONPathError(f"number out of range: {text[:100]}")
    return number


def _bracket_step(text: str) -> Step:
    if text == "*":
        return _every
    if text[:1] in ("'", '"') and len(text) >= 2 and text[-1] == text[0]:
        return _member(_Scanner(text).quoted())
    match = _SLICE.match(text)
    if match is None or not text:
        raise JSONPathError(f"invalid array index {text}")
    if ":" not in text:
        return _index(_whole(text))
    start, stop, step = (_whole(part) if part else None for part in match.groups())
    if step is not None and step <= 0:
        raise JSONPathError("step must be > 0")
    return lambda values, root: [
        item for value in values if isinstance(value, list) for item in value[start:stop:step]
    ]


def _member(name: str) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        return [value[name] for value in values if isinstance(value, dict) and name in value]

    return step


def _index(index: int) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        return [
            value[index] for value in values if isinstance(value, list) and -len(value) <= index < len(value)
        ]

    return step


def _every(values: list[Any], root: Any) -> list[Any]:
    out: list[Any] = []
    for value in values:
        if isinstance(value, list):
            out.extend(value)
        elif isinstance(value, dict):
            out.extend(value.values())
    return out


def _descend(values: list[Any], root: Any) -> list[Any]:
    """Every value and all that is below it."""
    out: list[Any] = []
    stack = list(reversed(values))
    while stack:
        value = stack.pop()
        out.append(value)
        if isinstance(value, dict):
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            stack.extend(reversed(value))
    return out


# Filters

Operand = Callable[[Any, Any], list[Any]]  # (element, the whole value) → values


def _operand(text: str) -> Operand:
    text = text.strip()
    constant: Any
    if text[:1] in ("'", '"'):
        constant = _Scanner(text).quoted()
    elif text in ("true", "false"):
        constant = text == "true"
    elif _NUMBER.match(text):
        constant = float(text) if any(char in text for char in ".eE") else _whole(text)
    else:
        return _Scanner(text).path().find
    return lambda element, root: [constant]


def _filter(text: str) -> Step:
    match = _FILTER.match(text)
    if match is None:
        exists = _operand(text)
        return lambda values, root: [item for item in _items(values) if exists(item, root)]
    left, operator, right = _operand(match[1]), match[2], _operand(match[3])
    if operator not in ("==", "!=", "<", "<=", ">", ">="):
        raise JSONPathError(f"unrecognized filter operator {operator}")

    def step(values: list[Any], root: Any) -> list[Any]:
        out = []
        for item in _items(values):
            one, two = left(item, root), right(item, root)
            if one and two and _holds(one[0], operator, two[0]):
                out.append(item)
        return out

    return step


def _items(values: list[Any]) -> list[Any]:
    return [item for value in values if isinstance(value, list) for item in value]


def _holds(left: Any, operator: str, right: Any) -> bool:
    if operator == "==":
        return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)
    if operator == "!=":
        return not _holds(left, "==", right)
    if not (isinstance(left, str) and isinstance(right, str)) and not (
        isinstance(left, (int, float)) and isinstance(right, (int, float))
    ):
        return False
    return bool(_ORDERS[operator](left, right))

"""The tree of a compiled expression, read from the form in which the engine hands it over (cel.expr.CheckedExpr).

Macros are expanded in it: `all` and `map` are comprehensions, `has` is a select that only tests.
Source: cel-spec proto/cel/expr/{checked,syntax}.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from machinery.codec.wire import fields, signed

Kind = Literal["const", "ident", "select", "call", "list", "struct", "comprehension", "none"]
_KINDS: dict[int, Kind] = {
    3: "const",
    4: "ident",
    5: "select",
    6: "call",
    7: "list",
    8: "struct",
    9: "comprehension",
}
_CONSTANTS = {1: "null", 2: "bool", 3: "int", 4: "uint", 5: "double", 6: "string", 7: "bytes"}


@dataclass(slots=True)
class Node:
    """`name`: the identifier, field, function, or the type of a constant; a comprehension's variables are in `names`.

    `parts`: the operand of a select; target (where there is one) and arguments of a call; the values in a list or
    struct; range, start, condition, step and result of a comprehension.
    """

    id: int = 0
    kind: Kind = "none"
    name: str = ""
    text: str = ""  # the value of a constant text
    tests: bool = False
    is_member: bool = False
    parts: list[Node] = field(default_factory=list)
    names: tuple[str, str, str] = ("", "", "")  # of an item, of a second item, of what is accumulated


@dataclass(frozen=True, slots=True)
class Tree:
    """`positions`: where in the text each node stands, by id."""

    root: Node
    positions: dict[int, int]


def read_tree(data: bytes) -> Tree:
    """`data` is an Any that holds a CheckedExpr."""
    checked = next(value for number, _, _, value in fields(memoryview(data)) if number == 2)
    root, positions = Node(), {}
    for number, _, _, value in fields(checked):
        if number == 4:
            root = _expr(value)
        elif number == 5:
            positions = dict(_positions(value))
    return Tree(root, positions)


def _positions(info: memoryview) -> Iterator[tuple[int, int]]:
    for number, _, _, entry in fields(info):
        if number == 4:
            pair = {key: signed(value) for key, _, value, _ in fields(entry)}
            yield pair.get(1, 0), pair.get(2, 0)


def _expr(data: memoryview) -> Node:
    node = Node()
    for number, _, value, inner in fields(data):
        if number == 2:
            node.id = value
        elif number in _KINDS:
            node.kind = _KINDS[number]
            _READERS[node.kind](node, inner)
    return node


def _const(node: Node, data: memoryview) -> None:
    node.name = "null"
    for number, _, _, value in fields(data):
        node.name = _CONSTANTS.get(number, "dyn")
        if number == 6:
            node.text = bytes(value).decode()


def _ident(node: Node, data: memoryview) -> None:
    node.name = _text(data, 1)


def _select(node: Node, data: memoryview) -> None:
    node.name = _text(data, 2)
    for number, _, value, inner in fields(data):
        if number == 1:
            node.parts.append(_expr(inner))
        elif number == 3:
            node.tests = bool(value)


def _call(node: Node, data: memoryview) -> None:
    node.name = _text(data, 2)
    for number, _, _, inner in fields(data):
        if number == 1:
            node.is_member = True
            node.parts.insert(0, _expr(inner))
        elif number == 3:
            node.parts.append(_expr(inner))


def _list(node: Node, data: memoryview) -> None:
    node.parts += [_expr(inner) for number, _, _, inner in fields(data) if number == 1]


def _struct(node: Node, data: memoryview) -> None:
    node.name = _text(data, 1)
    for number, _, _, entry in fields(data):
        if number == 2:
            node.parts += [_expr(inner) for key, _, _, inner in fields(entry) if key in (3, 4)]


def _comprehension(node: Node, data: memoryview) -> None:
    found: dict[int, Any] = {number: inner for number, _, _, inner in fields(data)}
    node.names = (_text(data, 1), _text(data, 8), _text(data, 3))
    node.parts = [_expr(found.get(number, data[:0])) for number in (2, 4, 5, 6, 7)]


_READERS = {
    "const": _const,
    "ident": _ident,
    "select": _select,
    "call": _call,
    "list": _list,
    "struct": _struct,
    "comprehension": _comprehension,
}


def _text(data: memoryview, wanted: int) -> str:
    return next((bytes(value).decode() for number, _, _, value in fields(data) if number == wanted), "")

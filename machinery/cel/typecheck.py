"""What is wrong with an expression's types, given the schemas of its variables.

    check(tree, text, {"object": schema}).mistakes  →  ["ERROR: <input>:1:22: found no matching overload for ..."]

The engine evaluates with untyped variables, so mistakes would show only when an object is judged; this says them when
the expression is written. It finds fields that do not exist and operators between values of kinds that do not go
together. What it cannot know (functions' results, numbers or text, fields that any value may have) is `dyn`, which goes
with everything: it may miss a mistake and makes none up.

Source: cel-go's checker, for the words; KEP-3488, Type Checking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from machinery.cel.syntax import Node, Tree
from machinery.schema import Schema


class Type(NamedTuple):
    """`kind`: dyn, null, bool, int, uint, double, string, bytes, list, map or object; `item` of a list or map."""

    kind: str
    item: Schema | None = None
    schema: Schema | None = None

    def __str__(self) -> str:
        match self.kind:
            case "list":
                return f"list({type_of(self.item)})"
            case "map":
                return f"map(string, {type_of(self.item)})"
            case "object":
                return (self.schema.name if self.schema else "") or "object"
        return self.kind


DYN = Type("dyn")
_LARGEST_BYTES = 3 * 1024 * 1024  # of a request
_SMALLEST_BYTES = {"integer": 1, "number": 1, "boolean": 4, "string": 2, "object": 2, "map": 2, "list": 2}
_SCALARS = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}
_NUMBERS = ("int", "uint", "double")
_LOGIC = ("_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_in_", "@in")
_ORDERED = ("_<_", "_<=_", "_>_", "_>=_")
_ARITHMETIC = ("_+_", "_-_", "_*_", "_/_", "_%_")
_RESULTS = {"size": "int", "string": "string", "int": "int", "double": "double", "bool": "bool"}
_OF_OPTIONALS = ("hasValue", "value", "or", "orValue")
_TESTS = ("startsWith", "endsWith", "contains", "matches")


def type_of(schema: Schema | None) -> Type:
    if schema is None or schema.int_or_string or schema.format in _UNSURE or schema.nullable:
        return DYN
    match schema.kind:
        case "object":
            return DYN if schema.preserve_unknown and not schema.fields else Type("object", None, schema)
        case "map":
            return Type("map", schema.values, schema)
        case "list":
            return Type("list", schema.items, schema)
    return Type(_SCALARS.get(schema.kind, "dyn"))


# Upstream has types of their own for these, or shows them in several forms.
_UNSURE = (
    "quantity",
    "int-or-string",
    "date-time",
    "micro-time",
    "byte",
    "duration",
    "raw-extension",
    "fields-v1",
)


class Findings(NamedTuple):
    """Every mistake with its place; how many steps an evaluation may take at most, a step for each node; and the kind of
    what comes out."""

    mistakes: list[str]
    steps: int
    result: str


def check(tree: Tree, text: str, schemas: Mapping[str, Schema | None]) -> Findings:
    checker = _Checker(tree, text)
    result = checker.type(tree.root, {name: type_of(schema) for name, schema in schemas.items()})
    return Findings(checker.found, checker.steps, result.kind)


def most_items(schema: Schema | None) -> int:
    """How many items a list or map may have: what it says itself, or what a request of the largest size can hold."""
    if schema is None:
        return 1
    said = schema.rules.get("maxItems" if schema.kind == "list" else "maxProperties")
    item = schema.items if schema.kind == "list" else schema.values
    fits = _LARGEST_BYTES // (_SMALLEST_BYTES.get(item.kind if item is not None else "", 2) + 1)
    return min(int(said), fits) if said is not None else fits


class _Checker:
    def __init__(self, tree: Tree, text: str) -> None:
        self._tree = tree
        self._text = text
        self._times = 1  # how often the part under way is evaluated
        self.steps = 0
        self.found: list[str] = []

    def type(self, node: Node, known: Mapping[str, Type]) -> Type:
        self.steps += self._times
        match node.kind:
            case "const":
                return Type(node.name)
            case "ident":
                return known.get(node.name, DYN)
            case "select":
                return self._select(node, known)
            case "call":
                return self._call(node, known)
            case "list" | "struct":
                for part in node.parts:
                    self.type(part, known)
                return Type("list") if node.kind == "list" else DYN
            case "comprehension":
                return self._comprehension(node, known)
        return DYN

    def _select(self, node: Node, known: Mapping[str, Type]) -> Type:
        whole = self.type(node.parts[0], known)
        found = DYN
        if whole.kind == "map":
            found = type_of(whole.item)
        elif whole.kind == "object" and whole.schema is not None:
            field = whole.schema.fields.get(node.name)
            if field is not None:
                found = type_of(field)
            elif not whole.schema.preserve_unknown and not node.name.startswith("__"):
                self._say(node, f"undefined field '{node.name}'")
        elif whole.kind != "dyn":
            self._say(node, f"type '{whole}' does not support field selection")
        return Type("bool") if node.tests else found

    def _call(self, node: Node, known: Mapping[str, Type]) -> Type:
        given = [self.type(part, known) for part in node.parts]
        if node.name == "_?_:_":
            return given[1] if given[1] == given[2] else DYN
        if node.name in _ARITHMETIC or node.name in _LOGIC:
            if not _fits(node.name, given):
                self._say(
                    node,
                    f"found no matching overload for '{node.name.replace('@in', '_in_')}' applied to "
                    f"'({', '.join(map(str, given))})'",
                )
            return Type("bool") if node.name in _LOGIC else given[0] if given[0] == given[1] else DYN
        if node.is_member and node.name in _OF_OPTIONALS and given and given[0].kind != "dyn":
            applied = f"{given[0]}.({', '.join(map(str, given[1:]))})"
            self._say(node, f"found no matching overload for '{node.name}' applied to '{applied}'")
        if node.name == "_[_]" and given[0].kind in ("list", "map"):
            return type_of(given[0].item)
        if node.name in _TESTS and node.is_member:
            return Type("bool")
        return Type(_RESULTS.get(node.name, "dyn"))

    def _comprehension(self, node: Node, known: Mapping[str, Type]) -> Type:
        over, start, condition, step, result = node.parts
        ranged, item = self.type(over, known), DYN
        if ranged.kind == "list":
            item = type_of(ranged.item)
        elif ranged.kind in ("map", "object"):
            item = Type("string")
        accumulated = self.type(start, known)
        one, two, kept = node.names
        # With two variables the first is the key or the index.
        inner = {**known, kept: accumulated, one: DYN if two else item}
        if two:
            inner[two] = item if ranged.kind == "list" else DYN
        times = self._times
        self._times *= most_items(ranged.schema) if ranged.kind in ("list", "map") else 1
        self.type(condition, inner)
        self.type(step, inner)
        self._times = times
        return self.type(result, {**known, kept: accumulated})

    def _say(self, node: Node, message: str) -> None:
        at = self._tree.positions.get(node.id, 0)
        before = self._text[:at]
        line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1)
        shown = self._text.split("\n")[line - 1]
        self.found.append(f"ERROR: <input>:{line}:{column + 1}: {message}\n | {shown}\n | {'.' * column}^")


def _fits(operator: str, given: list[Type]) -> bool:
    if any(each.kind in ("dyn", "null") for each in given):
        return True
    kinds = [each.kind for each in given]
    if operator in ("_&&_", "_||_", "!_"):
        return all(kind == "bool" for kind in kinds)
    left, right = kinds
    if operator in ("@in", "_in_"):
        return right in ("list", "map")
    if operator in ("_==_", "_!=_") or operator in _ORDERED:
        numbers = left in _NUMBERS and right in _NUMBERS
        comparable = operator not in _ORDERED or left not in ("list", "map", "object")
        return comparable and (left == right or numbers or {left, right} == {"map", "object"})
    if left != right:
        return False
    return left in _NUMBERS or (operator == "_+_" and left in ("string", "bytes", "list"))

"""Compiles and evaluates CEL with Google's C++ engine, imported when the first expression is compiled.

    env = Environment(("object", "request"))
    program = env.compile("object.spec.replicas <= 5")     CelError where it does not parse or check
    program({"object": pod, "request": {...}})             plain values; CelError where it cannot be evaluated

Variables are untyped (dyn): what only the schema of a kind could tell is found at evaluation. An evaluation is bounded
by the engine: 10,000 iterations over all comprehensions. Regular expressions are RE2's, linear in their input.

An Environment keeps its programs; compiling the same text again is a look-up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from machinery.cel.function import Function
from machinery.cel.library import LIBRARY
from machinery.cel.syntax import Tree, read_tree

_EXTENSIONS = (
    "bindings",
    "lists",
    "optional",
    "sets",
    "strings\n  version: 2",
    "two-var-comprehensions",
)
_CODE = re.compile(r"^(?:[A-Z_]+: )?(.*?)(?: \[[A-Z_]+\])?$", re.DOTALL)
_NO_CONVERSION = re.compile(r"cannot convert (\w+) to (\w+)$")
_NO_INDEX = re.compile(r"Index error: index=(-?\d+) size=\d+")
_NO_KEY = re.compile(r'^Key not found in map : "(.*)"$', re.DOTALL)
_KEPT = 4096


class CelError(Exception):
    """The expression cannot be compiled, or not be evaluated with these values. The message is for its author."""


class Program:
    """A compiled expression."""

    __slots__ = ("_error", "_expression", "_names", "text")

    def __init__(self, text: str, expression: Any, error: Any, variables: Sequence[str]) -> None:
        self.text = text
        self._expression = expression
        self._error = error
        # Every value that is given is copied: those whose name does not even occur are left out.
        self._names = [name for name in variables if name.partition(".")[0] in text]

    @property
    def result(self) -> str:
        """The type it was checked to give: BOOL, STRING, DYN, ..."""
        return str(self._expression.return_type())

    def tree(self) -> Tree:
        """What the expression is made of, macros expanded."""
        return read_tree(self._expression.serialize())

    def __call__(self, values: Mapping[str, Any]) -> Any:
        try:
            value = self._expression.eval(data={name: values[name] for name in self._names if name in values})
        except RuntimeError as error:
            raise CelError(_said(str(error))) from None
        try:
            # An optional calls itself an error too, but cannot be read.
            plain = value.value() if value.type() == self._error else value.plain_value()
        except TypeError:
            raise CelError("the result is of a type that cannot be used outside of an expression") from None
        if value.type() == self._error:
            raise CelError(_said(str(plain)))
        return plain


class Environment:
    def __init__(self, variables: Sequence[str], functions: Sequence[Function] = ()) -> None:
        self._variables = tuple(variables)
        self._functions = (*LIBRARY, *functions)
        self._engine: Any = None
        self._error: Any = None
        self._programs: dict[str, Program | CelError] = {}

    def compile(self, text: str) -> Program:
        known = self._programs.get(text)
        if known is None:
            if len(self._programs) >= _KEPT:
                self._programs.clear()
            known = self._programs[text] = self._compile(text)
        if isinstance(known, CelError):
            raise known
        return known

    def _compile(self, text: str) -> Program | CelError:
        if self._engine is None:
            self._engine, self._error = _engine(self._variables, self._functions)
        try:
            return Program(text, self._engine.compile(text), self._error, self._variables)
        except RuntimeError as error:
            return CelError(_said(str(error)))


def _engine(variables: Sequence[str], functions: Sequence[Function]) -> tuple[Any, Any]:
    """The engine's environment, and its type of errors."""
    from cel_expr_python import cel

    types = {
        "bool": cel.Type.BOOL,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "string": cel.Type.STRING,
        "bytes": cel.Type.BYTES,
        "list": cel.Type.LIST,
        "map": cel.Type.MAP,
        "dyn": cel.Type.DYN,
    }
    overloads: dict[str, list[Any]] = {}
    for each in functions:
        id_ = "_".join(
            ("kubernetes", *each.name.split("."), "of" if each.member else "with", *each.parameters)
        )
        overloads.setdefault(each.name, []).append(
            cel.Overload(
                id_,
                return_type=types[each.result],
                parameters=[types[name] for name in each.parameters],
                is_member=each.member,
                impl=each.call,
            )
        )
    # As an extension and not as `functions`: only so overloads join those of functions that exist (`string`).
    declared = [cel.FunctionDecl(name, overloads[name]) for name in overloads]
    config = "extensions:\n" + "".join(f"- name: {name}\n" for name in _EXTENSIONS)
    environment = cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(config),
        variables=dict.fromkeys(variables, cel.Type.DYN),
        extensions=[cel.CelExtension("kubernetes", declared)],
    )
    return environment, cel.Type.ERROR


def _said(text: str) -> str:
    """The engine's message without its status codes, in the words of upstream's engine where they differ."""
    found = _CODE.match(text)
    text = found.group(1) if found else text
    if beyond := _NO_INDEX.match(text):
        return f"index out of bounds: {beyond.group(1)}"
    if types := _NO_CONVERSION.match(text):
        return f"type conversion error from '{types.group(1)}' to '{types.group(2)}'"
    if missing := _NO_KEY.match(text):
        return f"no such key: {missing.group(1)}"
    if text.startswith("No matching overloads found"):
        return "no such overload"
    return "division by zero" if text == "divide by zero" else text

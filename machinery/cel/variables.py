"""Named values in expressions: `variables.name` becomes a binding, evaluated once and only where it is used.

    bind("variables.a + variables.b", [("a", "1"), ("b", "variables.a * 2"), ("c", "...")])
    → 'cel.bind(variables_a, (1), cel.bind(variables_b, (variables_a * 2), variables_a + variables_b))'

Textual on purpose: a bound value keeps its type (a timestamp, a quantity, an optional), and an error in a variable is
the error of the expression that uses it. Source: KEP-3488, Variable Composition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What must be left alone comes first: comments and strings of all kinds.
_TOKENS = re.compile(
    r"//[^\n]*"
    r"|[rR][bB]?\"\"\".*?\"\"\"|[rR][bB]?'''.*?'''|[bB]?[rR]\"\"\".*?\"\"\"|[bB]?[rR]'''.*?'''"
    r"|[rR][bB]?\"[^\"]*\"|[rR][bB]?'[^']*'|[bB][rR]\"[^\"]*\"|[bB][rR]'[^']*'"
    r"|\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
    r"|(?<![\w.])variables\s*\.\s*(?P<name>[A-Za-z_]\w*)",
    re.DOTALL,
)


def bind(text: str, variables: Iterable[tuple[str, str]]) -> str:
    """`variables` in their order; one may use those before it."""
    used = names_in(text)
    bound: list[tuple[str, str]] = []
    for name, expression in reversed(list(variables)):
        if name in used:
            used |= names_in(expression)
            bound.append((name, expression))
    text = _renamed(text)
    for name, expression in bound:
        text = f"cel.bind(variables_{name}, ({_renamed(expression)}\n), {text}\n)"
    return text


def names_in(text: str) -> set[str]:
    return {found["name"] for found in _TOKENS.finditer(text) if found["name"]}


def outside_strings(text: str) -> list[tuple[str, bool]]:
    """The text in parts, each with whether it is code; the others are comments and strings."""
    parts: list[tuple[str, bool]] = []
    position = 0
    for found in _TOKENS.finditer(text):
        if found["name"] is None:
            parts += [(text[position : found.start()], True), (found[0], False)]
            position = found.end()
    return [*parts, (text[position:], True)]


def _renamed(text: str) -> str:
    return _TOKENS.sub(lambda found: f"variables_{found['name']}" if found["name"] else found[0], text)

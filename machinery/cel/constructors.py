"""Objects that expressions construct, as maps: the engine is untyped here and knows no message types.

    Object{spec: Object.spec{replicas: 1}}      →  {"spec": {"replicas": 1}}
    JSONPatch{op: "add", path: "/a", value: 1}  →  {"op": "add", "path": "/a", "value": 1}

Source: KEP-3962 (mutating admission policies), Object construction in CEL.
"""

from __future__ import annotations

import re

_STRING = re.compile(
    r"//[^\n]*"
    r"|[bB]?[rR]\"\"\".*?\"\"\"|[bB]?[rR]'''.*?'''|[bB]?[rR]\"[^\"]*\"|[bB]?[rR]'[^']*'"
    r"|\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'",
    re.DOTALL,
)
_TYPE = re.compile(r"(?:Object(?:\s*\.\s*(?:\w+|`[^`]*`))*|JSONPatch)\s*\{")
_FIELD = re.compile(r"\s*(\??)\s*(?:([A-Za-z_]\w*)|`([^`]*)`)\s*:")
_WORD = re.compile(r"\w+")
_OPENING, _CLOSING = "([{", ")]}"


def as_maps(text: str) -> str:
    out: list[str] = []
    inside: list[bool] = []  # whether each open bracket is that of an object
    position = 0
    while position < len(text):
        if found := _STRING.match(text, position):
            out.append(found[0])
            position = found.end()
            continue
        here = text[position]
        previous = text[position - 1] if position else ""
        constructed = None if previous == "." or previous.isalnum() else _TYPE.match(text, position)
        if constructed:
            position = constructed.end()
            out.append("{")
            inside.append(True)
            position = _field(text, position, out)
        elif here in _OPENING:
            inside.append(False)
            out.append(here)
            position += 1
        elif here in _CLOSING:
            if inside:
                inside.pop()
            out.append(here)
            position += 1
        elif here == "," and inside and inside[-1]:
            out.append(here)
            position = _field(text, position + 1, out)
        elif word := _WORD.match(text, position):
            out.append(word[0])
            position = word.end()
        else:
            out.append(here)
            position += 1
    return "".join(out)


def _field(text: str, position: int, out: list[str]) -> int:
    """Quotes the field's name that comes next, if one does."""
    found = _FIELD.match(text, position)
    if found is None:
        return position
    out.append(f'{found[1]}"{found[2] or found[3]}":')
    return found.end()

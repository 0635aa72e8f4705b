"""Placeholders of a catalogue's texts, and paths into documents.

    $G $NS $W $C     the scenario's group and namespace, its collections of widgets and of gadgets
    $P $CRDS         the path of the scenario's group, and of definitions
    $i               the number of a repetition
    ${a.b.0.c}       what an earlier answer, kept with `as: a`, holds at that path
    ${x*3000}        a character, many times

A path's segments are keys, indices, `*` (each) and `[key=value]` (the elements that have it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACE = re.compile(r"\$\{(.)\*(\d+)\}|\$\{([^}]+)\}|\$(CRDS|G|NS|P|W|C|i)\b")


def filled(value: Any, words: Mapping[str, Any]) -> Any:
    """`value` with every placeholder in its strings and keys replaced. A string that is one placeholder takes its type."""
    if isinstance(value, Mapping):
        return {filled(key, words): filled(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, words) for each in value]
    if not isinstance(value, str):
        return value
    if (whole := _PLACE.fullmatch(value)) and whole[3]:
        return _named(whole[3], words)
    return _PLACE.sub(lambda found: _text(found, words), value)


def _text(found: re.Match[str], words: Mapping[str, Any]) -> str:
    if found[1]:
        return found[1] * int(found[2])
    return str(_named(found[3] or found[4], words))


def _named(path: str, words: Mapping[str, Any]) -> Any:
    found = at(words, path)
    if len(found) != 1:
        raise LookupError(f"${{{path}}} is {len(found)} values of {sorted(words)}")
    return found[0]


def at(document: Any, path: str | list[str]) -> list[Any]:
    """Everything that `path` leads to; nothing where it leads nowhere."""
    found = [document]
    for segment in path.split(".") if isinstance(path, str) else path:
        found = [inner for each in found for inner in _step(each, segment)]
    return found


def _step(value: Any, segment: str) -> list[Any]:
    if segment == "*":
        return list(
            value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        )
    if segment.startswith("[") and isinstance(value, list):
        key, _, wanted = segment[1:-1].partition("=")
        return [each for each in value if isinstance(each, Mapping) and str(each.get(key)) == wanted]
    if isinstance(value, Mapping):
        return [value[segment]] if segment in value else []
    if isinstance(value, list) and segment.isdigit() and int(segment) < len(value):
        return [value[int(segment)]]
    return []

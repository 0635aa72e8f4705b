"""`$(VAR)` in commands, arguments, environment values and subPathExpr. Pure.

`$$(VAR)` is the literal `$(VAR)`; a name that is not known stays as it is written.
Source: Kubernetes third_party/forked/golang/expansion.
"""

from __future__ import annotations

from collections.abc import Mapping


def expand(text: str, values: Mapping[str, str]) -> str:
    out: list[str] = []
    at = 0
    while True:
        dollar = text.find("$", at)
        if dollar < 0 or dollar + 1 >= len(text):
            out.append(text[at:])
            return "".join(out)
        out.append(text[at:dollar])
        following = text[dollar + 1]
        if following == "$":
            out.append("$")
            at = dollar + 2
        elif following == "(" and (end := text.find(")", dollar + 2)) >= 0:
            name = text[dollar + 2 : end]
            out.append(values[name] if name in values else text[dollar : end + 1])
            at = end + 1
        else:
            out.append("$" + following)
            at = dollar + 2


def missing_names(text: str, values: Mapping[str, str]) -> list[str]:
    """The names that `expand` would leave unexpanded."""
    unknown: list[str] = []

    class Probe(dict[str, str]):
        def __contains__(self, name: object) -> bool:
            if name not in values:
                unknown.append(str(name))
            return True

        def __missing__(self, name: str) -> str:
            return ""

    expand(text, Probe())
    return unknown

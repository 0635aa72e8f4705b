"""CEL: find and findAll by regular expression, and the escaping of JSON pointers.

The engine itself searches (RE2, linear in its input): Python's expressions could be made to run for ever.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from machinery.cel.function import Function
from machinery.short_texts import keeping


@lru_cache(maxsize=1)
def _extract_all() -> Any:
    from cel_expr_python import cel

    string = cel.Type.STRING
    environment = cel.NewEnv(
        config=cel.NewEnvConfigFromYaml("extensions:\n- name: optional\n- name: regex\n"),
        variables={"text": string, "pattern": string},
    )
    return environment.compile("regex.extractAll(text, pattern)"), cel.Type.ERROR


def _find_all(text: str, pattern: str) -> list[str]:
    program, error = _extract_all()
    value = program.eval(data={"text": text, "pattern": uncaptured(pattern)})
    if value.type() == error:
        raise ValueError(str(value.value()))
    found: list[str] = value.plain_value()
    return found


def _find(text: str, pattern: str) -> str:
    found = _find_all(text, pattern)
    return found[0] if found else ""


def _find_some(text: str, pattern: str, most: int) -> list[str]:
    found = _find_all(text, pattern)
    return found if most < 0 else found[:most]


@keeping(1024)
def uncaptured(pattern: str) -> str:
    """The pattern with groups that capture nothing: the engine gives a group's text instead of the whole match."""
    out: list[str] = []
    position, in_class = 0, False
    while position < len(pattern):
        here = pattern[position]
        if here == "\\":
            out.append(pattern[position : position + 2])
            position += 2
            continue
        if here == "[" and not in_class:
            in_class = True
        elif here == "]" and in_class and pattern[position - 1] not in "[^":
            in_class = False
        elif here == "(" and not in_class:
            rest = pattern[position + 1 :]
            if rest.startswith(("?P<", "?<")) and ">" in rest:
                out.append("(?:")
                position += 2 + rest.index(">")
                continue
            if not rest.startswith("?"):
                out.append("(?:")
                position += 1
                continue
        out.append(here)
        position += 1
    return "".join(out)


FUNCTIONS = (
    Function("find", ("string", "string"), "string", _find, True),
    Function("findAll", ("string", "string"), "list", _find_all, True),
    Function("findAll", ("string", "string", "int"), "list", _find_some, True),
    Function(
        "jsonpatch.escapeKey", ("string",), "string", lambda key: key.replace("~", "~0").replace("/", "~1")
    ),
)

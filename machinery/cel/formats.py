"""CEL: named formats. `!format.dns1123Label().validate(self.name).hasValue()`.

Upstream's `validate` gives an optional list of what is wrong. A function of ours cannot give an optional, so it is a
list, on which hasValue and value mean the same: an empty one is no value.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from machinery import names
from machinery.cel.function import Function, marked
from machinery.cel.urls import parse as parse_url
from machinery.clock import parse_rfc3339

_MARK = "$format"
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def _prefix(rule: Callable[[str], Sequence[str]]) -> Callable[[str], Sequence[str]]:
    """A dash at the end may stand for what generateName adds."""
    return lambda text: rule(text[:-1] + "a" if text.endswith("-") else text)


def _raises(check: Callable[[str], object], why: str) -> Callable[[str], Sequence[str]]:
    def rule(text: str) -> Sequence[str]:
        try:
            check(text)
        except (ValueError, binascii.Error):
            return (why,)
        return ()

    return rule


RULES: dict[str, Callable[[str], Sequence[str]]] = {
    "dns1123Label": names.dns1123_label,
    "dns1123Subdomain": names.dns1123_subdomain,
    "dns1035Label": names.dns1035_label,
    "qualifiedName": names.qualified_name,
    "dns1123LabelPrefix": _prefix(names.dns1123_label),
    "dns1123SubdomainPrefix": _prefix(names.dns1123_subdomain),
    "dns1035LabelPrefix": _prefix(names.dns1035_label),
    "labelValue": names.label_value,
    "uri": _raises(parse_url, "invalid URL"),
    "uuid": lambda text: () if _UUID.fullmatch(text) else ("does not match the UUID format",),
    "byte": _raises(lambda text: base64.b64decode(text, validate=True), "invalid base64"),
    "date": _raises(date.fromisoformat, "invalid date"),
    "datetime": _raises(parse_rfc3339, "invalid datetime"),
}


def _named(name: str) -> list[dict[str, Any]]:
    return [{_MARK: name}] if name in RULES else []


def _validate(format_: Any, text: str) -> list[str]:
    return list(RULES[marked(format_, _MARK)](text))


def _constant(name: str) -> Function:
    return Function(f"format.{name}", (), "map", lambda: {_MARK: name})


def _value(items: list[Any]) -> Any:
    if not items:
        raise ValueError("optional.none() dereference")
    # A format stands in its list as a map: the value of the optional is that map, not the list around it.
    first = items[0]
    return first if isinstance(first, dict) and _MARK in first else items


FUNCTIONS = (
    *(_constant(name) for name in RULES),
    Function("format.named", ("string",), "list", _named),
    Function("validate", ("map", "string"), "list", _validate, True),
    Function("hasValue", ("list",), "bool", bool, True),
    Function("value", ("list",), "dyn", _value, True),
)

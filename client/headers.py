"""What response headers say to a client: warnings and how long to wait before trying again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WARNING = re.compile(r'(?:\d{3})\s+\S+\s+"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


def parse_warnings(values: Iterable[str]) -> tuple[str, ...]:
    """The texts of Warning headers (RFC 7234 section 5.5), quotes undone.

    >>> parse_warnings(['299 - "use apps/v1", 299 - "field \\\\"x\\\\" is unknown"'])
    ('use apps/v1', 'field "x" is unknown')
    """
    return tuple(_ESCAPED.sub(r"\1", text) for value in values for text in _WARNING.findall(value))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; None where there is none or it is a date."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def checked_value(name: str, value: str) -> str:
    """The value as it may stand in a request head; a line break would smuggle in another header."""
    if "\r" in value or "\n" in value:
        raise ValueError(f"header {name} holds a line break")
    return value

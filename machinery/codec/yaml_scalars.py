"""What a plain YAML scalar means, and which text must be quoted so that it stays text.

The rules are those of Go's yaml.v2, which sigs.k8s.io/yaml and so kubectl use: yes/no/on/off/y/n are
booleans, 014 and 0x10 integers, 1_000 is 1000; dates and 1:30 are text (but are quoted when written).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any


class YamlError(ValueError):
    """The text is no YAML, or more than we take; the message names the line. `document` counts from 1, 0: unknown."""

    def __init__(self, message: str, document: int = 0) -> None:
        super().__init__(message)
        self.document = document


_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_LONGEST_INT = 100
_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|0b[01_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)"
    r"| (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?)?"
)


def resolve_plain(text: str) -> Any:
    """What a plain (unquoted) scalar means."""
    first = text[:1]
    if text in _NULL:
        return None
    if first.isalpha():
        return True if text in _TRUE else False if text in _FALSE else text
    if first.isdigit() or first in "+-.":
        if _INT.fullmatch(text) is not None:
            whole = _integer(text)
            if whole is not None and -(2**63) <= whole < 2**64:
                return whole
        bare = text.replace("_", "") if first.isdigit() else text
        if _FLOAT.fullmatch(bare) is not None and math.isfinite(number := float(bare)):
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        if _SPECIAL.fullmatch(text) is not None:
            raise YamlError(f"json: unsupported value: {text}")
    return text


def _integer(text: str) -> int | None:
    """None for what is too long to be any, and for a prefix without digits, which is text."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "").lower()
    if digits in ("0x", "0o", "0b") or len(digits) > _LONGEST_INT:
        return None
    if len(digits) > 1 and digits[0] == "0" and digits[1] not in "xbo":
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def needs_quotes(text: str) -> bool:
    """Would some reader take it for something else than this text?"""
    if text == "<<":  # kubectl leaves it plain; as a key it would not read back
        return True
    if text[:1].isdigit() and (_BASE60.fullmatch(text) is not None or _is_timestamp(text)):
        return True
    try:
        return resolve_plain(text) is not text
    except YamlError:
        return True


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    year, month, day, *time = (int(part) for part in match.groups() if part is not None)
    hour, minute, second = time or (0, 0, 0)
    try:
        datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return False
    return True

"""Whole numbers out of text that anybody may have sent.

`int()` alone also takes underscores, spaces and other scripts' digits, and raises for very long texts, which
`str.isdigit()` calls numbers ("²", too, which `int()` refuses). Here a number is ASCII digits within bounds.
"""

from __future__ import annotations

import re

INT64 = (-(2**63), 2**63 - 1)
UINT64 = (0, 2**64 - 1)
_SIGNED = re.compile(r"[+-]?[0-9]+")


def parse(text: str, bounds: tuple[int, int] = INT64) -> int | None:
    """None where the text is no number, or none within `bounds`."""
    if _SIGNED.fullmatch(text) is None:
        return None
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > 20:
        return None
    number = -int(digits) if text[0] == "-" else int(digits)
    return number if bounds[0] <= number <= bounds[1] else None


def go_fault(text: str, *, signed: bool = True) -> str:
    """What Go's strconv says of a text that `parse` refuses."""
    form = r"[+-]?[0-9]+" if signed else r"[0-9]+"
    return "value out of range" if re.fullmatch(form, text) is not None else "invalid syntax"

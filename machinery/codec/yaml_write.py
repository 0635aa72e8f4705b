"""Writing YAML as kubectl does: block style, two spaces, lists not indented below their key.

Keys are sorted (numbers in them by value), text over several lines is a literal block, other text plain
where it reads back as text, and lines break at 80 columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

import yaml

from machinery.codec.yaml_scalars import needs_quotes

_TAG = "tag:yaml.org,2002:"
if TYPE_CHECKING:
    _BaseDumper = yaml.SafeDumper
else:
    _BaseDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BaseDumper):
    yaml_implicit_resolvers: dict[Any, Any] = {None: [(_TAG + "str", re.compile(r""))]}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    style = None
    if needs_quotes(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar(_TAG + "str", text, style=style)


def _represent_plain(dumper: Any, value: Any) -> Any:
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float) or not -(2**63) <= value < 2**64:
        text = _float_text(value)
    else:
        text = str(value)
    return dumper.represent_scalar(_TAG + "str", text)


def _float_text(value: float) -> str:
    """Go's shortest %g: an exponent below 1e-4 and from 1e21 (whole numbers) or 1e6 on."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    digits, _, exponent = f"{float(value)!r}".partition("e")
    if not exponent and 1e-4 <= abs(value) < 1e6:
        return digits
    sign, body = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, fraction = body.partition(".")
    shift = int(exponent or 0) + len(whole) - 1
    mantissa = (whole + fraction).rstrip("0")
    stripped = mantissa.lstrip("0")
    shift -= len(mantissa) - len(stripped)
    tail = f".{stripped[1:]}" if len(stripped) > 1 else ""
    return f"{sign}{stripped[0]}{tail}e{'-' if shift < 0 else '+'}{abs(shift):02d}"


def _compare_keys(left: str, right: str) -> int:
    """yaml.v2's order: digits as numbers, letters after everything else."""
    for at, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            continue
        if a.isalpha() or b.isalpha():
            if a.isalpha() and b.isalpha():
                return -1 if a < b else 1
            return -1 if b.isalpha() else 1
        one, one_end = _number_at(left, at)
        two, two_end = _number_at(right, at)
        if "0" in (a, b) and _has_digit_before(left, at):
            one += 10 ** (one_end - at)
            two += 10 ** (two_end - at)
        return -1 if (one, one_end, a) < (two, two_end, b) else 1
    return len(left) - len(right)


def _number_at(text: str, start: int) -> tuple[int, int]:
    end = start
    while end < len(text) and text[end].isdecimal():
        end += 1
    return int(text[start:end] or 0), end


def _has_digit_before(text: str, at: int) -> bool:
    """Is there a digit other than 0 in the run of digits that ends before `at`?"""
    while at > 0 and text[at - 1].isdecimal():
        at -= 1
        if text[at] != "0":
            return True
    return False


_BY_KEY = cmp_to_key(_compare_keys)


def _represent_map(dumper: Any, value: dict[str, Any]) -> Any:
    items = [(key, value[key]) for key in sorted(value, key=_BY_KEY)]
    return dumper.represent_mapping("tag:yaml.org,2002:map", items, flow_style=not value)


def _represent_list(dumper: Any, value: list[Any]) -> Any:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=not value)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(dict, _represent_map)
_Dumper.add_representer(list, _represent_list)
for _kind in (type(None), bool, int, float):
    _Dumper.add_representer(_kind, _represent_plain)


def dump(value: Any) -> str:
    """One value as a document, ending in a newline."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=80)
    out = str(text)
    return out.removesuffix("...\n")


def dump_documents(values: Iterable[Any]) -> str:
    """Several documents, separated by `---`."""
    return "---\n".join(dump(value) for value in values)

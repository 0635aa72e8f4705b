"""String formats that a custom resource's schema may ask for. Unknown formats accept everything, as upstream."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from api.codec import read_time
from machinery import names

_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"
_HOST_LABEL = re.compile(r"[^\W_](?:[^\W_]|-)*(?<!-)")
_HOST_END = re.compile(r"(?:[^\W_]-?)*[^\W\d_]{2}")
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+|[^@<>]*<[^@\s<>]+@[^@\s<>]+>\s*")
_DURATION = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*|[+-]?0"
)
_DURATION_WORDS = re.compile(
    r"\d+\s*(ns|us|µs|ms|s|sec|secs|seconds?|m|min|mins|minutes?|h|hr|hours?|d|days?|w|wk|weeks?)( .*)?"
)
_MAC = re.compile(
    r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{2}[:-]){7}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"
)
_HEX_COLOR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


# Known, though nothing is checked by some of them here.
_KNOWN = frozenset(
    (
        *(
            "bsonobjectid",
            "uri",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "cidr",
            "mac",
            "uuid",
            "uuid3",
            "uuid4",
            "uuid5",
        ),
        *(
            "isbn",
            "isbn10",
            "isbn13",
            "creditcard",
            "ssn",
            "hexcolor",
            "rgbcolor",
            "byte",
            "password",
            "date",
        ),
        *("duration", "datetime", "k8sshortname", "k8slongname"),
    )
)
_KNOWN_OF_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def is_known(name: str, kind: str) -> bool:
    """Whether values of the type can be checked by the format."""
    if kind in ("", "string"):
        return name.replace("-", "") in _KNOWN
    return name in _KNOWN_OF_NUMBERS.get(kind, ())


def is_format(name: str, value: str) -> bool:
    check = _CHECKS.get(name.replace("_", "-")) or _CHECKS.get(name.replace("-", ""))
    return check is None or check(value)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return check


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


def _uuid(version: str, variant: str) -> Callable[[str], bool]:
    pattern = re.compile(_UUID % (version, variant), re.IGNORECASE)
    return lambda value: pattern.fullmatch(value) is not None


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


def _is_hostname(value: str) -> bool:
    """It ends with two letters, and is more than them."""
    *labels, last = value.split(".")
    return (
        2 < len(value) <= 255
        and all(len(part) <= 63 for part in (*labels, last))
        and all(_HOST_LABEL.fullmatch(label) for label in labels)
        and _HOST_END.fullmatch(last) is not None
    )


def _is_uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme) or value.startswith("/")


_CHECKS: dict[str, Callable[[str], bool]] = {
    "date-time": _parses(read_time),
    "datetime": _parses(read_time),
    "date": lambda value: len(value) == 10 and _parses(date.fromisoformat)(value),
    "byte": _is_base64,
    "uuid": _uuid("[0-9a-f]", "[0-9a-f]"),
    "uuid3": _uuid("3", "[0-9a-f]"),
    "uuid4": _uuid("4", "[89ab]"),
    "uuid5": _uuid("5", "[89ab]"),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": lambda value: not names.cidr(value),
    "hostname": _is_hostname,
    "email": _matches(_EMAIL),
    "uri": _is_uri,
    "mac": _matches(_MAC),
    "duration": lambda value: bool(_DURATION.fullmatch(value) or _DURATION_WORDS.fullmatch(value)),
    "hexcolor": _matches(_HEX_COLOR),
    "bsonobjectid": _matches(_OBJECT_ID),
    "k8s-short-name": lambda value: not names.dns1123_label(value),
    "k8s-long-name": lambda value: not names.dns1123_subdomain(value),
}

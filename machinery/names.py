"""What may be a name: DNS labels and subdomains, label keys and values, ports, environment variables.

Every check takes the text and returns upstream's messages, none when it is right; the caller makes field
errors of them. `generate` appends the random suffix of metadata.generateName.

Source: apimachinery util/validation and apiserver storage/names.
"""

import ipaddress
import random
import re
from collections.abc import Mapping

from machinery import field_errors
from machinery.errors import Cause
from machinery.short_texts import keeping

_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_DNS1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = r"\*\." + _SUBDOMAIN
_C_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_ENV = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_HEADER = r"[-A-Za-z0-9]+"
_PERCENT = r"[0-9]+%"
_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_RE = {
    pattern: re.compile(pattern)
    for pattern in (
        _QUALIFIED,
        _LABEL,
        _SUBDOMAIN,
        _DNS1035,
        _WILDCARD,
        _C_IDENTIFIER,
        _ENV,
        _CONFIG_KEY,
        _HEADER,
        _PERCENT,
        _PATH,
    )
}
_QUALIFIED_MSG = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_LABEL_MSG = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end with an alphanumeric character"
)
_SUBDOMAIN_MSG = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character"
)

MAX_LABEL = 63
MAX_SUBDOMAIN = 253
SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
MAX_ANNOTATIONS_BYTES = 256 * 1024


def _matches(pattern: str, value: str) -> bool:
    return _RE[pattern].fullmatch(value) is not None


def max_length_error(limit: int) -> str:
    """Of names in the DNS's form; they are measured in bytes all the same."""
    return f"must be no more than {limit} characters"


def max_bytes_error(limit: int) -> str:
    """Of labels, and of the keys of labels and annotations."""
    return f"must be no more than {limit} bytes"


def regex_error(message: str, pattern: str, *examples: str) -> str:
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def _bytes(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode())


@keeping(4096)
def dns1123_label(value: str) -> tuple[str, ...]:
    out = []
    if _bytes(value) > MAX_LABEL:
        out.append(max_length_error(MAX_LABEL))
    if not _matches(_LABEL, value):
        if _matches(_SUBDOMAIN, value):
            out.append("must not contain dots")
        else:
            out.append(regex_error(_LABEL_MSG, _LABEL, "my-name", "123-abc"))
    return tuple(out)


@keeping(4096)
def dns1123_subdomain(value: str) -> tuple[str, ...]:
    out = []
    if _bytes(value) > MAX_SUBDOMAIN:
        out.append(max_length_error(MAX_SUBDOMAIN))
    if not _matches(_SUBDOMAIN, value):
        out.append(regex_error(_SUBDOMAIN_MSG, _SUBDOMAIN, "example.com"))
    return tuple(out)


def dns1035_label(value: str) -> tuple[str, ...]:
    out = []
    if _bytes(value) > MAX_LABEL:
        out.append(max_length_error(MAX_LABEL))
    if not _matches(_DNS1035, value):
        message = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
            "alphabetic character, and end with an alphanumeric character"
        )
        out.append(regex_error(message, _DNS1035, "my-name", "abc-123"))
    return tuple(out)


def wildcard_subdomain(value: str) -> tuple[str, ...]:
    out = []
    if _bytes(value) > MAX_SUBDOMAIN:
        out.append(max_length_error(MAX_SUBDOMAIN))
    if not _matches(_WILDCARD, value):
        message = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
            "must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric "
            "character"
        )
        out.append(regex_error(message, _WILDCARD, "*.example.com"))
    return tuple(out)


def path_segment(value: str) -> tuple[str, ...]:
    """Names that only need to fit into a URL path (RBAC objects)."""
    if value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{char}'" for char in "/%" if char in value)


@keeping(4096)
def qualified_name(value: str) -> tuple[str, ...]:
    """Label and annotation keys, resource names: an optional DNS subdomain, '/', a name."""
    out: list[str] = []
    parts = value.split("/")
    if len(parts) > 2:
        error = regex_error(_QUALIFIED_MSG, _QUALIFIED, "MyName", "my.name", "123-abc")
        return (
            f"a valid label key {error} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')",
        )
    name = parts[-1]
    if len(parts) == 2:
        if not parts[0]:
            out.append("prefix part must be non-empty")
        else:
            out.extend(f"prefix part {message}" for message in dns1123_subdomain(parts[0]))
    if not name:
        out.append("name part must be non-empty")
    elif _bytes(name) > MAX_LABEL:
        out.append(f"name part {max_bytes_error(MAX_LABEL)}")
    if not _matches(_QUALIFIED, name):
        error = regex_error(_QUALIFIED_MSG, _QUALIFIED, "MyName", "my.name", "123-abc")
        out.append(f"name part {error}")
    return tuple(out)


@keeping(4096)
def label_value(value: str) -> tuple[str, ...]:
    out = []
    if _bytes(value) > MAX_LABEL:
        out.append(max_bytes_error(MAX_LABEL))
    if value and not _matches(_QUALIFIED, value):
        message = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
        out.append(regex_error(message, f"({_QUALIFIED})?", "MyValue", "my_value", "12345"))
    return tuple(out)


# What the CEL language keeps for itself: no variable or field can be called so.
CEL_RESERVED_WORDS = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def c_identifier(value: str) -> tuple[str, ...]:
    if _matches(_C_IDENTIFIER, value):
        return ()
    message = (
        "a valid C identifier must start with alphabetic character or '_', followed by a string of "
        "alphanumeric characters or '_'"
    )
    return (regex_error(message, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName"),)


def env_var_name(value: str) -> tuple[str, ...]:
    """The relaxed rule (stable since 1.34): printable ASCII without '='."""
    if not value:
        return ("environment variable name must be non-empty",)
    if all(" " <= char <= "~" and char != "=" for char in value):
        return ()
    return (
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
    )


def env_var_name_strict(value: str) -> tuple[str, ...]:
    """For names made from keys of ConfigMaps and Secrets: letters, digits, '_', '-', '.', no digit first."""
    out = []
    if not _matches(_ENV, value):
        message = (
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or "
            "'.', and must not start with a digit"
        )
        out.append(regex_error(message, _ENV, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    return (*out, *_parent_dir(value))


def config_map_key(value: str) -> tuple[str, ...]:
    out = []
    if _bytes(value) > MAX_SUBDOMAIN:
        out.append(max_length_error(MAX_SUBDOMAIN))
    if not _matches(_CONFIG_KEY, value):
        message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        out.append(regex_error(message, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return (*out, *_parent_dir(value))


def _parent_dir(value: str) -> tuple[str, ...]:
    if value in (".", ".."):
        return (f"must not be '{value}'",)
    if value.startswith(".."):
        return ("must not start with '..'",)
    return ()


def http_header_name(value: str) -> tuple[str, ...]:
    if _matches(_HEADER, value):
        return ()
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return (regex_error(message, _HEADER, "X-Header-Name"),)


_LONGEST_PERCENT = 11  # no more than an int32 and its sign


def percent(value: str) -> tuple[str, ...]:
    if _matches(_PERCENT, value) and len(value) <= _LONGEST_PERCENT:
        return ()
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return (regex_error(message, _PERCENT, "1%", "93%"),)


def in_range(value: int, low: int, high: int) -> tuple[str, ...]:
    return () if low <= value <= high else (f"must be between {low} and {high}, inclusive",)


def port_number(value: int) -> tuple[str, ...]:
    return in_range(value, 1, 65535)


def port_name(value: str) -> tuple[str, ...]:
    out = []
    if len(value) > 15:
        out.append(max_length_error(15))
    if re.fullmatch(r"[-a-z0-9]+", value) is None:
        out.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if re.search(r"[a-z]", value) is None:
        out.append("must contain at least one letter (a-z)")
    if "--" in value:
        out.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        out.append("must not begin or end with a hyphen")
    return tuple(out)


def user_id(value: int) -> tuple[str, ...]:
    """Also group ids."""
    return in_range(value, 0, 2**31 - 1)


def ip(value: str) -> tuple[str, ...]:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    return ()


def cidr(value: str) -> tuple[str, ...]:
    try:
        if "/" not in value:
            raise ValueError(value)
        ipaddress.ip_interface(value)
    except ValueError:
        return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)
    return ()


def finalizer(value: str) -> tuple[str, ...]:
    """A qualified name; the standard ones without a prefix are known to the caller."""
    return qualified_name(value)


def url_path(value: str) -> tuple[str, ...]:
    """The path of a URL, without its first slash."""
    return () if _matches(_PATH, value) else (regex_error("Invalid path", _PATH),)


# Maps of labels and annotations, as field errors


def labels(values: Mapping[str, str], path: str) -> list[Cause]:
    out: list[Cause] = []
    for key, value in values.items():
        if wrong := qualified_name(key):
            out.extend(field_errors.invalid_value(path, key, message) for message in wrong)
        if wrong := label_value(value):
            out.extend(field_errors.invalid_value(path, value, message) for message in wrong)
    return out


def annotations(values: Mapping[str, str], path: str) -> list[Cause]:
    out: list[Cause] = []
    for key in values:
        if wrong := qualified_name(key.lower()):
            out.extend(field_errors.invalid_value(path, key, message) for message in wrong)
    size = 0
    for key, value in values.items():
        size += _bytes(key) + _bytes(value)
    if size > MAX_ANNOTATIONS_BYTES:
        out.append(field_errors.too_long(path, MAX_ANNOTATIONS_BYTES))
    return out


# metadata.generateName


def suffix(rng: random.Random, length: int = SUFFIX_LENGTH) -> str:
    """Letters and digits that make no words: no vowels, no 0, 1 and 3."""
    return "".join(rng.choices(SUFFIX_ALPHABET, k=length))


def uid(rng: random.Random) -> str:
    """A random UUID (version 4), as `uuid.UUID(int=rng.getrandbits(128), version=4)` would be written."""
    bits = rng.getrandbits(128) & ~(0xF000C000 << 48) | 0x40008000 << 48
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def generate(base: str, rng: random.Random, max_length: int = MAX_LABEL) -> str:
    """`web-` → `web-x7k2p`; the base is cut so that the whole fits into `max_length`."""
    return base[: max_length - SUFFIX_LENGTH] + suffix(rng)


def safe_encode(text: str) -> str:
    """Upstream's rand.SafeEncodeString: maps a hash's digits onto the alphabet of suffixes."""
    return "".join(SUFFIX_ALPHABET[ord(char) % len(SUFFIX_ALPHABET)] for char in text)

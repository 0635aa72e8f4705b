"""CEL: url(), isURL() and the parts of a URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from machinery.cel.function import Function, marked

_MARK = "$url"


def parse(text: str) -> SplitResult:
    """Absolute URLs and absolute paths. Raises ValueError."""
    if any(ord(each) <= 0x20 or ord(each) == 0x7F for each in text):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid character")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"URL parse error during conversion from string: {error}") from None
    if not parts.scheme and not text.startswith("/"):
        raise ValueError(
            f'URL parse error during conversion from string: parse "{text}": invalid URI for request'
        )
    return parts


def _url(text: str) -> dict[str, Any]:
    parse(text)
    return {_MARK: text}


def _is_url(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _of(url: Any) -> SplitResult:
    return urlsplit(str(marked(url, _MARK)))


def _escaped_path(url: Any) -> str:
    """What follows a scheme without a slash is no path: `mailto:x`."""
    path = _of(url).path
    return quote(path, safe="/%:@!$&'()*+,;=-._~") if path.startswith("/") else ""


def _hostname(url: Any) -> str:
    host = _of(url).netloc.rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _port(url: Any) -> str:
    port = _of(url).port
    return "" if port is None else str(port)


FUNCTIONS = (
    Function("url", ("string",), "map", _url),
    Function("isURL", ("string",), "bool", _is_url),
    Function("getScheme", ("map",), "string", lambda url: _of(url).scheme, True),
    Function("getHost", ("map",), "string", lambda url: _of(url).netloc.rpartition("@")[2], True),
    Function("getHostname", ("map",), "string", _hostname, True),
    Function("getPort", ("map",), "string", _port, True),
    Function(
        "getEscapedPath",
        ("map",),
        "string",
        _escaped_path,
        True,
    ),
    Function("getQuery", ("map",), "map", lambda url: parse_qs(_of(url).query, keep_blank_values=True), True),
)

"""URL references as Go's net/url reads and writes them: what upstream's servers make of an address, byte for byte.

`parse(text)` → Reference, None for what is none; `str(reference)` writes it again. Texts hold one byte a character (latin-1), so that
what is no UTF-8 survives. A path is kept decoded, with its spelling beside it where that is not the usual one.

Source: RFC 3986 and the documentation of Go's net/url.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)?:")
_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PORT = re.compile(r"(:[0-9]*)?")
# A host's escapes are of bytes beyond ASCII, or of the percent sign itself.
_HOST = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"\x80-\xff]|%(?:25|[89a-fA-F][0-9a-fA-F]))*")
_ZONE = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"\x80-\xff]|%[0-9a-fA-F]{2})*")

_IN_PATH = "$&+,/:;=@~"
_IN_FRAGMENT = "$&+,/:;=?@!()*~"
_IN_USER = "$&+,;=~"
_IN_HOST = "!$&'()*+,;=:[]<>\"~"
_ALSO_VALID = re.compile(r"[!$&'()*+,;=:@\[\]%]")


@dataclass(frozen=True, slots=True)
class Reference:
    """`user`: as it is written, None where there is none. `opaque`: what follows a scheme without a slash."""

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""
    spelling: str = ""
    query: str | None = None
    fragment: str = ""
    omits_host: bool = False

    def __str__(self) -> str:
        out = f"{self.scheme}:" if self.scheme else ""
        if self.opaque:
            out += self.opaque
        else:
            out += self._authority()
            path = escaped_path(self.path, self.spelling)
            if path and not path.startswith("/") and self.host:
                out += "/"
            if not out and ":" in path.partition("/")[0]:
                out = "./"  # or it would be taken for a scheme
            out += path
        if self.query is not None:
            out += f"?{self.query}"
        return f"{out}#{self.fragment}" if self.fragment else out

    def _authority(self) -> str:
        nothing = not self.host and self.user is None
        if nothing and (not self.scheme or self.omits_host or not self.path):
            return ""
        user = "" if self.user is None else f"{self.user}@"
        return f"//{user}{_escape(self.host, _IN_HOST)}"


def parse(text: str) -> Reference | None:
    whole, _, fragment = text.partition("#")
    if _CONTROL.search(whole):
        return None
    try:
        return _parse(whole, fragment)
    except ValueError:
        return None


def _parse(text: str, fragment: str) -> Reference:
    end = _escape(_unescape(fragment), _IN_FRAGMENT) if not _valid(fragment, _IN_FRAGMENT) else fragment
    _unescape(fragment)
    if text == "*":
        return Reference(path="*", fragment=end)
    scheme, rest = _scheme(text)
    rest, asked, after = rest.partition("?")
    query = after if after or (asked and not after) else None
    if not rest.startswith("/"):
        if scheme:
            return Reference(scheme, rest, query=query, fragment=end)
        if ":" in rest.partition("/")[0]:
            raise ValueError("a colon in the first segment")
    user, host, omits_host = None, "", False
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        user, host = _authority(scheme, authority)
        rest = slash + path
    elif scheme:
        omits_host = True
    path = _unescape(rest)
    spelling = "" if _escape(path, _IN_PATH) == rest else rest
    return Reference(scheme, "", user, host, path, spelling, query, end, omits_host)


def _scheme(text: str) -> tuple[str, str]:
    found = _SCHEME.match(text)
    if found is None:
        return "", text
    if not found[1]:
        raise ValueError("no scheme before the colon")
    return found[1].lower(), text[found.end() :]


def _authority(scheme: str, text: str) -> tuple[str | None, str]:
    before, at, host = text.rpartition("@")
    host = _host(scheme, host)
    if not at:
        return None, host
    if not _USER.fullmatch(before):
        raise ValueError("characters that no user has")
    name, colon, password = before.partition(":")
    return _escape(_unescape(name), _IN_USER) + colon + _escape(_unescape(password), _IN_USER), host


def _host(scheme: str, host: str) -> str:
    if host.rfind("[") > 0:
        raise ValueError("an address within a name")
    if host.startswith("["):
        return _address(host)
    colon = host.find(":") if scheme in ("http", "https") else host.rfind(":")
    if colon >= 0 and not _PORT.fullmatch(host, colon):
        raise ValueError("no port")
    if not _HOST.fullmatch(host):
        raise ValueError("characters that no host has")
    return _unescape(host)


def _address(host: str) -> str:
    inner, bracket, port = host[1:].rpartition("]")
    if not bracket or not _PORT.fullmatch(port):
        raise ValueError("no address with a port")
    address, percent, zone = inner.partition("%25")
    if not _HOST.fullmatch(address) or not _ZONE.fullmatch(zone) or (percent and not zone):
        raise ValueError("no address")
    ipaddress.IPv6Address(address)
    return f"[{_unescape(inner)}]{port}"


def escaped_path(path: str, spelling: str = "") -> str:
    """As it is spelled, where that is a valid spelling of it."""
    if spelling and _valid(spelling, _IN_PATH) and _unescape(spelling) == path:
        return spelling
    return "*" if path == "*" else _escape(path, _IN_PATH)


def joined(prefix: str, path: str) -> str:
    """Two paths as one, without empty segments and dots; a slash at the end stays."""
    out: list[str] = []
    for segment in f"{prefix}/{path}".split("/"):
        if segment == "..":
            del out[-1:]
        elif segment not in ("", "."):
            out.append(segment)
    whole = "/" + "/".join(out)
    return f"{whole}/" if path.endswith("/") and out else whole


def _valid(text: str, safe: str) -> bool:
    rest = _ALSO_VALID.sub("", text)
    return _escape(rest, safe) == rest


def _escape(text: str, safe: str) -> str:
    return quote(text.encode("latin-1"), safe=safe)


def _unescape(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise ValueError("a percent sign that escapes nothing")
    return unquote_to_bytes(text.encode("latin-1")).decode("latin-1")

"""HTML's attributes: which of them hold links, and how a value is read and written.

Values are texts of one byte a character (latin-1), so that what is no UTF-8 survives; character references are read into UTF-8.

Source: the HTML standard, "Consume a character reference"; the list is upstream's (apimachinery util/proxy).
"""

from __future__ import annotations

import html.entities
import re

LINKS: dict[bytes, frozenset[bytes]] = {
    tag: frozenset(attributes.split())
    for tag, attributes in (
        (b"a", b"href"),
        (b"applet", b"codebase"),
        (b"area", b"href"),
        (b"audio", b"src"),
        (b"base", b"href"),
        (b"blockquote", b"cite"),
        (b"body", b"background"),
        (b"button", b"formaction"),
        (b"command", b"icon"),
        (b"del", b"cite"),
        (b"embed", b"src"),
        (b"form", b"action"),
        (b"frame", b"longdesc src"),
        (b"head", b"profile"),
        (b"html", b"manifest"),
        (b"iframe", b"longdesc src"),
        (b"img", b"longdesc src usemap"),
        (b"input", b"src usemap formaction"),
        (b"ins", b"cite"),
        (b"link", b"href"),
        (b"object", b"classid codebase data usemap"),
        (b"q", b"cite"),
        (b"script", b"src"),
        (b"source", b"src"),
        (b"video", b"poster src"),
    )
}

_REFERENCE = re.compile(r"&(?:#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?|([0-9a-zA-Z]+;?))")
_NEWLINE = re.compile(rb"\r\n?")
_ESCAPES = str.maketrans({"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "\r": "&#13;"})


def unescaped(value: bytes) -> str:
    """What an attribute's value says, its character references resolved."""
    value = _NEWLINE.sub(b"\n", value.replace(b"\0", b"\xef\xbf\xbd"))
    text = value.decode("latin-1")
    return _REFERENCE.sub(_resolved, text) if "&" in text else text


def _resolved(found: re.Match[str]) -> str:
    hexadecimal, decimal, name = found.groups()
    if name:
        if not name.endswith(";") and found.string[found.end() : found.end() + 1] == "=":
            return found[0]  # of an address's query
        character = html.entities.html5.get(name)
        return found[0] if character is None else character.encode().decode("latin-1")
    digits = (hexadecimal or decimal).lstrip("0")[:9] or "0"
    code = int(digits, 16 if hexadecimal else 10)
    if 0x80 <= code <= 0x9F:
        character = bytes([code]).decode("cp1252", "replace").replace("\ufffd", chr(code))
    elif code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        character = "\ufffd"
    else:
        character = chr(code)
    return character.encode().decode("latin-1")


def escaped(address: str) -> bytes:
    return address.translate(_ESCAPES).encode("latin-1")

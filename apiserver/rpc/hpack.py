"""HPACK (RFC 7541), as much as a gRPC client needs: header blocks for its calls, and the status of their answers.

We announce a dynamic table of no size and use none ourselves, so that a block means the same wherever it stands: blocks of
calls are made once, and blocks of answers, which repeat byte for byte, are read once (`grpc_status` keeps them).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote_to_bytes

_STATUS_FIRST, _STATUS_LAST = 8, 14  # the static table's ":status" entries
_STATUSES = ("200", "204", "206", "304", "400", "404", "500")

# The Huffman code is canonical: the lengths of the codes are all there is to know. Longer ones are of characters that
# gRPC percent-encodes, and of the backslash.
_CODE_LENGTHS = (
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, '!"()?'),
    (11, "'+|"),
    (12, "#>"),
    (13, "\0$@[]~"),
    (14, "^}"),
    (15, "<`{"),
)


class BadHeaders(Exception):
    """A header block that cannot be read."""


def call_headers(path: str, authority: str, *, tls: bool, more: Sequence[tuple[str, str]] = ()) -> bytes:
    """The block that begins a call of `path`, such as /etcdserverpb.KV/Range."""
    return b"".join(
        (
            b"\x83",  # :method POST
            b"\x87" if tls else b"\x86",  # :scheme
            b"\x04" + _text(path),
            b"\x01" + _text(authority),
            b"\x0f\x10" + _text("application/grpc"),  # content-type
            *(b"\x00" + _text(name) + _text(value) for name, value in (("te", "trailers"), *more)),
        )
    )


@lru_cache(512)
def grpc_status(block: bytes) -> tuple[str, int | None, str]:
    """(HTTP status or "", gRPC status or None, gRPC message) of an answer's headers or trailers. Raises BadHeaders."""
    http, status, message = "", None, ""
    for name, value in _fields(block):
        if name == ":status":
            http = value
        elif name == "grpc-status":
            if not value.isdigit():
                raise BadHeaders(f"a gRPC status of {value!r}")
            status = int(value)
        elif name == "grpc-message":
            message = unquote_to_bytes(value).decode(errors="replace")
    return http, status, message


def _fields(block: bytes) -> list[tuple[str, str]]:
    found = []
    pos = 0
    try:
        while pos < len(block):
            byte = block[pos]
            if byte & 0x80:
                index, pos = _integer(block, pos, 7)
                if _STATUS_FIRST <= index <= _STATUS_LAST:
                    found.append((":status", _STATUSES[index - _STATUS_FIRST]))
                elif not 1 <= index <= 61:
                    raise BadHeaders("a header from a dynamic table, though it was given no room")
            elif byte & 0xE0 == 0x20:
                _, pos = _integer(block, pos, 5)  # the table's size, which is none
            else:
                index, pos = _integer(block, pos, 6 if byte & 0x40 else 4)
                name = ":status" if _STATUS_FIRST <= index <= _STATUS_LAST else ""
                if index == 0:
                    name, pos = _string(block, pos)
                elif index > 61:
                    raise BadHeaders("a header from a dynamic table, though it was given no room")
                value, pos = _string(block, pos)
                found.append((name, value))
    except IndexError as error:
        raise BadHeaders("a header block is cut short") from error
    return found


def _text(text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) < 127:
        return bytes((len(value),)) + value
    out, rest = bytearray((127,)), len(value) - 127
    while rest >= 128:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out) + value


def _integer(block: bytes, pos: int, bits: int) -> tuple[int, int]:
    full = (1 << bits) - 1
    value = block[pos] & full
    pos += 1
    if value < full:
        return value, pos
    shift = 0
    while True:
        byte = block[pos]
        pos += 1
        value += (byte & 127) << shift
        if byte < 128:
            return value, pos
        shift += 7
        if shift > 28:
            raise BadHeaders("a header block has a number without end")


def _string(block: bytes, pos: int) -> tuple[str, int]:
    huffman = block[pos] & 0x80
    length, pos = _integer(block, pos, 7)
    raw = block[pos : pos + length]
    if len(raw) != length:
        raise BadHeaders("a header block is cut short")
    return (_huffman(raw) if huffman else raw.decode("latin-1")), pos + length


def _codes() -> dict[tuple[int, int], str]:
    codes, code, before = {}, 0, 0
    for length, characters in _CODE_LENGTHS:
        code <<= length - before
        before = length
        for character in characters:
            codes[length, code] = character
            code += 1
    return codes


_CODES = _codes()


def _huffman(raw: bytes) -> str:
    """What cannot be read, which is nothing that gRPC sends, ends the text with a question mark."""
    out = []
    bits = length = 0
    for byte in raw:
        for shift in range(7, -1, -1):
            bits = bits << 1 | byte >> shift & 1
            length += 1
            character = _CODES.get((length, bits))
            if character is not None:
                out.append(character)
                bits = length = 0
            elif length > 15 and bits != (1 << length) - 1:
                return "".join(out) + "?"
    return "".join(out)

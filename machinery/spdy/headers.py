"""SPDY/3's header blocks: names and values, compressed by one zlib stream per direction with the protocol's dictionary.

A block that is lost or skipped spoils all later ones of its direction, so each one that comes has to be read here,
also that of a stream which is then refused. What a block may inflate to is bounded, and how many headers it may hold: a
kilobyte can hold a megabyte, and each header is an object or two.
Source: SPDY Protocol Draft 3.1, section 2.6.10.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

MOST_BLOCK_BYTES = 16 * 1024  # inflated; clients of Kubernetes send some hundred
MOST_HEADERS = 64  # and three or four of them

_WORDS = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
]
_MORE_WORDS = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.encode() for word in (*_WORDS, *_MORE_WORDS))
    + _TAIL.encode()
)


class HeaderError(ValueError):
    """A block that cannot be read, or that nobody should."""


class HeaderWriter:
    """One direction's blocks, in the order in which they are sent."""

    __slots__ = ("_deflate",)

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)

    def write(self, headers: Mapping[str, str]) -> bytes:
        pieces = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                pieces += (struct.pack(">I", len(text)), text)
        return self._deflate.compress(b"".join(pieces)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class HeaderReader:
    """The other direction's blocks, in the order in which they came."""

    __slots__ = ("_inflate",)

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, block: bytes) -> dict[str, str]:
        """Names in lower case; of a name that stands twice the last value counts. Raises HeaderError."""
        try:
            plain = self._inflate.decompress(block, MOST_BLOCK_BYTES + 1)
        except zlib.error as error:
            raise HeaderError(f"a header block cannot be read: {error}") from error
        if len(plain) > MOST_BLOCK_BYTES or self._inflate.unconsumed_tail:
            raise HeaderError(f"a header block is longer than {MOST_BLOCK_BYTES} bytes")
        if self._inflate.eof:
            raise HeaderError("the compression of header blocks was ended")
        count, at = int.from_bytes(plain[:4], "big"), 4
        if count > MOST_HEADERS:
            raise HeaderError(f"a header block holds more than {MOST_HEADERS} headers")
        words: list[str] = []
        if count * 8 > len(plain) - 4:
            raise HeaderError("a header block is cut short")
        for _ in range(count * 2):
            begin = at + 4
            at = begin + int.from_bytes(plain[at:begin], "big")
            if begin > len(plain) or at > len(plain):
                raise HeaderError("a header block is cut short")
            words.append(plain[begin:at].decode("utf-8", "replace"))
        return dict(zip((name.lower() for name in words[::2]), words[1::2], strict=True))

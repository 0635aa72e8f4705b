"""What a proxy changes in the answers of pods, services and nodes, so that their links lead through the proxy again.

    plan_rewriting(answer's headers, Through) → Rewriting(headers, body)

A Location, and the links of a page of text/html, lead below the proxy's own path where they name the other server (or no
server at all) and an absolute path. Whatever else they name stays. Headers that would open the API server's own origin to
other sites are taken out. Pages may be packed with gzip or deflate, and are packed again; in any other packing they pass as they are.

`body` takes the answer's pieces and gives the rewritten ones, never more than 64 KiB unpacked at once. Source: apimachinery's
util/proxy (upstream's proxies are asked for the same answers in tests/oracle).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from machinery.url_reference import Reference, joined, parse

if TYPE_CHECKING:
    from apiserver.http.html_links import Links

_CORS = frozenset(f"access-control-allow-{what}" for what in ("credentials", "headers", "methods", "origin"))
_UNPACKED_BYTES = 65536
_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE, _ZLIB = -zlib.MAX_WBITS, zlib.MAX_WBITS


class Body(Protocol):
    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Raises ConnectionError for a body that is not packed as its headers say."""
        ...

    def rest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Through:
    """`prefix`: the proxy's path, up to and with `/proxy`. `asked`: the host that the caller asked, `source`: the one that answers."""

    prefix: str
    asked: str
    source: str

    def address(self, text: str) -> str:
        """The address to write in place of `text`; `text` itself where it is no address."""
        reference = parse(text)
        return text if reference is None else str(self.of(reference))

    def of(self, reference: Reference) -> Reference:
        elsewhere = reference.host not in ("", self.source, self.asked)
        if elsewhere or not reference.path.startswith("/"):
            return reference
        if reference.host != self.asked:
            reference = replace(reference, scheme="", host="")
        if reference.path.startswith(self.prefix):
            return reference
        return replace(reference, path=joined(self.prefix, reference.path))


@dataclass(frozen=True, slots=True)
class Rewriting:
    """`body` None: as it comes."""

    headers: Mapping[str, str]
    body: Body | None = None


class BadLocation(Exception):
    """The answer sends to what is no address. The message tells which."""


def plan_rewriting(headers: Mapping[str, str], through: Through) -> Rewriting:
    """`headers`: of the answer, their names in lower case. Raises BadLocation."""
    kept = {name: value for name, value in headers.items() if name not in _CORS}
    location = kept.get("location")
    if location:
        reference = parse(location)
        if reference is None:
            raise BadLocation(f"error trying to parse Location header: {location!r} is no URL")
        return Rewriting({**kept, "location": str(through.of(reference))})
    if kept.get("content-type", "").partition(";")[0].strip() != "text/html":
        return Rewriting(kept)
    packing = kept.get("content-encoding", "")
    if packing not in ("", "gzip", "deflate"):
        return Rewriting(kept)
    from apiserver.http.html_links import Links

    links = Links(through.address)
    kept.pop("content-length", None)
    return Rewriting(kept, Packed(links, packing) if packing else Plain(links))


class Plain:
    def __init__(self, links: Links) -> None:
        self._links = links

    def feed(self, piece: bytes) -> Iterator[bytes]:
        yield self._links.feed(piece)

    def rest(self) -> bytes:
        return self._links.rest()


class Packed:
    """A page in gzip (of one member or several) or deflate (raw, as upstream reads it, or zlib's, as the standard has it). What is
    not so packed from its first byte passes as it is."""

    def __init__(self, links: Links, packing: str) -> None:
        self._links = links
        self._packing = packing
        self._form = 0
        self._unpack = zlib.decompressobj(_GZIP)
        self._pack = zlib.compressobj(wbits=_GZIP)
        self._head = b""
        self._foreign = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        if self._foreign:
            yield piece
            return
        if not self._form:
            self._head += piece
            if len(self._head) < 2:
                return
            piece, self._head = self._head, b""
            self._begin(piece)
            if self._is_foreign(piece):
                self._foreign = True
                yield piece
                return
        for unpacked in self._unpacked(piece):
            rewritten = self._links.feed(unpacked)
            # Flushed, so that what the page shows while it is being written is seen at once.
            yield self._pack.compress(rewritten) + self._pack.flush(zlib.Z_SYNC_FLUSH)

    def _begin(self, head: bytes) -> None:
        self._form = _GZIP
        if self._packing == "deflate":
            is_zlib = head[0] & 0x0F == 8 and int.from_bytes(head[:2]) % 31 == 0
            self._form = _ZLIB if is_zlib else _RAW_DEFLATE
        self._unpack = zlib.decompressobj(self._form)
        self._pack = zlib.compressobj(wbits=self._form)

    def _is_foreign(self, head: bytes) -> bool:
        try:
            zlib.decompressobj(self._form).decompress(head, _UNPACKED_BYTES)
        except zlib.error:
            return True
        return False

    def _unpacked(self, piece: bytes) -> Iterator[bytes]:
        try:
            while piece:
                if self._unpack.eof:
                    if self._form != _GZIP:  # what follows the end is nothing
                        return
                    self._unpack = zlib.decompressobj(_GZIP)
                yield self._unpack.decompress(piece, _UNPACKED_BYTES)
                piece = self._unpack.unconsumed_tail or self._unpack.unused_data
        except zlib.error as error:
            raise ConnectionError(f"the page is not in {self._packing}: {error}") from error

    def rest(self) -> bytes:
        if self._foreign or not self._form:
            return self._head
        if not self._unpack.eof:
            raise ConnectionError(f"the page ends within its {self._packing}")
        return self._pack.compress(self._links.rest()) + self._pack.flush()

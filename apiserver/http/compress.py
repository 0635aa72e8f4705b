"""gzip for large answers, off the event loop's thread. What a list's pieces compress to is kept with each piece.

One gzip stream is put together of pieces that were compressed apart: each is raw deflate ended by a full flush, so that
it begins anew at a byte's border, and the checksum of the whole follows from theirs (zlib's crc32_combine, which Python
does not offer). Clients see a single ordinary member, as some read no more than one.
"""

from __future__ import annotations

import asyncio
import gzip
import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace

from apiserver.http.negotiation import media_ranges
from apiserver.http.reply import Reply
from apiserver.storage.store import Piece

# Fast rather than small: the loopback and a LAN carry more than a core compresses.
_LEVEL = 1
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_LAST_BLOCK = b"\x03\x00"
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31  # the polynomial 1, in the checksum's order of bits


class Packed:
    """A piece as deflate's blocks; `shift` is what a checksum before it is multiplied by."""

    __slots__ = ("checksum", "data", "shift", "size")

    def __init__(self, raw: bytes) -> None:
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self.data = deflate.compress(raw) + deflate.flush(zlib.Z_FULL_FLUSH)
        self.checksum = zlib.crc32(raw)
        self.size = len(raw)
        self.shift = _power(8 * len(raw))


def takes_gzip(accept_encoding: bytes) -> bool:
    if b"gzip" not in accept_encoding:
        return False
    if b";" not in accept_encoding:
        return True
    return any(media == "gzip" for media, _ in media_ranges(accept_encoding.decode("latin-1")))


class Compressor:
    async def compressed(self, reply: Reply) -> Reply:
        loop = asyncio.get_running_loop()
        headers = [*reply.headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        if not reply.pieces:
            body = await loop.run_in_executor(None, gzip.compress, reply.body, _LEVEL)
            return replace(reply, body=body, headers=headers)
        fresh = [piece for piece in reply.pieces if piece.packed is None]
        if fresh:
            await loop.run_in_executor(None, _pack, fresh)
        return replace(reply, body=gzip_of(reply.pieces), pieces=(), headers=headers)


def _pack(pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        piece.packed = Packed(piece.data)


def gzip_of(pieces: Iterable[Piece]) -> bytes:
    """One gzip member of pieces that are packed."""
    out = [_HEADER]
    checksum = size = 0
    for piece in pieces:
        packed = piece.packed
        assert isinstance(packed, Packed)
        out.append(packed.data)
        checksum = _times(packed.shift, checksum) ^ packed.checksum if checksum else packed.checksum
        size += packed.size
    out += (_LAST_BLOCK, struct.pack("<LL", checksum, size & 0xFFFFFFFF))
    return b"".join(out)


def _times(a: int, b: int) -> int:
    """a(x) * b(x) modulo the checksum's polynomial; `a` is not 0."""
    product = 0
    bit = _ONE
    while a:
        if a & bit:
            product ^= b
            a ^= bit
        bit >>= 1
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def _power(n: int) -> int:
    """x to the n-th."""
    power, square = _ONE, _ONE >> 1
    while n:
        if n & 1:
            power = _times(square, power)
        square = _times(square, square)
        n >>= 1
    return power

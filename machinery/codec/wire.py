"""The protobuf wire format: tagged fields in bytes, nothing of what they mean.

Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class ProtobufError(ValueError):
    """The bytes are no message, or not the one that was expected."""


def varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """(value as unsigned 64 bits, position after it)."""
    shift = result = 0
    while True:
        if position >= len(data):
            raise ProtobufError("unexpected EOF")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift >= 70:
            raise ProtobufError("integer overflow")


def signed(value: int) -> int:
    """int32 and int64 are two's complement in 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(data: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
    """(number, wire type, value, bytes) of every field: the value for numbers, bytes for the rest."""
    position, size = 0, len(data)
    nothing = data[:0]
    while position < size:
        tag, position = varint(data, position)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ProtobufError("illegal tag 0")
        if kind == VARINT:
            value, position = varint(data, position)
            yield number, kind, value, nothing
            continue
        if kind == BYTES:
            length, position = varint(data, position)
        elif kind == FIXED64:
            length = 8
        elif kind == FIXED32:
            length = 4
        else:
            raise ProtobufError(f"illegal wire type {kind}")
        if length > size - position:
            raise ProtobufError("unexpected EOF")
        yield number, kind, 0, data[position : position + length]
        position += length


def put_varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def int_field(number: int, value: int) -> bytes:
    """Nothing for zero, which is what is read where nothing stands."""
    return put_varint(number << 3) + put_varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    return put_varint(number << 3 | BYTES) + put_varint(len(value)) + value if value else b""


def message_field(number: int, value: bytes) -> bytes:
    """As bytes, but one that is empty stands there too."""
    return put_varint(number << 3 | BYTES) + put_varint(len(value)) + value

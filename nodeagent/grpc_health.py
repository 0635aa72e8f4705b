"""One gRPC health check (grpc.health.v1.Health/Check) over plain-text HTTP/2, with no gRPC library.

A single unary call on a fresh connection needs few frames: the preface, SETTINGS, one HEADERS frame whose
fields are HPACK literals without indexing, one DATA frame. The answer's DATA is one small protobuf whose field
1 is the serving status; the trailers are not needed to read it.
Source: RFC 9113, RFC 7541 §6.2.2, gRPC over HTTP/2, health.proto.
"""

from __future__ import annotations

import asyncio
import struct

from nodeagent.network import CallFailed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7
END_STREAM, END_HEADERS, ACK, PADDED = 0x1, 0x4, 0x1, 0x8
SERVING = 1
_STATUS = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def check_health(host: str, port: int, service: str, timeout_s: float) -> None:
    """Returns when the service answers SERVING. Raises CallFailed, TimeoutError."""
    async with asyncio.timeout(timeout_s):
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            raise CallFailed(f"timeout: failed to connect service {host}:{port}: {error}") from error
        try:
            writer.write(PREFACE + frame(SETTINGS, 0, 0, b"") + request_frames(host, port, service))
            await writer.drain()
            status = await _answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise CallFailed(f"error: health rpc failed: {error}") from error
        finally:
            writer.close()
    if status != SERVING:
        raise CallFailed(f"service unhealthy (responded with {_STATUS.get(status, str(status))!r})")


def frame(type_: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((type_, flags)) + struct.pack(">I", stream) + payload


def request_frames(host: str, port: int, service: str) -> bytes:
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", f"{host}:{port}"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe/1.36"),
    )
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    body = b"\x00" + struct.pack(">I", len(message)) + message
    return frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, body)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    body = b""
    while True:
        head = await reader.readexactly(9)
        length = int.from_bytes(head[:3], "big")
        type_, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        payload = await reader.readexactly(length)
        if type_ == SETTINGS and not flags & ACK:
            writer.write(frame(SETTINGS, ACK, 0, b""))
        elif type_ == PING and not flags & ACK:
            writer.write(frame(PING, ACK, 0, payload))
        elif type_ == DATA and stream == 1:
            body += payload[1 : length - payload[0]] if flags & PADDED else payload
            if len(body) >= 5 and len(body) >= 5 + int.from_bytes(body[1:5], "big"):
                return serving_status(body[5 : 5 + int.from_bytes(body[1:5], "big")])
        elif type_ in (RST_STREAM, GOAWAY) or (type_ == HEADERS and flags & END_STREAM and stream == 1):
            raise CallFailed(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            )


def serving_status(message: bytes) -> int:
    """Field 1 of HealthCheckResponse; 0 where it is not set."""
    at, status = 0, 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        if tag & 7 == 0:
            value, at = _read_varint(message, at)
            status = value if tag >> 3 == 1 else status
        elif tag & 7 == 2:
            size, at = _read_varint(message, at)
            at += size
        else:
            break
    return status


def _text(text: str) -> bytes:
    """An HPACK string literal, not Huffman-coded; lengths here are below 127."""
    raw = text.encode()
    if len(raw) < 127:
        return bytes((len(raw),)) + raw
    return b"\x7f" + _varint(len(raw) - 127) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return result, at

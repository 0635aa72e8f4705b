"""SPDY's framing, against bytes that kubectl sent and against a decoder of its own that shares nothing with it."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from typing import Any

import pytest

from machinery.spdy.headers import DICTIONARY, MOST_BLOCK_BYTES, HeaderWriter
from machinery.spdy.session import (
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    DataReceived,
    SessionClosed,
    SpdyError,
    SpdySession,
    StreamOpened,
    StreamReset,
)

Frame = tuple[Any, ...]


def frames_of(data: bytes) -> list[Frame]:
    """(type, stream, flags, the rest): data as ("data", ...), control frames by number, headers inflated."""
    inflate = zlib.decompressobj(zdict=DICTIONARY)
    found: list[Frame] = []
    while data:
        flags, length = data[4], int.from_bytes(data[5:8], "big")
        first, body, data = data[:4], data[8 : 8 + length], data[8 + length :]
        if not first[0] & 0x80:
            found.append(("data", int.from_bytes(first, "big"), flags, body))
            continue
        assert first[:2] == b"\x80\x03"
        kind, stream = first[3], int.from_bytes(body[:4], "big")
        skipped = {1: 10, 2: 4, 8: 4}.get(kind)
        found.append(
            (kind, stream, flags, body[4:] if skipped is None else inflate.decompress(body[skipped:]))
        )
    return found


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHB", 0x8003, kind, flags) + len(payload).to_bytes(3, "big") + payload


def test_dictionary_is_the_known_one() -> None:
    assert len(DICTIONARY) == 1423 and zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def test_frames_are_as_the_protocol_draws_them() -> None:
    client = SpdySession(client=True)
    stream = client.open_stream({"streamType": "data"}, fin=True)
    second = client.open_stream({})
    client.send(second, b"abc")
    client.send(second, b"", fin=True)
    client.ping(1)
    client.go_away()
    block = struct.pack(">II", 1, 10) + b"streamtype" + struct.pack(">I", 4) + b"data"
    assert frames_of(client.take_output()) == [
        (1, stream, 1, block),
        (1, second, 0, bytes(4)),
        ("data", second, 0, b"abc"),
        ("data", second, 1, b""),
        (6, 1, 0, b""),
        (7, 0, 0, bytes(4)),
    ]


@pytest.mark.parametrize("size", [1, 999, 1 << 20])
def test_sessions_understand_each_other_in_any_pieces(size: int) -> None:
    client, server = SpdySession(client=True), SpdySession()
    first = client.open_stream({"streamType": "error", "port": "80"}, fin=True)
    second = client.open_stream({"streamType": "data", "port": "80"})
    client.send(second, b"x" * 70000)
    client.send(second, b"", fin=True)
    client.reset(first)
    client.go_away()
    data = client.take_output()
    assert client.take_output() == b""
    events = [event for at in range(0, len(data), size) for event in server.receive(data[at : at + size])]
    carried = [event.data for event in events if isinstance(event, DataReceived)]
    assert b"".join(carried) == b"x" * 70000
    assert [event for event in events if not (isinstance(event, DataReceived) and event.data)] == [
        StreamOpened(1, {"streamtype": "error", "port": "80"}, True),
        StreamOpened(3, {"streamtype": "data", "port": "80"}, False),
        DataReceived(3, b"", True),
        StreamReset(1, 5),
        SessionClosed(),
    ]
    server.reply(3, {"a": "b"})
    server.reply(1, fin=True)
    assert client.receive(server.take_output()) == []  # of a stream that it has reset, nothing is heard
    assert server.open_stream({}) == 2


def test_data_is_told_while_its_frame_still_comes() -> None:
    server = SpdySession()
    server.receive(control(1, struct.pack(">IIBB", 1, 0, 0, 0) + HeaderWriter().write({})))
    frame = struct.pack(">I", 1) + b"\x01" + (1 << 20).to_bytes(3, "big")
    assert server.receive(frame + b"abc") == [DataReceived(1, b"abc", False)]
    assert server.receive(b"d" * 1000) == [DataReceived(1, b"d" * 1000, False)]
    rest = (1 << 20) - 1003
    assert server.receive(b"e" * rest) == [DataReceived(1, b"e" * rest, True)]


def test_ended_and_reset_streams_are_sent_nothing_more() -> None:
    server, client = SpdySession(), SpdySession(client=True)
    for _ in range(3):
        client.open_stream({})
    server.receive(client.take_output())
    for stream in (1, 3):
        server.reply(stream)
    server.send(1, b"x", fin=True)
    server.reset(3)
    server.receive(control(3, struct.pack(">II", 5, 1)))
    server.take_output()
    for stream in (1, 3, 5, 7):
        server.send(stream, b"y")
        server.reply(stream)
    server.reset(3)
    assert server.take_output() == b""
    client.send(3, b"late")
    assert server.receive(client.take_output()) == []


def test_reset_is_told_once_and_only_of_known_streams() -> None:
    server, client = SpdySession(), SpdySession(client=True)
    client.open_stream({})
    server.receive(client.take_output())
    reset = control(3, struct.pack(">II", 1, 5))
    assert server.receive(reset + reset + control(3, struct.pack(">II", 99, 5))) == [StreamReset(1, 5)]


@pytest.mark.parametrize("stream", [0, 2, 3])
def test_stream_ids_of_the_wrong_side_or_gone_by_are_reset(stream: int) -> None:
    server, writer = SpdySession(), HeaderWriter()

    def opening(number: int) -> bytes:
        return control(1, struct.pack(">IIBB", number, 0, 0, 0) + writer.write({"a": "b"}))

    server.receive(opening(3))
    assert server.receive(opening(stream)) == []
    assert frames_of(server.take_output()) == [(3, stream, 0, struct.pack(">I", PROTOCOL_ERROR))]
    assert server.receive(opening(5)) == [StreamOpened(5, {"a": "b"}, False)]  # compression is still in step


def test_more_streams_than_allowed_are_refused_until_some_end() -> None:
    client, server = SpdySession(client=True), SpdySession(most_streams=2)
    for _ in range(3):
        client.open_stream({"streamType": "data"})
    assert len(server.receive(client.take_output())) == 2
    assert frames_of(server.take_output()) == [(3, 5, 0, struct.pack(">I", REFUSED_STREAM))]
    server.reset(1)
    client.open_stream({})
    assert server.receive(client.take_output()) == [StreamOpened(7, {}, False)]


def test_stream_for_one_side_alone_is_not_answered() -> None:
    server = SpdySession()
    opening = struct.pack(">IIBB", 1, 0, 0, 0) + HeaderWriter().write({})
    server.receive(control(1, opening, flags=2))
    server.reply(1)
    server.send(1, b"x")
    assert server.take_output() == b""


def test_other_sides_ping_is_echoed_and_settings_and_windows_are_read_over() -> None:
    server = SpdySession()
    ping = control(6, struct.pack(">I", 1))
    window = control(9, struct.pack(">II", 1, 4096))
    settings = control(4, struct.pack(">III", 1, 7, 65536))
    assert server.receive(window + settings + ping + control(6, struct.pack(">I", 2))) == []
    assert server.take_output() == ping


def bomb(pairs: int, value: bytes) -> bytes:
    block = struct.pack(">I", pairs) + pairs * (struct.pack(">II", 0, len(value)) + value)
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return struct.pack(">IIBB", 1, 0, 0, 0) + deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)


def test_bomb_is_refused_before_it_is_whole() -> None:
    frame, session = control(1, bomb(1, b"a" * (1 << 25))), SpdySession()
    tracemalloc.start()
    try:
        with pytest.raises(SpdyError, match="longer"):
            session.receive(frame)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (bytes.fromhex("8002000100000000"), "version 2"),
        (bytes.fromhex("8003006300000000"), "unknown control frame 99"),
        (control(1, bytes(9)), "cut short"),
        (control(1, bytes(10) + b"\xff" * 6), "cannot be read"),
        (control(1, bytes(10) + HeaderWriter().write({"a": "b"})[:-9]), "cut short"),
        (control(1, bomb(1, b"a" * (1 << 22))), f"longer than {MOST_BLOCK_BYTES}"),
        (control(1, bomb(9000, b"")), f"longer than {MOST_BLOCK_BYTES}"),
        (control(1, bomb(65, b"")), "more than 64 headers"),
        (bytes.fromhex("80030001000fffff"), "control frame of 1048575 bytes"),
    ],
)
def test_nonsense_ends_the_session(frame: bytes, says: str) -> None:
    with pytest.raises(SpdyError, match=says):
        SpdySession().receive(frame)


# What kubectl 1.20.2 sent after the answer of 101, recorded on a socket.
EXEC_OF_KUBECTL = """
80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff
800300010000001700000003000000000000c22e555c92929907000000ffff
800300010000001900000005000000000000c22ac5565c92925f5a02000000ffff
800300010000001500000007000000000000c229975a5404000000ffff
000000030000000668656c6c6f0a 0000000301000000
"""
FORWARD_OF_KUBECTL = """
800300010000003d0000000100000000000078f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45a024cc6461c0c0c0c0
590489c44c50e2663400000000ffff 0000000101000000
800300010000001800000003000000000000c2aa15540a2512d209000000ffff
000000030000000470696e67 0000000301000000
"""


def test_exec_of_an_old_kubectl_is_understood() -> None:
    session = SpdySession()
    assert session.receive(bytes.fromhex(EXEC_OF_KUBECTL)) == [
        StreamOpened(1, {"streamtype": "error"}, False),
        StreamOpened(3, {"streamtype": "stdin"}, False),
        StreamOpened(5, {"streamtype": "stdout"}, False),
        StreamOpened(7, {"streamtype": "stderr"}, False),
        DataReceived(3, b"hello\n", False),
        DataReceived(3, b"", True),
    ]


def test_port_forward_of_an_old_kubectl_is_understood() -> None:
    session = SpdySession()
    named = {"port": "80", "requestid": "0"}
    assert session.receive(bytes.fromhex(FORWARD_OF_KUBECTL)) == [
        StreamOpened(1, {"streamtype": "error", **named}, False),
        DataReceived(1, b"", True),
        StreamOpened(3, {"streamtype": "data", **named}, False),
        DataReceived(3, b"ping", False),
        DataReceived(3, b"", True),
    ]

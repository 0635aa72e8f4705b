"""The HTTP/2 connection against scripted bytes: what real etcd seldom does, it still has to survive."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable

import pytest

from apiserver.rpc.hpack import BadHeaders, call_headers, grpc_status
from apiserver.rpc.http2 import Connection, Lost, RpcError

HEADERS = call_headers("/etcdserverpb.KV/Range", "localhost", tls=False)
OK_HEADERS = b"\x20\x88\x5f\x10application/grpc"  # table size 0, :status 200, content-type
OK_TRAILERS = b"\x00\x0bgrpc-status\x010\x00\x0cgrpc-message\x00"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEAD, RESET, SETTINGS, PING, GOAWAY, WINDOW, MORE = 0, 1, 3, 4, 6, 7, 8, 9
Frame = tuple[int, int, int, bytes]


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, number) + payload


def message(content: bytes) -> bytes:
    return b"\0" + len(content).to_bytes(4, "big") + content


def answer(number: int, content: bytes) -> bytes:
    return (
        frame(HEAD, 4, number, OK_HEADERS)
        + frame(DATA, 0, number, message(content))
        + frame(HEAD, 5, number, OK_TRAILERS)
    )


class Peer(asyncio.Transport):
    """The other end: what was written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    async def frames(self) -> list[Frame]:
        """What came since the last look."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        data = bytes(self.written).removeprefix(PREFACE)
        self.written.clear()
        found = []
        while data:
            length = int.from_bytes(data[:3], "big")
            kind, flags, number = struct.unpack(">BBI", data[3:9])
            found.append((kind, flags, number, data[9 : 9 + length]))
            data = data[9 + length :]
        return found


def play(body: Callable[[Connection, Peer], Awaitable[None]]) -> None:
    async def main() -> None:
        connection, peer = Connection("etcd"), Peer()
        connection.connection_made(peer)
        connection.data_received(frame(SETTINGS, 0, 0))
        await connection.ready()
        begun = await peer.frames()
        assert [kind for kind, *_ in begun] == [SETTINGS, WINDOW, SETTINGS] and begun[-1][1] == 1
        await body(connection, peer)
        connection.close()

    asyncio.run(main())


def begin(connection: Connection, content: bytes = b"ask") -> asyncio.Task[bytes]:
    return asyncio.create_task(connection.call(HEADERS, content))


def test_call_sends_one_message_and_gives_the_answer() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        call = begin(connection)
        assert await peer.frames() == [(HEAD, 4, 1, HEADERS), (DATA, 1, 1, message(b"ask"))]
        connection.data_received(answer(1, b"told"))
        assert await call == b"told"

    play(body)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_bytes_come_in_any_pieces(step: int) -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        calls = [begin(connection) for _ in range(3)]
        await peer.frames()
        data = b"".join(answer(number, b"%d" % number * 50) for number in (5, 1, 3))
        for i in range(0, len(data), step):
            connection.data_received(data[i : i + step])
        assert await asyncio.gather(*calls) == [b"%d" % number * 50 for number in (1, 3, 5)]

    play(body)


def test_message_over_many_frames_and_many_messages_in_one() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        stream = connection.open(HEADERS, b"watch")
        await peer.frames()
        whole = b"".join(message(content) for content in (b"a" * 40_000, b"", b"b", b"c" * 20_000))
        connection.data_received(frame(HEAD, 4, 1, OK_HEADERS))
        for i in range(0, len(whole), 16_384):
            connection.data_received(frame(DATA, 0, 1, whole[i : i + 16_384]))
        assert [len(await stream.read()) for _ in range(4)] == [40_000, 0, 1, 20_000]

    play(body)


def test_padding_priorities_and_continued_headers_are_understood() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        call = begin(connection)
        await peer.frames()
        connection.data_received(
            frame(HEAD, 0x8 | 0x20, 1, b"\x02" + bytes(5) + OK_HEADERS[:3] + bytes(2))
            + frame(MORE, 0, 1, OK_HEADERS[3:9])
            + frame(MORE, 4, 1, OK_HEADERS[9:])
            + frame(DATA, 0x8, 1, b"\x03" + message(b"told") + bytes(3))
            + frame(HEAD, 5, 1, OK_TRAILERS)
        )
        assert await call == b"told"

    play(body)


def test_refusal_carries_status_and_message() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        call = begin(connection)
        await peer.frames()
        trailers = b"\x88\x00\x0bgrpc-status\x0211\x00\x0cgrpc-message\x08so%20bad"
        connection.data_received(frame(HEAD, 5, 1, trailers))
        with pytest.raises(RpcError, match="so bad") as caught:
            await call
        assert caught.value.code == 11

    play(body)


def test_windows_of_the_server_are_kept_to() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        first, second = begin(connection, b"x" * 100_000), begin(connection, b"y")
        sent = await peer.frames()
        assert sum(len(payload) for kind, _, _, payload in sent if kind == DATA) == 65_535
        assert all(len(payload) <= 16_384 for kind, _, _, payload in sent)
        connection.data_received(frame(WINDOW, 0, 0, struct.pack(">I", 1 << 20)))
        assert await peer.frames() == []  # the stream's own window is empty still
        connection.data_received(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 80_000)))
        more = await peer.frames()
        assert sum(len(payload) for kind, _, _, payload in more if kind == DATA) == 80_000 - 65_535
        connection.data_received(frame(WINDOW, 0, 1, struct.pack(">I", 50_000)))
        rest = [one for one in await peer.frames() if one[0] == DATA]
        assert [one[1:3] for one in rest] == [(0, 1), (1, 1), (1, 3)]
        connection.data_received(answer(1, b"1") + answer(3, b"2"))
        assert await asyncio.gather(first, second) == [b"1", b"2"]

    play(body)


def test_our_window_is_opened_again_before_it_closes() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        stream = connection.open(HEADERS, b"watch")
        await peer.frames()
        piece = frame(DATA, 0, 1, message(b"z" * 16_000))
        for _ in range((1 << 28) // 16_005 + 1):
            connection.data_received(piece)
            await stream.read()
        updates = [one for one in await peer.frames() if one[0] == WINDOW]
        assert [number for _, _, number, _ in updates] == [0, 1]
        assert all(struct.unpack(">I", payload)[0] >= 1 << 28 for *_, payload in updates)

    play(body)


def test_pings_and_settings_are_acknowledged_and_the_unknown_passed_over() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        connection.data_received(
            frame(PING, 0, 0, b"12345678") + frame(200, 0, 0, b"?") + frame(2, 0, 1, bytes(5))
        )
        assert await peer.frames() == [(PING, 1, 0, b"12345678")]
        connection.data_received(frame(DATA, 0, 77, b"nobody's"))
        assert not peer.closed

    play(body)


def test_canceled_call_is_told_to_the_server_and_its_answer_dropped() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        call, other = begin(connection), begin(connection)
        await peer.frames()
        call.cancel()
        assert await peer.frames() == [(RESET, 0, 1, struct.pack(">I", 8))]
        connection.data_received(answer(1, b"late") + answer(3, b"told"))
        assert await other == b"told"

    play(body)


def test_lost_connection_fails_what_is_open_and_takes_nothing_new() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        call = begin(connection)
        await peer.frames()
        connection.connection_lost(ConnectionResetError("reset"))
        with pytest.raises(Lost, match="reset") as caught:
            await call
        assert caught.value.sent
        with pytest.raises(Lost) as refused:
            await connection.call(HEADERS, b"")
        assert not refused.value.sent and not connection.usable

    play(body)


def test_goaway_lets_taken_calls_end_and_gives_back_the_others() -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        taken, unseen = begin(connection), begin(connection)
        await peer.frames()
        connection.data_received(frame(GOAWAY, 0, 0, struct.pack(">II", 1, 0) + b"bye"))
        with pytest.raises(Lost, match="bye") as caught:
            await unseen
        assert not caught.value.sent and not connection.usable and not peer.closed
        connection.data_received(answer(1, b"told"))
        assert await taken == b"told"
        assert peer.closed

    play(body)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        frame(HEAD, 5, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(HEAD, 5, 1, b"\x00\x05"),
        frame(HEAD, 5, 1, b"\xbe"),  # a dynamic table's first entry
        frame(HEAD, 0, 1, b"") + frame(PING, 0, 0, bytes(8)),
        frame(MORE, 4, 1, b""),
        frame(WINDOW, 0, 0, b"\0"),
        frame(GOAWAY, 0, 0, b""),
        frame(DATA, 0x8, 1, b""),
        frame(DATA, 0, 1, b"\x01\0\0\0\x01x"),
        frame(SETTINGS, 0, 0, b"123"),
    ],
)
def test_rubbish_closes_the_connection_and_fails_its_calls(rubbish: bytes) -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        call = begin(connection)
        await peer.frames()
        connection.data_received(rubbish)
        with pytest.raises(Lost):
            await asyncio.wait_for(call, 1)
        assert peer.closed

    play(body)


@pytest.mark.parametrize(
    "end",
    [
        frame(HEAD, 5, 1, OK_HEADERS),
        frame(HEAD, 4, 1, OK_HEADERS) + frame(DATA, 1, 1, message(b"x")),
        frame(HEAD, 5, 1, b"\x8d"),  # :status 404
        frame(RESET, 0, 1, struct.pack(">I", 2)),
    ],
)
def test_answer_without_a_good_end_is_a_failure(end: bytes) -> None:
    async def body(connection: Connection, peer: Peer) -> None:
        call = begin(connection)
        await peer.frames()
        connection.data_received(end)
        with pytest.raises(RpcError) as caught:
            await asyncio.wait_for(call, 1)
        assert caught.value.code in (2, 14)

    play(body)


def test_silent_server_is_asked_and_then_given_up() -> None:
    from machinery.clock import LoopClock
    from machinery.virtual_loop import run

    async def main(clock: LoopClock) -> None:
        connection, peer = Connection("etcd"), Peer()
        connection.connection_made(peer)
        connection.data_received(frame(SETTINGS, 0, 0))
        await clock.sleep(60)
        assert all(kind != PING for kind, *_ in await peer.frames())  # nothing is expected of it
        call = begin(connection)
        await clock.sleep(10.5)
        assert [one[0] for one in await peer.frames()][-1] == PING
        connection.data_received(frame(PING, 1, 0, bytes(8)))
        await clock.sleep(16)
        assert not peer.closed
        assert [one[0] for one in await peer.frames()] == [PING]
        await clock.sleep(5)
        with pytest.raises(Lost, match="silent"):
            await call
        assert peer.closed

    run(main)


def test_huffman_coded_message_is_read() -> None:
    # "etcdserver: mvcc: required revision has been compacted", as Go's encoder writes it
    text = "etcdserver: mvcc: required revision has been compacted"
    coded = huffman(text)
    block = b"\x88\x00\x0bgrpc-status\x0211\x00\x0cgrpc-message"
    assert grpc_status(block + bytes((0x80 | len(coded),)) + coded) == ("200", 11, text)


def huffman(text: str) -> bytes:
    """By RFC 7541's table, for the characters used here."""
    codes = {
        "a": "00011", "b": "100011", "c": "00100", "d": "100100", "e": "00101", "h": "100111", "i": "00110",
        "m": "101001", "n": "101010", "o": "00111", "p": "101011", "q": "1110110", "r": "101100", "s": "01000",
        "t": "01001", "u": "101101", "v": "1110111", " ": "010100", ":": "1011100",
    }  # fmt: skip
    bits = "".join(codes[character] for character in text)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def test_long_authority_and_more_headers_are_written_as_read() -> None:
    from apiserver.rpc.hpack import _fields

    authority = "h" * 300 + ":2379"
    block = call_headers("/a/B", authority, tls=True, more=(("hasleader", "true"),))
    assert [value for _, value in _fields(block)] == [
        "/a/B",
        authority,
        "application/grpc",
        "trailers",
        "true",
    ]


def test_status_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadHeaders):
        grpc_status(b"\x00\x0bgrpc-status\x01x")

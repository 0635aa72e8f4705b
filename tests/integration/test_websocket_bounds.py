"""What a websocket's client can cost: floods of small messages, fragments and pings, long messages, and reading nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apiserver.http.serve import Listener
from apiserver.http.served import Limits
from apiserver.http.websocket import MESSAGE_BYTES, SESSION_MESSAGE_BYTES

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
QUICK = Limits(head_s=0.4, request_s=0.4, idle_s=0.4, write_s=0.4)
Dial = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """As a client sends it, under a mask of zeros."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + len(payload).to_bytes(8, "big")
    return head + bytes(4) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    opcode, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8), "big")
    return opcode & 15, await reader.readexactly(length)


def play(app: Any, body: Callable[[Dial], Awaitable[None]], limits: Limits | None = None) -> None:
    async def main() -> None:
        listener = Listener(app, [("127.0.0.1", 0)], limits=limits)
        await listener.start()
        writers: list[asyncio.StreamWriter] = []

        async def dial(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0], limit=1 << 26)
            writers.append(writer)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            return reader, writer

        try:
            async with asyncio.timeout(20):
                await body(dial)
        finally:
            await listener.stop(0.1)
            for writer in writers:
                writer.close()
                await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    asyncio.run(main())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def test_messages_come_whole_and_in_order_however_they_are_cut() -> None:
    async def body(dial: Dial) -> None:
        reader, writer = await dial("/api/v1/namespaces/d/pods/p/exec")
        long = os.urandom(300_000)
        pieces = [frame(BINARY, long[:1], fin=False)]
        pieces += [frame(CONT, long[at : at + 1000], fin=False) for at in range(1, len(long), 1000)]
        pieces += [frame(PING, b"in between"), frame(CONT), frame(TEXT, "ü".encode()[:1], fin=False)]
        pieces += [frame(CONT, "ü".encode()[1:])]
        pieces += [frame(BINARY, b"%d" % index) for index in range(3000)]
        writer.write(b"".join(pieces))
        answers = [await read_frame(reader) for _ in range(3003)]
        assert answers[0] == (PONG, b"in between")
        assert answers[1] == (BINARY, long) and answers[2] == (TEXT, "ü".encode())
        assert answers[3:] == [(BINARY, b"%d" % index) for index in range(3000)]

    play(echo, body)


def test_client_that_leaves_at_once_is_heard_to_the_end() -> None:
    heard: list[bytes] = []
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["bytes"])
        ended.set()

    async def body(dial: Dial) -> None:
        _, writer = await dial("/exec")
        writer.write(b"".join(frame(BINARY, b"%d" % index) for index in range(3000)) + frame(CLOSE))
        writer.close()
        await ended.wait()
        assert heard == [b"%d" % index for index in range(3000)]

    play(app, body)


@pytest.mark.parametrize(
    ("path", "most"), [("/api/v1/pods", MESSAGE_BYTES), ("/pods/p/exec", SESSION_MESSAGE_BYTES)]
)
def test_message_beyond_the_bound_of_its_path_ends_the_connection(path: str, most: int) -> None:
    async def body(dial: Dial) -> None:
        reader, writer = await dial(path)
        writer.write(frame(BINARY, b"x", fin=False))
        writer.write(frame(CONT, bytes(most // 2), fin=False)[:20])  # within the bound, and to be followed
        reader, writer = await dial(path)
        writer.write(frame(BINARY, b"x", fin=False) + frame(CONT, bytes(most))[:20])
        opcode, payload = await read_frame(reader)
        assert opcode == CLOSE and int.from_bytes(payload[:2], "big") == 1009

    play(echo, body)


async def poured(writer: asyncio.StreamWriter, piece: bytes, most_bytes: int) -> int:
    """How much the server takes before it takes no more, or `most_bytes`."""
    taken = 0
    while taken < most_bytes:
        writer.write(piece)
        try:
            async with asyncio.timeout(0.3):
                await writer.drain()
        except TimeoutError:
            break
        taken += len(piece)
    return taken


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """Like a watch without events: hears what the client says, and says nothing."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


def test_fragments_of_no_length_take_no_memory() -> None:
    protocols: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        protocols.append(receive.__self__)
        await silent(scope, receive, send)

    async def body(dial: Dial) -> None:
        reader, writer = await dial("/api/v1/pods")
        writer.write(
            frame(TEXT, b"{", fin=False) + frame(CONT, fin=False) * 20_000 + frame(PING, b"still there?")
        )
        assert await read_frame(reader) == (PONG, b"still there?")
        assert len(protocols[0].frames) <= 1

    play(app, body)


def test_client_that_pings_and_reads_no_answer_is_not_heard_any_more_and_then_cut_off() -> None:
    async def body(dial: Dial) -> None:
        _, writer = await dial("/api/v1/pods")
        writer.transport.pause_reading()
        flood = (frame(PING, bytes(125)) + frame(TEXT, b"x")) * 500
        taken = await poured(writer, flood, 64 << 20)
        assert taken < 32 << 20  # what the sockets of both sides hold
        with pytest.raises(OSError):
            while True:
                writer.write(flood)
                await writer.drain()

    play(silent, body, QUICK)


def test_messages_that_nobody_asks_for_are_not_taken_apart() -> None:
    held: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.3)
        held.append(receive.__self__.queue.qsize())

    async def body(dial: Dial) -> None:
        _, writer = await dial("/pods/p/exec")
        await poured(writer, frame(BINARY) * 10_000, 60_000)
        await asyncio.sleep(0.4)
        assert 0 < held[0] <= 1000

    play(app, body)


@pytest.mark.parametrize(("path", "is_cut_off"), [("/api/v1/pods", True), ("/pods/p/exec", False)])
def test_reader_that_stands_still_is_cut_off_but_for_a_session(path: str, is_cut_off: bool) -> None:
    outcome: list[str] = []
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            async with asyncio.timeout(1.5):
                while True:
                    await send({"type": "websocket.send", "bytes": bytes(60_000)})
        except TimeoutError:
            outcome.append("still there")
        except Exception:
            outcome.append("cut off")
        ended.set()

    async def body(dial: Dial) -> None:
        _, writer = await dial(path)
        writer.transport.pause_reading()
        await ended.wait()
        assert outcome == ["cut off" if is_cut_off else "still there"]

    play(app, body, QUICK)

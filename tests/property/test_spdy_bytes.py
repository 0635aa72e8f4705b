"""SPDY from strangers: however the bytes are cut, they mean the same; however they are spoilt, they are refused or read,
in bounded memory, and what is answered is well-formed."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.http.command_streams import PROTOCOLS, CommandStreams, expected_streams
from machinery.spdy.session import DataReceived, Event, SpdyError, SpdySession, StreamOpened
from machinery.virtual_loop import run
from nodeagent.server.port_forward import serve_spdy
from runtime.cri import RuntimeFailure
from runtime.fake_streams import FakeConnection

KINDS = ("error", "stdin", "stdout", "stderr", "resize", "data", "other", "")
step = st.one_of(
    st.tuples(st.just("open"), st.sampled_from(KINDS), st.booleans()),
    st.tuples(st.just("send"), st.integers(0, 5), st.binary(max_size=300)),
    st.tuples(st.just("end"), st.integers(0, 5), st.just(b"")),
    st.tuples(st.just("reset"), st.integers(0, 5), st.just(b"")),
    st.tuples(st.just("ping"), st.integers(0, 9), st.just(b"")),
    st.tuples(st.just("away"), st.just(0), st.just(b"")),
)


def recorded(steps: Sequence[tuple[str, object, object]]) -> bytes:
    """What a client sends that does all this."""
    client, streams = SpdySession(client=True), [99]
    for verb, which, what in steps:
        stream = streams[which % len(streams)] if isinstance(which, int) else 0
        if verb == "open":
            streams.append(client.open_stream({"streamType": str(which)}, fin=bool(what)))
        elif verb == "pair":
            named = {"port": str(which), "requestID": str(len(streams))}
            streams += [client.open_stream({"streamType": kind, **named}) for kind in str(what).split()]
        elif verb in ("send", "end"):
            client.send(stream, what if isinstance(what, bytes) else b"", fin=verb == "end")
        elif verb == "reset":
            client.reset(stream)
        elif verb == "ping":
            client.ping(stream)
        else:
            client.go_away()
    return client.take_output()


def joined(events: Sequence[Event]) -> list[Event]:
    """Neighbouring pieces of one stream's data put together."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if (
            isinstance(event, DataReceived)
            and isinstance(last, DataReceived)
            and last.stream == event.stream
            and not last.fin
        ):
            found[-1] = DataReceived(event.stream, last.data + event.data, event.fin)
        else:
            found.append(event)
    return found


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def spoil(data: bytes, places: Sequence[tuple[int, int]]) -> bytes:
    spoilt = bytearray(data)
    for place, value in places:
        if spoilt:
            spoilt[place % len(spoilt)] = value
    return bytes(spoilt)


@given(st.lists(step, max_size=20), st.lists(st.integers(0, 1 << 16), max_size=40))
@settings(max_examples=150, deadline=None)
def test_bytes_mean_the_same_however_they_are_cut(steps, places):
    data = recorded(steps)
    whole, parts = SpdySession(), SpdySession()
    events = joined(whole.receive(data))
    assert joined([event for piece in cut(data, places) for event in parts.receive(piece)]) == events
    assert parts.take_output() == whole.take_output()
    opened = [event for event in events if isinstance(event, StreamOpened)]
    assert len(opened) == sum(1 for each in steps if each[0] == "open")


@given(
    st.lists(step, max_size=12),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=12),
    st.lists(st.integers(0, 1 << 16), max_size=6),
    st.sampled_from(PROTOCOLS),
)
@settings(max_examples=300, deadline=None)
def test_spoilt_bytes_are_refused_or_read_and_answered_in_form(steps, spoilt, places, protocol):
    data = spoil(recorded(steps), spoilt)
    flags = {"stdin": "true", "stdout": "true", "tty": "true"}
    made, client = CommandStreams(protocol, expected_streams(flags, protocol)), SpdySession(client=True)
    messages: list[bytes] = []
    try:
        for piece in cut(data, places):
            messages += made.from_client(piece)
    except SpdyError:
        pass
    made.from_agent(b"\x01output")
    made.from_agent(b"\x03{}")
    made.end()
    client.receive(made.take_output())
    assert all(message[:1] in (b"\x00", b"\x04", b"\xff") for message in messages)
    assert sum(map(len, messages)) <= 2 * len(data) + 2 * len(messages)


def test_frame_that_never_ends_takes_no_memory():
    session, client = SpdySession(), SpdySession(client=True)
    client.open_stream({"streamType": "stdin"})
    session.receive(client.take_output())
    session.receive(b"\x00\x00\x00\x01\x00\xff\xff\xff")  # 16 MiB of data
    piece = bytes(1 << 16)
    tracemalloc.start()
    try:
        for _ in range(128):
            session.receive(piece)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 19


forward = st.one_of(
    step,
    st.tuples(
        st.just("pair"),
        st.sampled_from(["80", "81", "0", "x", "²", ""]),
        st.sampled_from(["data", "error", "data error", "error data"]),
    ),
)


class Socket:
    """A websocket whose client says `pieces` and leaves. What it is told must be well-formed."""

    def __init__(self, pieces):
        self._pieces = list(pieces)
        self._client = SpdySession(client=True)

    async def accept(self, subprotocol):
        pass

    async def receive(self):
        await asyncio.sleep(0.1)
        return self._pieces.pop(0) if self._pieces else None

    async def send(self, data):
        self._client.receive(data)

    async def close(self, code=1000, reason=""):
        pass


@given(
    st.lists(forward, max_size=12),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6),
    st.lists(st.integers(0, 1 << 16), max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_agents_port_forward_outlives_every_client(steps, spoilt, places):
    dialled = []

    async def dial(port):
        if port != 80:
            raise RuntimeFailure("PortForwardError", "connection refused")
        dialled.append(FakeConnection(lambda data: data))
        return dialled[-1]

    async def main():
        await serve_spdy(Socket(cut(spoil(recorded(steps), spoilt), places)), dial)
        assert len(asyncio.all_tasks()) == 1
        assert all(each._closed for each in dialled)

    run(main(), limit_s=1000)

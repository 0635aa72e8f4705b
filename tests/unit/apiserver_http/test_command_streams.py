"""exec and attach over SPDY, translated: which streams are waited for, what the agent hears, what the client is told."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest

from apiserver.http.command_streams import CommandStreams, expected_streams
from apiserver.http.spdy import plan_upgrade
from machinery.errors import BadRequest
from machinery.spdy.session import DataReceived, SpdyError, SpdySession, StreamReset

V4, V3, V2, V1 = "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"
NAME = b"x-stream-protocol-version"


@pytest.mark.parametrize(
    ("flags", "protocol", "streams"),
    [
        ("stdout stderr", V4, "error stdout stderr"),
        ("stdin stdout stderr", V1, "error stdin stdout stderr"),
        ("stdin stdout stderr tty", V4, "error stdin stdout resize"),
        ("stdin stdout stderr tty", V3, "error stdin stdout resize"),
        ("stdin stdout stderr tty", V2, "error stdin stdout"),
        ("stdout tty", V1, "error stdout"),
        ("command stdout", V4, "error stdout"),
    ],
)
def test_streams_that_are_waited_for(flags: str, protocol: str, streams: str) -> None:
    asked: Mapping[str, str] = dict.fromkeys(flags.split(), "true")
    assert expected_streams(asked, protocol) == frozenset(streams.split())


class Pair:
    """A session and its client."""

    def __init__(self, protocol: str = V4, *expected: str) -> None:
        self.client = SpdySession(client=True)
        self.made = CommandStreams(protocol, frozenset(expected))

    def open(self, *kinds: str, fin: bool = False) -> list[int]:
        return [self.client.open_stream({"streamType": kind}, fin=fin) for kind in kinds]

    def push(self) -> list[bytes]:
        """What the agent hears of all that the client has done."""
        return list(self.made.from_client(self.client.take_output()))

    def heard(self) -> list[object]:
        return list(self.client.receive(self.made.take_output()))


def test_session_is_complete_with_its_last_stream_in_any_order() -> None:
    pair = Pair(V4, "error", "stdin", "stdout")
    for kind in ("stdout", "error"):
        pair.open(kind)
        pair.push()
        assert not pair.made.is_complete
    pair.open("stdin")
    pair.push()
    assert pair.made.is_complete


def test_unknown_and_repeated_streams_are_refused() -> None:
    pair = Pair()
    pair.open("stdin", "stdin", "nonsense", "")
    assert pair.push() == []
    assert pair.heard() == [StreamReset(3, 3), StreamReset(5, 3), StreamReset(7, 3)]


@pytest.mark.parametrize("how", ["fin", "fin at once", "reset"])
def test_end_of_stdin_is_told_however_it_comes(how: str) -> None:
    pair = Pair()
    (stdin,) = pair.open("stdin", fin=how == "fin at once")
    if how == "reset":
        pair.client.reset(stdin)
    elif how == "fin":
        pair.client.send(stdin, b"last", fin=True)
    assert b"".join(pair.push()) == (b"\x00last" if how == "fin" else b"") + b"\xff\x00"


def test_what_is_no_input_is_dropped() -> None:
    pair = Pair()
    for stream in pair.open("stdout", "error"):
        pair.client.send(stream, b"x", fin=True)
    assert pair.push() == []


def test_resize_stream_of_no_sizes_ends_the_session() -> None:
    pair = Pair()
    (resize,) = pair.open("resize")
    pair.client.send(resize, b"{" * 1025)
    with pytest.raises(SpdyError, match="no window's size"):
        pair.push()


def test_large_output_leaves_in_frames_of_bounded_size() -> None:
    pair = Pair()
    (out,) = pair.open("stdout")
    pair.push()
    pair.made.from_agent(b"\x01" + b"x" * 1_000_000)
    frames = pair.made.take_output()
    assert frames.count(out.to_bytes(4, "big") + b"\x00\x04\x00\x00") == 3
    assert (
        sum(len(event.data) for event in pair.client.receive(frames) if isinstance(event, DataReceived))
        == 1_000_000
    )


def test_output_that_nobody_opened_a_stream_for_and_unknown_channels_are_dropped() -> None:
    pair = Pair()
    pair.open("error")
    pair.push()
    pair.heard()
    for message in (b"", b"\x01x", b"\x02x", b"\x09x", b"\xff\x01"):
        pair.made.from_agent(message)
    assert pair.heard() == []


@pytest.mark.parametrize(
    ("protocol", "status", "told"),
    [
        (V4, b'{"status":"Success"}', b'{"status":"Success"}'),
        (V3, b'{"status":"Success"}', b""),
        (V2, b'{"status":"Failure","message":"no"}', b"no"),
        (V1, b"[]", b"[]"),
        (V1, b"not even JSON", b"not even JSON"),
    ],
)
def test_end_is_told_in_the_words_of_the_protocol(protocol: str, status: bytes, told: bytes) -> None:
    pair = Pair(protocol)
    (error,) = pair.open("error")
    pair.push()
    pair.made.from_agent(b"\x03" + status)
    pair.made.end()
    heard = [event for event in pair.heard() if isinstance(event, DataReceived)]
    assert b"".join(event.data for event in heard) == told
    assert heard[-1] == DataReceived(error, b"", True)


def test_end_without_a_word_from_the_agent_is_a_failure() -> None:
    pair = Pair()
    pair.open("error")
    pair.push()
    pair.made.end()
    data = b"".join(event.data for event in pair.heard() if isinstance(event, DataReceived))
    assert orjson.loads(data)["status"] == "Failure"


def test_first_protocol_of_the_client_that_is_spoken_is_chosen() -> None:
    lines = [
        (NAME, b"v9.channel.k8s.io"),
        (b"other", b"v4.channel.k8s.io"),
        (NAME, b"v3.channel.k8s.io, v4.channel.k8s.io"),
    ]
    assert plan_upgrade(b"spdy/3.1", lines, "exec") == V3
    assert plan_upgrade(b"SPDY/3.1", [(NAME, b"portforward.k8s.io")], "portforward") == "portforward.k8s.io"
    with pytest.raises(BadRequest, match="is required"):
        plan_upgrade(b"SPDY/3.1", [(NAME, b" , ")], "exec")

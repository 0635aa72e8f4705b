"""The server's own HTTP client: what it refuses to send, and what it makes of answers that are none."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

import pytest

from apiserver import node_http
from apiserver.aggregation.availability import _document_url, _resources, is_swagger
from apiserver.nodeconnector import NodeUnreachable

_GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def asked(
    answer: bytes, target: str = "/x", headers: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[bytes, bytes]:
    """(the answer's body, what was sent)"""
    sent: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with node_http.exchange("127.0.0.1", port, None, "GET", target, headers) as got:
            assert got.status == 200
            return await got.read(), sent[0]


def test_an_ordinary_request_is_sent_with_its_headers() -> None:
    body, sent = asyncio.run(asked(_GOOD, "/x?a=%0d%0a", [(b"X-Remote-User", "jané".encode())]))
    assert body == b"ok"
    assert sent.startswith(b"GET /x?a=%0d%0a HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nX-Remote-User: jan\xc3\xa9\r\n" in sent


@pytest.mark.parametrize("name", [b"jane\r\nX-Remote-Group: system:masters", b"a\nb", b"a\0b"])
def test_a_header_that_holds_a_line_break_is_never_sent(name: bytes) -> None:
    with pytest.raises(NodeUnreachable, match="invalid value of the header 'X-Remote-User'"):
        asyncio.run(asked(_GOOD, "/x", [(b"X-Remote-User", name)]))


@pytest.mark.parametrize("target", ["/x HTTP/1.1\r\nhost: y", "/a b", "/\u20ac"])
def test_a_target_that_is_more_than_one_word_is_never_sent(target: str) -> None:
    with pytest.raises(NodeUnreachable, match="invalid request target"):
        asyncio.run(asked(_GOOD, target))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not proper HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "an upgrade"),
        (b"", "closed before an answer"),
    ],
)
def test_an_answer_that_is_none_counts_as_none(answer: bytes, why: str) -> None:
    with pytest.raises(NodeUnreachable, match=why):
        asyncio.run(asked(answer))


def test_an_answer_that_nobody_should_hold_in_memory_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_http, "_MOST_READ_BYTES", 1)
    with pytest.raises(ConnectionError, match="longer than 1 bytes"):
        asyncio.run(asked(_GOOD))


def test_what_an_extension_tells_wrongly_of_itself_is_left_out() -> None:
    assert _resources(b'{"resources": [{"name": 3}, {"name": "nodes"}, 4, {}]}') == [{"name": "nodes"}]
    assert _resources(b'{"resources": "nodes"}') == []
    assert _document_url(b'{"paths": {"apis/g/v": {"serverRelativeURL": "/o"}}}', "apis/g/v") == "/o"
    for index in (b"[]", b'{"paths": []}', b'{"paths": {"apis/g/v": 3}}', b'{"paths": {"apis/g/v": {}}}'):
        assert _document_url(index, "apis/g/v") == ""
    assert is_swagger({"paths": {"/a": {}}})
    assert not any(map(is_swagger, ([], {"paths": ["/a"]}, {"definitions": "x"})))


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_interim_answers_are_not_taken_for_the_answer(interim: bytes) -> None:
    assert asyncio.run(asked(interim * 2 + _GOOD))[0] == b"ok"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 3_000_000, "a head longer than"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 500_000, "a head longer than"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 150_000 + _GOOD, "a head longer than"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "an upgrade"),
        (b"HTTP/1.1 042 x\r\ncontent-length: 0\r\n\r\n", "no status"),
    ],
)
def test_head_without_end_or_sense_counts_as_no_answer(answer: bytes, why: str) -> None:
    with pytest.raises(NodeUnreachable, match=why):
        asyncio.run(asked(answer))


def test_what_follows_the_answer_does_not_change_it() -> None:
    assert asyncio.run(asked(_GOOD + b"HTTP/1.1 404 x\r\ncontent-length: 3\r\n\r\nbad"))[0] == b"ok"


def test_trailers_without_end_are_cut_off() -> None:
    endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + b"x: a\r\n" * 500_000
    with pytest.raises(ConnectionError, match="a head longer than"):
        asyncio.run(asked(endless))


def test_server_that_reads_nothing_keeps_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_http, "_ANSWER_TIMEOUT_S", 0.05)
    monkeypatch.setattr(node_http, "_FAREWELL_S", 0.05)

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(
            ("127.0.0.1", 0)
        ) as listening:  # the kernel takes connections, and nobody reads
            port = listening.getsockname()[1]
            before = descriptors()
            for _ in range(3):
                with pytest.raises(NodeUnreachable, match="does not answer"):
                    async with node_http.exchange("127.0.0.1", port, None, "PUT", "/", body=bytes(16 << 20)):
                        raise AssertionError("an answer came")
            end = loop.time() + 5
            while descriptors() > before:
                assert loop.time() < end, "descriptors stay open"
                await asyncio.sleep(0.01)

    asyncio.run(scenario())

"""The server's own HTTP client: what it refuses to send, and what it makes of answers that are none."""

from __future__ import annotations

import asyncio
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

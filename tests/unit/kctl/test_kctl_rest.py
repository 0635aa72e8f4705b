"""Addresses, queries, and one clear text for every way a request can fail."""

from __future__ import annotations

import socket
import threading

import pytest

from client.kubeconfig import ClientConfig, KubeconfigError
from kctl.failure import Failure
from kctl.rest import Rest, Unreachable, encode_query, split_server
from kctl.session import explain_failure
from machinery.errors import Cause, Forbidden, Invalid, NotFound, Unauthorized


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://127.0.0.1:6443", ("https", "127.0.0.1", 6443, "")),
        ("https://example.com", ("https", "example.com", 443, "")),
        ("http://localhost/base/", ("http", "localhost", 80, "/base")),
        ("https://[::1]:6443/x", ("https", "::1", 6443, "/x")),
        ("https://user@host:1", ("https", "host", 1, "")),
    ],
)
def test_server_is_split(url: str, address: tuple[str, str, int, str]) -> None:
    assert tuple(split_server(url)) == address


@pytest.mark.parametrize("url", ["127.0.0.1:6443", "ftp://x", "https://", "https://x:y", ""])
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(Unreachable, match="is not a server's address"):
        split_server(url)


def test_query_is_quoted() -> None:
    query = [("labelSelector", "a in (b,ü)"), ("limit", "500")]
    assert encode_query(query) == "labelSelector=a%20in%20%28b%2C%C3%BC%29&limit=500"


def test_refused_connection_says_where_and_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port} refused the connection.*kctl status"):
        Rest(ClientConfig(f"http://127.0.0.1:{port}")).get("/version")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotFound('pods "web" not found'), 'Error from server (NotFound): pods "web" not found'),
        (Forbidden("no"), "Error from server (Forbidden): no"),
        (Unauthorized("Unauthorized"), "error: You must be logged in to the server (Unauthorized)"),
        (Unreachable("gone"), "error: gone"),
        (KubeconfigError("bad"), "error: bad"),
        (Failure("no"), "error: no"),
        (Invalid("x", kind="Pod", name="web", causes=[Cause("a", "Required value", "spec.x")]),
         'The Pod "web" is invalid: spec.x: Required value'),
        (Invalid("x", kind="Pod", name="web", causes=[Cause("a", "one", "a"), Cause("a", "two", "b")]),
         'The Pod "web" is invalid: \n* a: one\n* b: two'),
        (Invalid("x", kind="Pod", name="web"), 'The Pod "web" is invalid'),
    ],
)  # fmt: skip
def test_failure_is_explained_in_kubectls_words(error: Exception, text: str) -> None:
    assert explain_failure(error) == text


def test_defect_of_ours_is_not_explained_away() -> None:
    assert explain_failure(KeyError("x")) is None


def test_request_beside_an_open_stream_takes_a_connection_of_its_own() -> None:
    """A watch is being read while other things are asked."""
    watch = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n"
    answers = [watch, b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"a": "b"}']
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        rest = Rest(ClientConfig(f"http://127.0.0.1:{port}"), timeout_s=5)
        kept: list[socket.socket] = []

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.sendall(answer)
                kept.append(connection)

        server = threading.Thread(target=serve)
        server.start()
        lines = rest.lines("/watch")
        assert next(lines) == b"one\n"
        assert rest.get("/version") == {"a": "b"}
        kept[0].sendall(b"4\r\ntwo\n\r\n0\r\n\r\n")
        assert list(lines) == [b"two\n"]
        rest.close()
        server.join(5)
        for connection in kept:
            connection.close()

"""The small HTTP client against a server of raw bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from kctl.http1 import Connection, Disconnected, ProtocolError


class _Server:
    """Answers each request on one connection with the next of `answers`, then closes."""

    def __init__(self, answers: list[bytes]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._answers = answers
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(5)
        with connection:
            for answer in self._answers:
                self.requests.append(self._read(connection))
                connection.sendall(answer)

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                while len(body) < int(line.partition(b":")[2]):
                    body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._thread.join(5)
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[object]:
    servers: list[_Server] = []

    def start(*answers: bytes) -> tuple[_Server, Connection]:
        servers.append(_Server(list(answers)))
        connection = Connection("127.0.0.1", servers[-1].port, timeout_s=5)
        connections.append(connection)
        return servers[-1], connection

    connections: list[Connection] = []
    yield start
    for connection in connections:
        connection.close()
    for server in servers:
        server.close()


SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n8;x=y\r\n\ntwo\nthr\r\n2\r\nee\r\n0\r\nT: x\r\n\r\n"


def test_connection_is_used_again_after_a_whole_answer(serve) -> None:
    server, connection = serve(SIZED, CHUNKED, SIZED)
    bodies = []
    for _ in range(3):
        with connection.request("GET", "/x?y=z", [("Accept", "text/plain")]) as answer:
            bodies.append((answer.status, answer.read()))
    assert bodies == [(200, b"hello"), (200, b"one\ntwo\nthree"), (200, b"hello")]
    assert server.requests[0].startswith(b"GET /x?y=z HTTP/1.1\r\nHost: 127.0.0.1:")
    assert connection.reusable


def test_lines_come_whole_from_chunks(serve) -> None:
    _, connection = serve(CHUNKED)
    with connection.request("GET", "/", []) as answer:
        assert list(answer) == [b"one\n", b"two\n", b"three"]


def test_body_is_sent_with_its_length(serve) -> None:
    server, connection = serve(SIZED)
    with connection.request("POST", "/", [("Content-Type", "a/b")], b"abc") as answer:
        answer.read()
    assert b"Content-Length: 3" in server.requests[0]
    assert server.requests[0].endswith(b"abc")


def test_body_without_length_ends_with_the_connection(serve) -> None:
    _, connection = serve(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
    with connection.request("GET", "/", []) as answer:
        assert answer.read() == b"all of it"
    assert not connection.reusable


def test_informational_and_empty_answers_are_passed(serve) -> None:
    _, connection = serve(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", SIZED)
    with connection.request("DELETE", "/", []) as answer:
        assert (answer.status, answer.read()) == (204, b"")
    with connection.request("GET", "/", []) as answer:
        assert answer.header("x-a") == "b"


def test_answer_left_unread_closes_the_connection(serve) -> None:
    _, connection = serve(SIZED)
    with connection.request("GET", "/", []) as answer:
        assert answer.status == 200
    assert not connection.reusable


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nA: b",
    ],
)
def test_what_is_no_whole_answer_is_refused(serve, answer: bytes) -> None:
    _, connection = serve(answer)
    with pytest.raises(ProtocolError):
        connection.request("GET", "/", []).read()


def test_connection_closed_before_an_answer_says_so(serve) -> None:
    _, connection = serve(b"")
    with pytest.raises(Disconnected):
        connection.request("GET", "/", [])


def test_line_break_in_a_header_is_refused(serve) -> None:
    _, connection = serve(SIZED)
    with pytest.raises(ProtocolError):
        connection.request("GET", "/", [("A", "b\r\nEvil: x")])
    connection.request("GET", "/", []).read()

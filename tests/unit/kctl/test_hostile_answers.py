"""A server that is none, or means ill: kctl ends with a message and exit code 1, soon and in bounded memory."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kctl import http1
from kctl.__main__ import main

Pieces = Callable[[], Iterator[bytes]]


def whole(body: bytes, status: str = "200 OK", *headers: str) -> list[bytes]:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return ["\r\n".join(head).encode() + b"\r\n\r\n" + body]


def obj(**fields: Any) -> list[bytes]:
    return whole(json.dumps(fields).encode())


def table(**fields: Any) -> list[bytes]:
    return obj(kind="Table", apiVersion="meta.k8s.io/v1", **fields)


def endless(head: bytes, piece: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield piece


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWERS: dict[str, Any] = {
    "nothing": [],
    "an empty body": whole(b""),
    "no HTTP": [b"\x00\xff" * 100],
    "HTML": whole(b"<html></html>", "200 OK", "content-type: text/html"),
    "an array": whole(b"[]"),
    "a text": whole(b'"x"'),
    "null": whole(b"null"),
    "not UTF-8": whole(b'{"kind":"\xff"}'),
    "nested arrays": whole(b"[" * 200_000),
    "a redirection": whole(b"", "302 Found", "location: /"),
    "a length that is none": [b"HTTP/1.1 200 OK\r\ncontent-length: \xb2\r\n\r\n{}"],
    "a length of 5,000 digits": [b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n{}"],
    "less than its length": [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}"],
    "a chunk of negative size": [CHUNKED + b"-5\r\nabc"],
    "a chunk of vast size": [CHUNKED + b"f" * 40 + b"\r\nabc"],
    "a header without end": [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000],
    "items that are a number": obj(kind="PodList", apiVersion="v1", items=5),
    "an item that is a number": obj(kind="PodList", apiVersion="v1", items=[5]),
    "metadata that is text": obj(kind="Pod", apiVersion="v1", metadata="x"),
    "a kind that is a list": obj(kind=[], apiVersion="v1"),
    "columns that are a number": table(columnDefinitions=5, rows=[]),
    "a row without cells": table(columnDefinitions=[{"name": "A"}], rows=[{}]),
    "a Status of wrong types": whole(
        b'{"kind":"Status","code":"x","message":5,"details":[],"metadata":1}', "403 Forbidden"
    ),
    "causes of wrong types": whole(
        b'{"kind":"Status","details":{"causes":[5],"retryAfterSeconds":"x"}}', "422 X"
    ),
}


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], None]]:
    """`answering(pieces)`: from now on, that is what every request gets."""
    listener = socket.create_server(("127.0.0.1", 0))
    said: list[Any] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(5)
                    if connection.recv(65536):
                        for piece in said[0]:
                            connection.sendall(piece)
                        connection.shutdown(socket.SHUT_WR)
                except OSError:
                    continue  # the client has heard enough

    thread = threading.Thread(target=serve)
    thread.start()
    cluster = {"name": "a", "cluster": {"server": f"http://127.0.0.1:{listener.getsockname()[1]}"}}
    config = {
        "clusters": [cluster],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {}}],
        "current-context": "a",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield said.append
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("name", ANSWERS)
def test_strange_answer_ends_with_a_message(
    answering: Callable[[Any], None], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    answering(ANSWERS[name])
    for command in (["get", "pods"], ["delete", "pod", "x"], ["describe", "pod", "x"], ["logs", "x"]):
        assert main(command) == 1, command
        told = capsys.readouterr().err
        assert told and "Traceback" not in told and len(told) < 2000


def test_answer_without_end_is_given_up(
    answering: Callable[[Any], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "_MAX_BODY_BYTES", 1 << 20)
    answering(endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"))
    assert main(["get", "--raw", "/x"]) == 1
    assert "more than 1 MiB" in capsys.readouterr().err


def test_event_without_end_is_given_up(
    answering: Callable[[Any], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "_MAX_EVENT_BYTES", 1 << 20)
    answering(endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"))
    assert main(["events", "-w"]) == 1
    assert capsys.readouterr().err

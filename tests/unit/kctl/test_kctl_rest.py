"""Addresses, queries, and one clear text for every way a request can fail."""

from __future__ import annotations

import socket

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

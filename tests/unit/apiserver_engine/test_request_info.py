"""What a method, path and query ask for."""

from __future__ import annotations

import pytest

from apiserver.engine.query import parse_query
from apiserver.http import request_info
from apiserver.http.request_info import parse_request


def info(method, path, query=b""):
    found = parse_request(method, path, parse_query(query))
    return (
        found.verb,
        found.group,
        found.version,
        found.resource,
        found.subresource,
        found.namespace,
        found.name,
    )


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", b"", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=true", ("watch", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=false", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/b", b"", ("get", "", "v1", "pods", "", "a", "b")),
        ("GET", "/api/v1/namespaces/a/pods/b/log", b"", ("get", "", "v1", "pods", "log", "a", "b")),
        ("GET", "/api/v1/watch/namespaces/a/pods", b"", ("watch", "", "v1", "pods", "", "a", "")),
        ("POST", "/api/v1/namespaces/a/pods", b"", ("create", "", "v1", "pods", "", "a", "")),
        ("POST", "/api/v1/namespaces/a/pods/b/exec", b"", ("create", "", "v1", "pods", "exec", "a", "b")),
        (
            "PUT",
            "/apis/apps/v1/namespaces/a/deployments/b/scale",
            b"",
            ("update", "apps", "v1", "deployments", "scale", "a", "b"),
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/b",
            b"",
            ("patch", "apps", "v1", "deployments", "", "a", "b"),
        ),
        ("DELETE", "/api/v1/namespaces/a/pods", b"", ("deletecollection", "", "v1", "pods", "", "a", "")),
        ("DELETE", "/api/v1/namespaces/a", b"", ("delete", "", "v1", "namespaces", "", "a", "a")),
        ("GET", "/api/v1/namespaces", b"", ("list", "", "v1", "namespaces", "", "", "")),
        (
            "PUT",
            "/api/v1/namespaces/a/finalize",
            b"",
            ("update", "", "v1", "namespaces", "finalize", "a", "a"),
        ),
        ("PATCH", "/api/v1/namespaces/a/status", b"", ("patch", "", "v1", "namespaces", "status", "a", "a")),
        ("GET", "/api/v1/nodes/n/status", b"", ("get", "", "v1", "nodes", "status", "", "n")),
    ],
)
def test_resource_requests(method, path, query, expected):
    assert info(method, path, query) == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis", "/apis/apps/v1", "/healthz", "/api//", "/x/y/z"]
)
def test_everything_else_is_no_resource(path):
    found = parse_request("GET", path, parse_query(b""))
    assert not found.is_resource and found.verb == "get" and found.path == path


def test_what_follows_a_connector_is_kept():
    found = parse_request("GET", "/api/v1/namespaces/a/services/https:web:1/proxy/x/y/", parse_query(b""))
    assert (found.name, found.subresource, found.rest) == ("https:web:1", "proxy", "x/y/")


def test_a_query_keeps_every_value_in_order():
    query = parse_query(b"command=sh&command=-c&tty=0&stdin=true&empty=")
    assert query.values_of("command") == ["sh", "-c"] and query["command"] == "sh"
    assert not query.flag("tty") and query.flag("stdin") and not query.flag("absent")
    assert query["empty"] == ""


def test_what_paths_mean_is_remembered_within_bounds() -> None:
    path = "/api/v1/namespaces/a/pods"
    assert parse_request("POST", path, parse_query(b"")) is parse_request("POST", path, parse_query(b""))
    assert parse_request("GET", path, parse_query(b"watch=1")).verb == "watch"
    assert parse_request("GET", path, parse_query(b"")).verb == "list"
    for number in range(3000):
        parse_request("GET", f"/api/v1/namespaces/n{number}/pods", parse_query(b""))
        parse_request("GET", f"/api/v1/namespaces/n{number}/pods/p", parse_query(b""))
    assert len(request_info._collections) <= 1024
    request_info._collections.clear()
    parse_request("GET", "/api/v1/namespaces/" + "n" * 1000 + "/pods", parse_query(b""))
    parse_request("GET", "/somewhere", parse_query(b""))
    assert not request_info._collections

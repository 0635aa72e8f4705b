"""Paths, methods and headers that no client sends: a 4xx or a right answer, never a 5xx and never a hang."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from served import Served

PIECES = (
    "api", "apis", "v1", "apps", "namespaces", "default", "pods", "configmaps", "deployments", "x", "status", "scale", "log",
    "", ".", "..", "%00", "%2e%2e", "%2f", "%ff%fe", "%", "é", "٣", "x" * 5000, "openapi", "v2", "v3", "version", "metrics",
    "healthz", "readyz", "livez", "proxy", "x:²", "https:x:80", "x:" + "9" * 5000, "binding", "eviction", "token", "nodes",
    ".well-known", "finalize", "approval",
)  # fmt: skip
PREFIXES = ("", "/api/v1", "/apis/apps/v1", "/api/v1/namespaces/default/pods", "/openapi/v3", "/apis")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "x", "\u00b2")
ODD = (
    "",
    " ",
    ",",
    ";",
    "=",
    "x",
    "é",
    "\xff" * 50,
    "\0",
    "9" * 5000,
    "a=b;" * 5000,
    "application/json," * 5000,
)
HEADERS: dict[str, tuple[str, ...]] = {
    "accept": (
        *ODD,
        "*/*;q=nan",
        "*/*;q=1e999",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=x;v=v1;g=meta.k8s.io",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/cbor",
        "text/html",
    ),
    "content-type": (
        *ODD,
        "application/json; charset=x",
        "application/cbor",
        "text/plain",
        "multipart/form-data",
    ),
    "content-encoding": ("gzip", "x"),
    "accept-encoding": (*ODD, "gzip", "gzip;q=nan"),
    "user-agent": (*ODD, "/" * 5000),
    "audit-id": ODD,
    "impersonate-user": (*ODD, "system:serviceaccount:a:b"),
    "impersonate-group": ODD,
    "impersonate-uid": ODD,
    "impersonate-extra-%zz": ODD,
    "authorization": (*ODD, "Basic x", "Bearer x", "Bearer " + "a." * 3000),
    "if-none-match": ODD,
    "host": ODD,
    "traceparent": ODD,
}
REFUSED = (400, 401, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422)
BODIES = (None, b"", b"{}", b"x", b"[1]", b"\xff")
paths = st.builds(
    lambda prefix, pieces: "/".join([prefix, *pieces]) or "/",
    st.sampled_from(PREFIXES),
    st.lists(st.sampled_from(PIECES), max_size=6),
)


def is_endless(method: str, path: str) -> bool:
    """A watch by its old path, which goes on until its time is up."""
    return method in ("GET", "HEAD") and "/watch" in path


@settings(max_examples=300)
@given(paths, st.sampled_from(METHODS), st.sampled_from(BODIES))
def test_odd_path_is_answered_or_refused(served: Served, path: str, method: str, body: bytes | None) -> None:
    if is_endless(method, path):
        return
    got = served.send(method, path, body)
    assert got.status in (200, 201, 301, 302, *REFUSED) or (got.status == 503 and "proxy" in path), got.body[
        :500
    ]
    assert got.cpu_s < 3


@settings(max_examples=200)
@given(
    st.fixed_dictionaries({}, optional={key: st.sampled_from(each) for key, each in HEADERS.items()}),
    st.integers(0, 2**32),
)
def test_odd_headers_are_answered_or_refused(served: Served, headers: dict[str, str], seed: int) -> None:
    rng = random.Random(seed)
    maps = "/api/v1/namespaces/default/configmaps"
    method, path, body = rng.choice(
        (
            ("GET", maps, None),
            ("GET", f"{maps}/none", None),
            ("GET", "/openapi/v2", None),
            ("GET", "/apis", None),
            ("GET", "/version", None),
            ("POST", maps, {"metadata": {"generateName": "h-"}}),
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {}}),
            ("PATCH", f"{maps}/none", {}),
            ("DELETE", f"{maps}/none", {}),
        )
    )
    got = served.send(method, path, body, [("dryRun", "All")] if body is not None else (), headers=headers)
    assert got.status in (200, 201, 304, *REFUSED), (headers, got.status, got.body[:500])
    assert got.cpu_s < 3

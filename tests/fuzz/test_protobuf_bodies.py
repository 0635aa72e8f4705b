"""Protobuf bodies with bytes changed, cut out and put in: read, or refused with a 4xx, in time linear to their size."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Served

PODS = "/api/v1/namespaces/default/pods"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TYPE = "application/vnd.kubernetes.protobuf"
LIMIT = 3 * 1024 * 1024


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, raw)


META = field(1, field(1, b"p") + field(11, field(1, b"a") + field(2, b"b")))
REQUESTS = field(1, field(1, b"cpu") + field(2, field(1, b"1")))
CONTAINER = field(1, b"c") + field(2, b"image") + field(8, REQUESTS) + field(6, field(2, b"x") + b"\x18\x50")
POD = envelope("v1", "Pod", META + field(2, field(2, CONTAINER) * 2 + field(1, field(1, b"v"))))


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_changed_bytes_are_read_or_refused(served: Served, seed: int) -> None:
    rng = random.Random(seed)
    body = bytearray(POD)
    for _ in range(rng.choice((1, 1, 2, 6))):
        at = rng.randrange(len(body))
        match rng.randrange(4):
            case 0:
                body[at] = rng.randrange(256)
            case 1:
                body[at] ^= 1 << rng.randrange(8)
            case 2:
                del body[at : at + rng.randrange(1, 9)]
            case _:
                body[at:at] = rng.randbytes(rng.randrange(1, 9))
        if not body:
            break
    got = served.send("POST", PODS, bytes(body) or b"k", [("dryRun", "All")], content_type=TYPE)
    assert got.status in (201, 400, 403, 413, 422), (got.status, got.body[:500], bytes(body).hex())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (envelope("v1", "Pod", META + field(2, field(2, b"") * 300_000)), 413),
        (
            envelope(
                "v1", "Pod", field(1, b"".join(field(11, field(1, b"k%d" % i)) for i in range(150_000)))
            ),
            422,
        ),
        (b"k8s\0" + b"\0" * (LIMIT - 4), 400),
        (b"k8s\0" + b"\x08\x01" * (LIMIT // 2 - 2), 422),
        (b"k8s\0" + b"\xff" * (LIMIT - 4), 400),
        (b"\0" * LIMIT, 400),
    ],
    ids=["300,000 containers", "150,000 labels", "zeros", "tags", "ones", "no envelope"],
)
def test_large_nonsense_is_refused_soon(served: Served, body: bytes, status: int) -> None:
    got = served.send("POST", PODS, body[:LIMIT], content_type=TYPE)
    assert got.status == status, got.body[:300]
    assert got.cpu_s < 10


@pytest.mark.parametrize("number", range(1, 45))
def test_schema_in_itself_two_thousand_times_is_refused(served: Served, number: int) -> None:
    """By every field of a schema, so also by those that hold schemas."""
    nested = b""
    for _ in range(2000):
        nested = field(number, nested)
    version = field(1, b"v1") + field(4, field(1, nested))
    raw = field(1, field(1, b"things.example.com")) + field(2, field(1, b"example.com") + field(7, version))
    got = served.send(
        "POST",
        DEFINITIONS,
        envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", raw),
        content_type=TYPE,
    )
    assert got.status in (400, 422), got.body[:300]


@pytest.mark.parametrize("levels", [250, 900, 5000])
def test_json_inside_protobuf_nested_deep_is_refused(served: Served, levels: int) -> None:
    text = b'{"a":' * levels + b"1" + b"}" * levels
    body = envelope("apps/v1", "ControllerRevision", field(1, field(1, b"r")) + field(2, field(1, text)))
    path = "/apis/apps/v1/namespaces/default/controllerrevisions"
    assert served.send("POST", path, body, content_type=TYPE).status == 400

"""Protobuf bodies, from a small encoder and from kubectl itself."""

from __future__ import annotations

import http.server
import json
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machinery.codec import json_, protobuf
from machinery.codec.protobuf import ProtobufError
from machinery.schema import Schema

YEAR_1, YEAR_1000, YEAR_10000 = -62_135_596_800, -30_610_224_000, 253_402_300_800


def varint(number: int) -> bytes:
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def f(number: int, value: Any) -> bytes:
    """One field: int as varint, float as fixed64, text and bytes with their length."""
    if isinstance(value, bool | int):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def body(message: bytes, api_version: str = "v1", kind: str = "Thing") -> bytes:
    return protobuf.MAGIC + f(1, f(1, api_version) + f(2, kind)) + f(2, message) + f(3, "") + f(4, "")


def field(kind: Any, proto: int, **kw: Any) -> Schema:
    return Schema(kind, proto=proto, **kw)


INNER = Schema("object", fields={"a": field("string", 1), "n": field("integer", 2)})
THING = Schema(
    "object",
    pointers=frozenset({"replicas", "suspend", "maxSurge"}),
    fields={
        "name": field("string", 1),
        "replicas": field("integer", 2),
        "minReadySeconds": field("integer", 3),
        "paused": field("boolean", 4),
        "suspend": field("boolean", 5),
        "when": field("string", 6, format="date-time"),
        "micro": field("string", 7, format="micro-time"),
        "cpu": field("string", 8, format="quantity"),
        "maxSurge": field("string", 9, int_or_string=True),
        "targetPort": field("string", 10, format="int-or-string"),
        "raw": field("object", 11, format="raw-extension", preserve_unknown=True),
        "secret": field("map", 12, values=Schema("string", format="byte")),
        "labels": field("map", 13, values=Schema("string")),
        "ports": field("list", 14, items=Schema("integer")),
        "inners": field("list", 15, items=INNER),
        "names": field("list", 16, items=Schema("string")),
        "ratio": field("number", 17),
        "every": field("string", 18, format="duration"),
        "inner": field("object", 19, fields=INNER.fields),
        "limits": field("map", 20, values=Schema("string", format="quantity")),
        "extra": field("map", 21, values=Schema("list", items=Schema("string"))),
        "items": field("any", 22, format="schema-or-array", items=INNER),
        "more": field("any", 23, format="schema-or-bool", items=INNER),
        "deps": field("any", 24, format="schema-or-strings", items=INNER),
    },
    proto_inline={30: INNER},
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f(1, "x"), {"name": "x"}),
        (f(1, ""), {}),
        (f(2, 0), {"replicas": 0}),
        (f(3, 0), {}),
        (f(2, -5), {"replicas": -5}),
        (f(4, False) + f(5, False), {"suspend": False}),
        (f(4, True), {"paused": True}),
        (f(6, f(1, 1700000000) + f(2, 5)), {"when": "2023-11-14T22:13:20Z"}),
        (f(6, b""), {}),
        (f(7, f(1, 1700000000) + f(2, 123456789)), {"micro": "2023-11-14T22:13:20.123456Z"}),
        (f(6, f(1, YEAR_1 + 2)), {"when": "0001-01-01T00:00:02Z"}),
        (f(6, f(1, YEAR_1 + 1) + f(2, -(10**9))), {"when": "0001-01-01T00:00:01Z"}),
        (f(6, f(1, YEAR_1)), {}),
        (f(6, f(1, -1)), {"when": "1969-12-31T23:59:59Z"}),
        (f(7, f(1, YEAR_1 + 2)), {"micro": "0001-01-01T00:00:02.000000Z"}),
        (f(7, f(1, YEAR_1) + f(2, 1999)), {"micro": "0001-01-01T00:00:00.000001Z"}),
        (f(7, f(1, YEAR_1) + f(2, 999)), {}),
        (f(7, f(1, YEAR_1 + 1) + f(2, -(10**9))), {}),
        (f(7, b""), {}),
        (f(7, f(1, 0) + f(2, -1500)), {"micro": "1969-12-31T23:59:59.999999Z"}),
        (f(7, f(1, 0) + f(2, 2_000_001_000)), {"micro": "1970-01-01T00:00:02.000001Z"}),
        (f(7, f(1, YEAR_1000 - 1) + f(2, 999_999_999)), {"micro": "0999-12-31T23:59:59.999999Z"}),
        (f(8, f(1, "500m")), {"cpu": "500m"}),
        (f(9, f(1, 0) + f(2, 0) + f(3, "")), {"maxSurge": 0}),
        (f(9, f(1, 1) + f(2, 0) + f(3, "25%")), {"maxSurge": "25%"}),
        (f(10, f(1, 0) + f(2, 0) + f(3, "")), {}),
        (f(10, f(1, 0) + f(2, 80)), {"targetPort": 80}),
        (f(11, f(1, b'{"a":[1]}')), {"raw": {"a": [1]}}),
        (f(12, f(1, "k") + f(2, b"\x00\xff")), {"secret": {"k": "AP8="}}),
        (f(13, f(1, "a") + f(2, "b")) + f(13, f(1, "c")), {"labels": {"a": "b", "c": ""}}),
        (f(14, 80) + f(14, 81), {"ports": [80, 81]}),
        (f(14, varint(80) + varint(300)), {"ports": [80, 300]}),
        (f(15, f(1, "x")) + f(15, b""), {"inners": [{"a": "x"}, {}]}),
        (f(16, "a") + f(16, ""), {"names": ["a", ""]}),
        (f(17, 1.5), {"ratio": 1.5}),
        (f(18, f(1, 90_000_000_000)), {"every": "1m30s"}),
        (f(19, b""), {"inner": {}}),
        (f(20, f(1, "cpu") + f(2, f(1, "1"))), {"limits": {"cpu": "1"}}),
        (f(21, f(1, "g") + f(2, f(1, "a") + f(1, "b"))), {"extra": {"g": ["a", "b"]}}),
        (f(22, f(2, f(1, "x")) + f(2, f(1, "y"))), {"items": [{"a": "x"}, {"a": "y"}]}),
        (f(22, f(1, f(1, "x"))), {"items": {"a": "x"}}),
        (f(23, f(1, False)), {"more": False}),
        (f(23, f(1, True) + f(2, f(1, "x"))), {"more": {"a": "x"}}),
        (f(24, f(2, "p") + f(2, "q")), {"deps": ["p", "q"]}),
        (f(30, f(1, "flat")), {"a": "flat"}),
        (f(99, "unknown") + f(1, "x"), {"name": "x"}),
    ],
)
def test_message_decodes_to_its_json(message: bytes, expected: dict[str, Any]) -> None:
    assert protobuf.decode(body(message), THING) == {"apiVersion": "v1", "kind": "Thing", **expected}


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        protobuf.MAGIC + b"\xff",
        body(f(1, "x"))[:-5][:-1] + b"\x07",
        body(b"\x0a\x05x"),
        body(b"\x08\x01"),
        body(f(1, b"\xff\xfe")),
        body(b"\x03"),
        body(b"\x00\x00"),
        body(f(2, 1)[:1] + b"\xff" * 11),
        body(f(11, f(1, b"{"))),
        body(f(6, f(1, YEAR_1 - 1))),
        body(f(6, f(1, YEAR_10000))),
        body(f(7, f(1, 2**62))),
        body(f(6, f(1, 2**62))),
        protobuf.MAGIC + f(2, b"") + f(3, "gzip"),
    ],
)
def test_broken_body_is_refused(data: bytes) -> None:
    with pytest.raises(ProtobufError):
        protobuf.decode(data, THING)


def test_nesting_is_bounded() -> None:
    schema = Schema("object")
    schema.fields["x"] = Schema("object", proto=1, fields=schema.fields)
    message = b""
    for _ in range(200):
        message = f(1, message)
    with pytest.raises(ProtobufError, match="nested deeper"):
        protobuf.decode(body(message), schema)


def test_json_depth_is_bounded_and_duplicates_are_found() -> None:
    assert json_.loads(b'{"a": [1]}') == {"a": [1]}
    deep = b"[" * 300 + b"]" * 300
    with pytest.raises(json_.JsonError, match="nested deeper than 200"):
        json_.loads(deep)
    assert json_.loads(b"[" + b"[]," * 300 + b"[]]") == [[]] * 301
    with pytest.raises(json_.JsonError):
        json_.loads("{")
    text = '{"a":1,"b":[{"c":1,"c":2}],"a":{"x":1,"x":1}}'
    assert json_.duplicate_fields(text) == ["b[0].c", "a", "a.x"]
    assert json_.dumps_sorted({"b": 1, "a": 2}) == b'{"a":2,"b":1}'


# What kubectl sends


@pytest.fixture(scope="module")
def recorder() -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def answer(self, code: int, reason: str) -> None:
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": reason,
                "code": code,
            }
            data = json.dumps(status).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.answer(404, "NotFound")

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(403, "Forbidden")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
        server.shutdown()
        thread.join()


@pytest.mark.kubectl
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on the PATH")
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("namespace a", {"metadata": {"name": "a"}, "spec": {}, "status": {}}),
        ("configmap c --from-literal=a=b", {"metadata": {"name": "c"}, "data": {"a": "b"}}),
        ("secret generic s --from-literal=p=q", {"metadata": {"name": "s"}, "data": {"p": "cQ=="}}),
        ("serviceaccount sa", {"metadata": {"name": "sa"}}),
        (
            "deployment web --image=nginx --replicas=0 --port=80",
            {
                "metadata": {"name": "web", "labels": {"app": "web"}},
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": {"app": "web"}},
                    "strategy": {},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {
                            "containers": [
                                {
                                    "name": "nginx",
                                    "image": "nginx",
                                    "ports": [{"containerPort": 80}],
                                    "resources": {},
                                }
                            ]
                        },
                    },
                },
            },
        ),
        (
            "service clusterip svc --tcp=80:http",
            {
                "metadata": {"name": "svc", "labels": {"app": "svc"}},
                "spec": {
                    "ports": [{"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http"}],
                    "selector": {"app": "svc"},
                    "type": "ClusterIP",
                },
                "status": {"loadBalancer": {}},
            },
        ),
        ("token default --duration=10m", {"spec": {"expirationSeconds": 600}}),
    ],
)
def test_kubectl_create_sends_what_we_read(
    recorder: tuple[str, list[bytes]], tmp_path: Path, command: str, expected: dict[str, Any]
) -> None:
    server, bodies = recorder
    bodies.clear()
    words = ["kubectl", "--server", server, "--cache-dir", str(tmp_path), "create", *command.split()]
    if not command.startswith("token"):
        words.append("--validate=false")
    subprocess.run(words, capture_output=True, timeout=30, check=False)
    assert len(bodies) == 1
    api_version, kind, _ = protobuf.envelope(bodies[0])
    got = protobuf.decode(bodies[0], _schema(api_version, kind))
    assert (got.pop("apiVersion"), got.pop("kind")) == (api_version, kind)
    assert {key: got.get(key) for key in expected} == expected


def _schema(api_version: str, kind: str) -> Schema:
    from api.core.v1 import configmap, namespace, secret, service, serviceaccount
    from api.schema import schema_named

    modules = {
        "Namespace": namespace.__name__,
        "ConfigMap": configmap.__name__,
        "Secret": secret.__name__,
        "Service": service.__name__,
        "ServiceAccount": serviceaccount.__name__,
        "Deployment": "api.apps.v1.deployment",
        "TokenRequest": "api.authentication.v1.tokenrequest",
    }
    return schema_named(modules[kind], kind)

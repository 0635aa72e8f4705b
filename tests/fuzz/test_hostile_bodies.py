"""Bodies that cost the sender nothing and could cost the server everything: each ends soon, with the right status.

docs/fuzzing.md tells this table to people.
"""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from served import Served

MAPS = "/api/v1/namespaces/default/configmaps"
YAML, PROTOBUF = "application/yaml", "application/vnd.kubernetes.protobuf"
LIMIT = 3 * 1024 * 1024
MOST_CPU_S = 8.0  # ten times what the slowest takes alone: a busy machine is no failure, a quadratic one is


def named(**more: Any) -> bytes:
    return orjson.dumps({"metadata": {"generateName": "x-", **more.pop("metadata", {})}, **more})


def laughs() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines).encode()


JSON_BODIES: dict[str, tuple[bytes, int]] = {
    "nested arrays": (b"[" * 100_000 + b"]" * 100_000, 400),
    "nested objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "nested where text belongs": (named(data={"a": orjson.loads(b"[" * 150 + b"]" * 150)}), 400),
    "not a number": (b'{"a":NaN}', 400),
    "beyond floating point": (b'{"a":1e999}', 400),
    "a number of 5,000 digits": (b'{"metadata":{"name":"x"},"data":{"a":' + b"9" * 5000 + b"}}", 400),
    "a number of 5,000 digits beside a key that stands twice": (
        b'{"metadata":{"name":"x"},"data":{"a":"1","a":"2"},"immutable":' + b"9" * 5000 + b"}",
        400,
    ),
    "half of a surrogate pair": (b'{"metadata":{"name":"x"},"data":{"a":"\\ud800"}}', 400),
    "not UTF-8": (b'{"metadata":{"name":"x"},"data":{"a":"\xff"}}', 400),
    "gzip": (gzip.compress(b"{}" * 100), 400),
    "3 MiB and one byte": (b" " * (LIMIT + 1), 413),
    "3 MiB in one value": (named(data={"a": "x" * (LIMIT - 200)}), 422),
    "300,000 empty arrays": (b'{"a":[' + b"[]," * 300_000 + b"[]]}", 413),
    "300,000 empty objects": (b'{"a":[' + b"{}," * 300_000 + b"{}]}", 413),
    "commas in one text": (named(data={"a": "," * 400_000}), 201),
    "10,000 labels": (named(metadata={"labels": {f"k{i}": "v" for i in range(10_000)}}), 201),
    "100,000 wrong labels": (named(metadata={"labels": {f"k {i}": "v" for i in range(100_000)}}), 422),
    "100,000 keys that stand twice": (
        b'{"metadata":{"name":"x-dup"},"data":{' + b",".join([b'"a":"1"'] * 100_000) + b"}}",
        201,
    ),
    "100,000 unknown fields": (named(**{f"k{i}": 1 for i in range(100_000)}), 201),
    "an array": (b"[]", 400),
    "null": (b"null", 400),
    "metadata that is text": (b'{"metadata":"x"}', 400),
}
YAML_BODIES: dict[str, tuple[bytes, int]] = {
    "a billion laughs": (laughs(), 400),
    "aliases of a large text": (b"a: &a " + b"x" * 1000 + b"\nb: [" + b"*a," * 600_000 + b"*a]", 400),
    "an anchor in itself": (b"a: &a [*a]", 400),
    "nested brackets": (b"[" * 1_000_000, 400),
    "nested dashes": (b"- " * 100_000 + b"x", 400),
    "700,000 documents": (b"---\n" * 700_000, 400),
    "300,000 items": (b"- a\n" * 300_000, 413),
    "a number of 5,000 digits": (b"data: {a: " + b"9" * 5000 + b"}", 422),
    "prefixes without digits": (b"metadata: {name: x-radix}\ndata: {a: 0x_, b: 0b_, c: 0o_, d: -0x_}", 201),
    "not a number": (b"a: .nan", 400),
    "a tag that would run code": (b"a: !!python/object/apply:os.system id", 400),
    "half of a surrogate pair": (b'a: "\\ud800"', 400),
    "UTF-16": ("metadata: {name: x-utf16}".encode("utf-16"), 201),
}


@pytest.mark.parametrize("name", JSON_BODIES)
def test_json_that_would_cost_much_is_answered_soon(served: Served, name: str) -> None:
    body, status = JSON_BODIES[name]
    got = served.send("POST", MAPS, body)
    assert (got.status, got.json["kind"]) == (status, "Status" if status >= 400 else "ConfigMap"), got.body[
        :300
    ]
    assert got.cpu_s < MOST_CPU_S
    if status >= 400:
        assert len(got.body) < 1_000_000


@pytest.mark.parametrize("name", YAML_BODIES)
def test_yaml_that_would_cost_much_is_answered_soon(served: Served, name: str) -> None:
    body, status = YAML_BODIES[name]
    got = served.send("POST", MAPS, body, content_type=YAML)
    assert got.status == status, got.body[:300]
    assert got.cpu_s < MOST_CPU_S


def test_strict_validation_of_100_000_unknown_fields_names_a_few(served: Served) -> None:
    body, _ = JSON_BODIES["100,000 unknown fields"]
    got = served.send("POST", MAPS, body, [("fieldValidation", "Strict")])
    assert got.status == 400 and len(got.body) < 1_000_000


def test_pod_of_nothing_but_mistakes_is_told_the_first_thousand(served: Served) -> None:
    got = served.send("POST", "/api/v1/namespaces/default/pods", named(spec={"containers": [{}] * 20_000}))
    assert got.status == 422
    assert 900 < len(got.json["details"]["causes"]) <= 1000
    assert got.cpu_s < MOST_CPU_S


def test_list_of_many_megabytes_is_whole(served: Served) -> None:
    served.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "large"}})
    for number in range(24):
        body = {"metadata": {"name": f"m{number}"}, "data": {"a": "x" * 1_000_000}}
        served.ok("POST", "/api/v1/namespaces/large/configmaps", body)
    got = served.send("GET", "/api/v1/namespaces/large/configmaps")
    assert got.status == 200 and len(got.json["items"]) == 24 and len(got.body) > 24_000_000
    served.ok("DELETE", "/api/v1/namespaces/large/configmaps")

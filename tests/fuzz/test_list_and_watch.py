"""What lists and watches are asked with, in every combination of odd values: a 4xx, or an answer that ends.

A revision that the server has not reached yet is a 504 with the words that clients wait on, as upstream's.
"""

from __future__ import annotations

import base64
import random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Got, Served

MAPS = "/api/v1/namespaces/default/configmaps"
NUMBERS = (
    "",
    "0",
    "1",
    "5",
    "-1",
    "+1",
    "1_0",
    " 1",
    "1.0",
    "0x1",
    "²",
    "٣",
    "9" * 19,
    "9" * 20,
    "9" * 5000,
    "x",
    "\0",
)
FLAGS = ("", "true", "false", "1", "0", "x", "²")
VALUES: dict[str, tuple[str, ...]] = {
    "resourceVersion": NUMBERS,
    "resourceVersionMatch": ("", "Exact", "NotOlderThan", "exact", "x"),
    "limit": NUMBERS,
    "continue": ("", "x", "!!!!", "é", "eyJ2IjoxfQ", "9" * 5000),
    "sendInitialEvents": FLAGS,
    "allowWatchBookmarks": FLAGS,
    "timeoutSeconds": ("1", "-1", "01", "x", "²", "9" * 20, "9" * 5000),
    "labelSelector": (
        "",
        "a=b",
        "a in (b,c)",
        "!a",
        "a in (",
        "a>" + "9" * 5000,
        "((((",
        "a=\0",
        "é",
        "!" * 9999,
    ),
    "fieldSelector": (
        "",
        "metadata.name=x",
        "metadata.name!=x",
        "a=b",
        "=",
        "\\",
        "metadata.name=\\x",
        "a=b," * 5000,
    ),
}
queries = st.fixed_dictionaries({}, optional={key: st.sampled_from(each) for key, each in VALUES.items()})


def refused_or_late(got: Got) -> bool:
    """Whether it was refused, and if so, whether in one of the right ways."""
    if got.status == 504:
        assert "Too large resource version" in got.message
    else:
        assert got.status in (200, 400, 410, 422), (got.status, got.body[:500])
    return got.status != 200


@settings(max_examples=200)
@given(queries)
def test_list_is_answered_or_refused(served: Served, query: dict[str, str]) -> None:
    got = served.send("GET", MAPS, None, list(query.items()))
    if not refused_or_late(got):
        assert isinstance(got.json["items"], list)
    refused_or_late(served.send("DELETE", MAPS, None, [*query.items(), ("dryRun", "All")]))


@settings(max_examples=150)
@given(queries)
def test_watch_is_refused_or_ends(served: Served, query: dict[str, str]) -> None:
    asked = {"timeoutSeconds": "1", **query}
    got = served.send("GET", MAPS, None, [*asked.items(), ("watch", "true")])
    if not refused_or_late(got):
        for line in got.body.splitlines():
            assert orjson.loads(line)["type"] in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")


@pytest.fixture(scope="module")
def paged(served: Served) -> list[str]:
    """Names of a hundred objects in a namespace of their own."""
    served.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "paged"}})
    for number in range(100):
        served.ok("POST", PAGED, {"metadata": {"name": f"n{number:03d}"}})
    return [f"n{number:03d}" for number in range(100)]


PAGED = "/api/v1/namespaces/paged/configmaps"


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_pages_are_one_snapshot_while_others_write(served: Served, paged: list[str], seed: int) -> None:
    rng = random.Random(seed)
    before = [each["metadata"]["name"] for each in served.ok("GET", PAGED)["items"]]
    found, token, revisions = [], "", set()
    while True:
        query = [("limit", str(rng.randrange(1, 40)))] + ([("continue", token)] if token else [])
        page = served.ok("GET", PAGED, None, query)
        revisions.add(page["metadata"]["resourceVersion"])
        found += [each["metadata"]["name"] for each in page["items"]]
        for _ in range(rng.randrange(4)):
            name = f"n{rng.randrange(130):03d}"
            if rng.random() < 0.5:
                served.send("DELETE", f"{PAGED}/{name}")
            else:
                served.send("POST", PAGED, {"metadata": {"name": name}})
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert found == before
    assert len(revisions) == 1


@settings(max_examples=150)
@given(st.data())
def test_token_that_was_tampered_with_is_refused_or_still_a_page(
    served: Served, paged: list[str], data: Any
) -> None:
    token = served.ok("GET", PAGED, None, [("limit", "7")])["metadata"]["continue"]
    broken = bytearray(token.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.sampled_from(b"AZaz09-_+/=. "))
    cut = data.draw(st.integers(0, 20))
    text = bytes(broken[: len(broken) - cut]).decode()
    for path in (PAGED, MAPS, "/api/v1/configmaps", "/api/v1/pods"):
        refused_or_late(served.send("GET", path, None, [("continue", text), ("limit", "3")]))


TOKEN_PARTS = st.fixed_dictionaries(
    {
        "v": st.sampled_from(["meta.k8s.io/v1", "meta.k8s.io/v2", None, 1]),
        "rv": st.sampled_from([0, 1, -1, -2, 5, 2**62, 2**63, 2**64 - 1, True, 1.5, "1", None, []]),
        "start": st.sampled_from(
            ["", "x", "../..", "\0", "paged/n005", "/registry/secrets/", "é😀", "x" * 5000, 5]
        ),
    }
)


@settings(max_examples=150)
@given(TOKEN_PARTS)
def test_token_made_up_is_refused_or_stays_in_its_list(served: Served, paged: list[str], parts: Any) -> None:
    token = base64.urlsafe_b64encode(orjson.dumps(parts)).decode()
    got = served.send("GET", PAGED, None, [("continue", token)])
    if not refused_or_late(got):
        assert {each["metadata"]["namespace"] for each in got.json["items"]} <= {"paged"}

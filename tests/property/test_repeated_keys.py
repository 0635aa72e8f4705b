"""A quick count tells texts that repeat no key: it never passes one that does, however its colons are written."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import assume, example, given
from hypothesis import strategies as st

from apiserver.engine.decode import has_unique_keys, parse_json
from machinery.codec import json_

KEYS = st.sampled_from(["a", "b", "a:b", '"', '":', "\\", "é", "u003a"])
TEXTS = st.sampled_from(["", ":", '":', "x", '\\u003a":', "é", "a:b:c"])


@st.composite
def texts(draw: Any, depth: int = 2) -> str:
    """JSON as anybody may write it: keys more than once, blanks anywhere, any character escaped."""
    blank = draw(st.sampled_from(["", " ", "\n\t"]))

    def written(value: str) -> str:
        plain = json.dumps(value, ensure_ascii=draw(st.booleans()))
        mark = draw(st.sampled_from(["", "\\u003a", "\\u003A"]))
        return plain.replace(":", mark) if mark else plain

    if depth == 0:
        return written(draw(TEXTS))
    inner = [draw(texts(depth - 1)) for _ in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        return f"[{blank}{','.join(inner)}]"
    return "{" + ",".join(f"{written(draw(KEYS))}{blank}:{blank}{value}" for value in inner) + "}"


@example('{"a":1,"a":"\\u003a"}')
@example('{"a":1,"a":"\\u003A"}')
@example('{"a" :1,"a"\n:2}')
@example('{"a":":","b":"\\\\u003a"}')
@given(texts())
def test_a_text_that_counts_as_unique_repeats_no_key(text: str) -> None:
    body = text.encode()
    data = orjson.loads(body)
    repeated = json_.duplicate_fields(body)
    if has_unique_keys(body, data):
        assert repeated == []
    assert parse_json(body).duplicates == repeated


@given(texts())
def test_a_text_without_escaped_colons_and_repetition_needs_no_closer_look(text: str) -> None:
    assume("u003" not in text.lower())
    data = orjson.loads(text)
    for body in (orjson.dumps(data), json.dumps(data, indent=1).encode()):
        assert has_unique_keys(body, data)

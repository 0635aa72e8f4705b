"""What a client may ask of a pod's log."""

from __future__ import annotations

import pytest

from apiserver.engine.query import parse_query
from apiserver.http.log_options import judge_log_options
from machinery.errors import BadRequest, Invalid


@pytest.mark.parametrize(
    ("query", "field", "why"),
    [
        (b"tailLines=-1", "tailLines", "Invalid value: -1: must be greater than or equal to 0"),
        (b"limitBytes=0", "limitBytes", "Invalid value: 0: must be greater than 0"),
        (b"sinceSeconds=-3", "sinceSeconds", "Invalid value: -3: must be greater than 0"),
        (
            b"sinceSeconds=0&sinceTime=2020-01-01T00:00:00Z",
            "[]",
            "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
    ],
)
def test_log_options_without_sense_are_invalid(query: bytes, field: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        judge_log_options("p", parse_query(query))
    (cause,) = refused.value.causes
    assert (cause.field, cause.message) == (field, why)
    assert refused.value.message == f'PodLogOptions "p" is invalid: {field}: {why}'


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (b"tailLines=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        (b"limitBytes=", 'strconv.ParseInt: parsing "": invalid syntax'),
        (b"sinceTime=yesterday", 'parsing time "yesterday" as'),
    ],
)
def test_log_options_of_other_types_are_bad_requests(query: bytes, why: str) -> None:
    with pytest.raises(BadRequest) as refused:
        judge_log_options("p", parse_query(query))
    assert refused.value.message.startswith(why)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"tailLines=0&limitBytes=1&follow=true",
        b"sinceTime=2020-01-01T00:00:00Z",
        b"sinceTime=&sinceSeconds=1",
    ],
)
def test_log_options_with_sense_are_taken(query: bytes) -> None:
    judge_log_options("p", parse_query(query))

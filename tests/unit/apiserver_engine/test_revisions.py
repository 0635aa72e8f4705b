"""resourceVersion, resourceVersionMatch, limit and continue, as one table of meanings."""

from __future__ import annotations

import pytest

from apiserver.engine.query import parse_query
from apiserver.engine.revisions import ANY, decode_token, encode_token, parse_list, parse_watch
from machinery.errors import BadRequest, Invalid


def listed(query):
    options = parse_list(parse_query(query))
    return options.exact, options.at_least, options.limit


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", (0, 0, 0)),
        (b"resourceVersion=0", (0, ANY, 0)),
        (b"resourceVersion=7", (0, 7, 0)),
        (b"resourceVersion=7&limit=5", (7, 0, 5)),
        (b"resourceVersion=7&resourceVersionMatch=NotOlderThan&limit=5", (0, 7, 5)),
        (b"resourceVersion=7&resourceVersionMatch=Exact", (7, 0, 0)),
        (b"limit=500", (0, 0, 500)),
    ],
)
def test_list_options(query, expected):
    assert listed(query) == expected


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (b"resourceVersion=x", BadRequest),
        (b"limit=x", BadRequest),
        (b"resourceVersionMatch=Exact", Invalid),
        (b"resourceVersion=0&resourceVersionMatch=Exact", Invalid),
        (b"resourceVersion=1&resourceVersionMatch=Sometimes", Invalid),
        (b"continue=zzz", BadRequest),
        (b"sendInitialEvents=true", Invalid),
    ],
)
def test_contradictory_list_options_are_refused(query, error):
    with pytest.raises(error):
        parse_list(parse_query(query))


M = "resourceVersionMatch: Forbidden: "


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            b"resourceVersionMatch=Exact",
            f"{M}resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            b"resourceVersion=0&resourceVersionMatch=Exact",
            f'{M}resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            b"resourceVersion=1&resourceVersionMatch=Exact&continue=x",
            f"{M}resourceVersionMatch is forbidden when continue is provided",
        ),
        (
            b"resourceVersion=1&resourceVersionMatch=X",
            'resourceVersionMatch: Unsupported value: "X": supported values: "Exact", "NotOlderThan", ""',
        ),
        (b"sendInitialEvents=false", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        (
            b"resourceVersionMatch=X",
            f"[{M}resourceVersionMatch is forbidden unless resourceVersion is provided, "
            'resourceVersionMatch: Unsupported value: "X": supported values: "Exact", "NotOlderThan", ""]',
        ),
        (
            b"watch=1&sendInitialEvents=true",
            f"{M}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            b"watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1",
            f"{M}resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (
            b"watch=1&resourceVersionMatch=Exact&sendInitialEvents=true",
            f"[{M}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, "
            'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]',
        ),
        (
            b"watch=1&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&continue=x",
            f"{M}resourceVersionMatch is forbidden when continue is provided",
        ),
    ],
)
def test_every_contradiction_is_named_as_upstream_names_it(query, said):
    parse = parse_watch if query.startswith(b"watch") else parse_list
    with pytest.raises(Invalid) as caught:
        parse(parse_query(query))
    assert caught.value.message == f'ListOptions.meta.k8s.io "" is invalid: {said}'


def test_a_continue_token_holds_its_revision_and_place():
    token = encode_token(42, "/registry/pods/a/b")
    assert decode_token(token) == (42, "/registry/pods/a/b")
    options = parse_list(parse_query(f"continue={token}&limit=2".encode()))
    assert (options.exact, options.start_key, options.limit) == (42, "/registry/pods/a/b", 2)
    going_on = parse_list(parse_query(f"continue={encode_token(-1, 'k')}".encode()))
    assert going_on.exact == 0 and going_on.inconsistent
    with pytest.raises(BadRequest):
        parse_list(parse_query(f"continue={token}&resourceVersion=3".encode()))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"watch=1", (0, True, False)),
        (b"watch=1&resourceVersion=0", (ANY, True, False)),
        (b"watch=1&resourceVersion=9", (9, False, False)),
        (
            b"watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
            (0, True, True),
        ),
        (
            b"watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=3",
            (3, False, False),
        ),
    ],
)
def test_watch_options(query, expected):
    options = parse_watch(parse_query(query))
    assert (options.from_revision, options.initial, options.initial_end) == expected


@pytest.mark.parametrize(
    "query",
    [b"watch=1&sendInitialEvents=true", b"watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1"],
)
def test_contradictory_watch_options_are_refused(query):
    with pytest.raises(Invalid):
        parse_watch(parse_query(query))

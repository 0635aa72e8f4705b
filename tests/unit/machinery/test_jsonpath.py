"""The Kubernetes dialect of JSONPath."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.durations import format_duration, human_duration, parse_duration
from machinery.jsonpath import JSONPathError, compile, relaxed

DOC: dict[str, Any] = {
    "kind": "List",
    "items": [
        {
            "metadata": {"name": "a", "labels": {"app.io/x": "1", "t": "y"}},
            "status": {"n": 5, "ok": True, "conditions": [{"type": "Ready", "status": "True"}]},
        },
        {"metadata": {"name": "b"}, "status": {"n": 7, "ok": False, "conditions": []}},
    ],
    "users": [{"name": "myself", "user": {}}, {"name": "e2e", "user": {"username": "admin"}}],
    "empty": "",
    "end": "x",
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{.kind}", "List"),
        ("kind is {.kind}", "kind is List"),
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[5].metadata.name}", ""),
        ("{.items[0:1].metadata.name}", "a"),
        ("{.items[::2].metadata.name}", "a"),
        ("{.items[0,1].status.n}", "5 7"),
        ("{.items[*]['metadata.name', 'status.n']}", ""),
        ("{.items[0]['metadata','status']['name','n']}", "a 5"),
        ("{.items[*].metadata.labels.app\\.io/x}", "1"),
        ("{.items[*].metadata.labels['app.io/x']}", "1"),
        ('{.items[*].metadata.labels["t"]}', "y"),
        ("{..name}", "a b myself e2e"),
        ('{.users[?(@.name=="e2e")].user.username}', "admin"),
        ("{.users[?(@.name == 'e2e')].user.username}", "admin"),
        ("{.items[?(@.status.n>5)].metadata.name}", "b"),
        ("{.items[?(@.status.n<=5)].metadata.name}", "a"),
        ("{.items[?(@.status.ok==true)].metadata.name}", "a"),
        ('{.items[?(@.metadata.name!="a")].metadata.name}', "b"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "a"),
        ('{.items[?(@.metadata.labels.app\\.io/x=="1")].metadata.name}', "a"),
        ('{.items[0].status.conditions[?(@.type=="Ready")].status}', "True"),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.status.n}{"\\n"}{end}', "a\t5\nb\t7\n"),
        ("{range .items[*]}[{.metadata.name}, {$.kind}] {end}", "[a, List] [b, List] "),
        ("{range .items[*]}{range .status.conditions[*]}{.type}{end};{end}", "Ready;;"),
        ("{.items[0].metadata.labels}", '{"app.io/x":"1","t":"y"}'),
        ("{.items[0].status.ok}", "true"),
        ("{.nope}", ""),
        ("{@.kind} {$.kind}", "List List"),
        ('{"{}"}', "{}"),
        ("{.kind}{'\\''}", "List'"),
        (".kind", "List"),
        ("{.end}", "x"),
        ("{kind}", "List"),
        ("{.items[0].status.*}", '5 true [{"status":"True","type":"Ready"}]'),
        ("{ .kind }", "List"),
        ("{.items..status.n}", "5 7"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_template_renders(template: str, expected: str) -> None:
    assert compile(template).render(DOC) == expected


@pytest.mark.parametrize(
    "template", ["{.a", "{range .items[*]}", "{end}", "{.a[}", "{.a[x]}", '{"abc}', "{.a[::-1]}", "{.a&}{(}"]
)
def test_faulty_template_is_refused(template: str) -> None:
    with pytest.raises(JSONPathError):
        compile(template)


def test_values_keep_their_types() -> None:
    assert compile("{.items[*].status.n}").values(DOC) == [5, 7]
    assert compile(".items[0].status.n").first(DOC) == 5
    assert compile(".none").first(DOC, "d") == "d"
    assert compile("{.}").values({"a": 1}) == [{"a": 1}]
    assert compile("{.kind}") is compile("{.kind}")


def test_relaxed_text_becomes_a_template() -> None:
    assert relaxed("x.y") == relaxed(".x.y") == relaxed("{x.y}") == relaxed("{.x.y}") == "{.x.y}"
    with pytest.raises(JSONPathError):
        relaxed("{.x")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (28800, "8h"),
        (172800, "2d"),
        (187200, "2d4h"),
        (86400 * 8, "8d"),
        (86400 * 730, "2y"),
        (86400 * 750, "2y20d"),
        (86400 * 365 * 9, "9y"),
    ],
)
def test_age_is_shown_coarser_with_time(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds", "canonical"),
    [
        ("1h30m", 5400, "1h30m0s"),
        ("300ms", 0.3, "300ms"),
        ("0", 0, "0s"),
        ("-1.5s", -1.5, "-1.5s"),
        ("90s", 90, "1m30s"),
        ("15us", 15e-6, "15µs"),
        ("1h", 3600, "1h0m0s"),
        ("2.25s", 2.25, "2.25s"),
    ],
)
def test_go_durations_parse_and_print(text: str, seconds: float, canonical: str) -> None:
    assert parse_duration(text) == pytest.approx(seconds)
    assert format_duration(seconds) == canonical


@pytest.mark.parametrize("text", ["", "1", "1d", "s", "-", "1h x"])
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)

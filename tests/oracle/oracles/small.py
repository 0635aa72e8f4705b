"""The small languages: quantities, selectors, names, times, amounts of time, JSONPath. Values must agree; whether a text is
refused must agree; what is wrong with a name must be told in upstream's words."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from oracles.process import Answer, Ask, Request

from api import codec
from machinery import durations, jsonpath, names, quantity
from machinery.selectors.fields import parse_field_selector
from machinery.selectors.labels import label_selector_of, parse_label_selector

_SETS = [{}, {"a": "b"}, {"a": "c", "b": "5"}, {"x/y": "1", "b": "10"}, {"metadata.name": "a", "a": ""}]
_INT64 = 2**63  # beyond, and below nothing, upstream's integers wrap around
_RULES = ("dns1123_label", "dns1123_subdomain", "dns1035_label", "wildcard_subdomain", "qualified_name", "label_value",
          "c_identifier", "env_var_name", "env_var_name_strict", "config_map_key", "http_header_name", "percent", "port_name",
          "ip", "cidr")  # fmt: skip
_OBJECT: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"a.b": "c", "app": "web"}, "n": 3, "f": 1.5, "t": True, "z": None},
    "items": [{"n": 1, "s": "x", "l": [1, 2]}, {"n": 2, "s": "y"}, {"n": 10, "s": "x", "m": {"k": "v"}}],
    "empty": [],
}


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    for _ in range(5):
        yield from (
            (request, ask(request))
            for request in (
                {"fn": "quantity", "text": _quantity(rng), "other": _quantity(rng)},
                {"fn": "labels", "text": _labels(rng), "sets": _SETS},
                {"fn": "fields", "text": _fields(rng), "sets": _SETS},
                {"fn": "selector", "selector": _selector(rng), "sets": _SETS},
                {"fn": "name", "rule": rng.choice(_RULES), "text": _name(rng)},
                {"fn": rng.choice(("time", "micro")), "text": _time(rng)},
                {"fn": "duration", "text": _duration(rng)},
                {"fn": "human", "milliseconds": int(10 ** rng.uniform(0, 12)) * rng.choice((1, 1, 1, -1))},
                {"fn": "jsonpath", "text": _path(rng), "object": _OBJECT},
            )
        )


def _some(rng: random.Random, parts: tuple[str, ...], least: int, most: int) -> str:
    return "".join(rng.choice(parts) for _ in range(rng.randint(least, most)))


def _quantity(rng: random.Random) -> str:
    digits = _some(rng, ("0", "1", "2", "5", "9", "00", "1234567890"), 1, 3)
    point = rng.choice(("", "", ".", ".5", ".125", ".000000001", "." + _some(rng, ("0", "3", "7"), 1, 5)))
    suffix = rng.choice(("", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E3", "e-3",
                         "e+2", "e", "K", "mi", "i"))  # fmt: skip
    if suffix == "E":
        digits, point = digits[:2], ""  # beyond 2^63 E upstream's fast path wraps around
    return rng.choice(("", "", "", "-", "+", " ")) + rng.choice((digits, digits, "")) + point + suffix


def _labels(rng: random.Random) -> str:
    terms = []
    for _ in range(rng.randint(1, 2)):
        key = rng.choice(("a", "b", "x/y", "!a", "! b", "-a", "a b", "A.b/c", ""))
        rest = rng.choice(("", "=b", "==c", "!=b", " in (b,c)", " in (b, )", " notin (b,c)", " notin ()", ">5", "<7", ">x", "=", "=b c",
                           " in", " in b", "=~b", " = b ", " in(a,,b)", "in (b)"))  # fmt: skip
        terms.append(key + rest)
    return rng.choice((",", ",", " , ", ",,")).join(terms)


def _fields(rng: random.Random) -> str:
    terms = [
        rng.choice(("a", "metadata.name", "", "b")) + rng.choice(("=", "==", "!=", "", "=="))
        + rng.choice(("a", "b", "", r"a\,b", r"a\=b", r"a\\", "a\\", "5"))
        for _ in range(rng.randint(1, 2))
    ]  # fmt: skip
    return rng.choice((",", ",", ",,")).join(terms)


def _selector(rng: random.Random) -> Any:
    out: dict[str, Any] = {}
    if rng.random() < 0.6:
        out["matchLabels"] = {rng.choice(("a", "b", "x/y")): rng.choice(("b", "5", "")) for _ in range(2)}
    if rng.random() < 0.7:
        out["matchExpressions"] = [
            {
                "key": rng.choice(("a", "b")),
                "operator": rng.choice(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "")),
                "values": rng.choice(([], ["b"], ["b", "c"], ["5", ""])),
            }
            for _ in range(rng.randint(1, 2))
        ]
    return out


def _name(rng: random.Random) -> str:
    parts = (
        "a",
        "B",
        "-",
        ".",
        "_",
        "0",
        "/",
        "*",
        "..",
        "example.com",
        "%",
        " ",
        "é",
        "x" * 30,
        "1.2.3.4",
        "::1",
        "/24",
        "10",
        ":",
        "=",
    )
    return _some(rng, parts, 0, rng.choice((1, 2, 4, 12)))


def _time(rng: random.Random) -> Any:
    date = rng.choice(("2024-01-01", "2024-02-30", "9998-12-31", "24-1-1", "2023-02-29", "2024-02-29"))
    clock = rng.choice(
        (
            "T00:00:00",
            "T23:59:59.123456789",
            "T24:00:00",
            "t01:02:03",
            " 01:02:03",
            "T01:02",
            "T01:02:60",
            "T1:02:03",
            "T01:02:03.5",
            "T01:02:03,25",
        )
    )
    zone = rng.choice(("Z", "z", "+02:00", "-23:59", "+24:00", "", "+0200", "+00:00"))
    return rng.choice((date + clock + zone, date + clock + zone, date + clock + zone, "", None, 5))


def _duration(rng: random.Random) -> str:
    return rng.choice(("", "", "-", "+")) + "".join(
        rng.choice(("1", "0", "1.5", ".5", "90", "1.", "100", ""))
        + rng.choice(("h", "m", "s", "ms", "d", ""))
        for _ in range(rng.randint(1, 2))
    )


def _path(rng: random.Random) -> str:
    steps = ("metadata", ".name", ".items", "[*]", "[0]", "[-1]", "[0:2]", "[::2]", "[1:]", "[0,2]", "['name']", '["labels"]', "..n", ".n", ".s",
             "[?(@.n>1)]", '[?(@.s=="x")]', "[?(@.l)]", "[?(@.n!=2)]", ".labels", r".a\.b", "['a.b']", ".l[*]", ".m.k", ".missing", "[5]", ".f",
             ".t", ".z", ".empty", "[?(@.s=='x')]")  # fmt: skip
    path = "." + rng.choice(("items", "metadata", "kind")) + _some(rng, steps, 0, 3)
    return rng.choice(
        (
            f"{{{path}}}",
            f"{{{path}}}",
            f"a{{{path}}}b{{.kind}}",
            f'{{range .items[*]}}{{.n}}{{"\\n"}}{{end}}{{{path}}}',
            f"{{range {path}}}[{{@}}]{{end}}",
            f"{{range .items[*]}}{{.s}}={{{path}}},{{end}}",
            f"{{{path}",
            f"{{{path}}}}}",
            f"{{'{path}'}}",
            f"{{${path}}}",
            f"{{@{path}}}",
        )
    )


def ours(request: Request) -> Answer:
    try:
        return {"out": _ours(request)}
    except (ValueError, ArithmeticError) as error:
        return {"error": str(error)}


def _ours(request: Request) -> Any:
    text = request.get("text", "")
    match request["fn"]:
        case "quantity":
            left, right = quantity.parse(text), quantity.parse(request["other"])
            return {
                "text": str(left),
                "value": left.value() if 0 <= left.value() < _INT64 else None,
                "milli": left.milli_value() if 0 <= left.milli_value() < _INT64 else None,
                "compared": (left > right) - (left < right),
                "sum": str(left + right),
                "rest": str(left - right),
            }
        case "labels" | "fields":
            selector = parse_label_selector(text) if request["fn"] == "labels" else parse_field_selector(text)
            return {"text": str(selector), "matches": [selector.matches(held) for held in request["sets"]]}
        case "selector":
            held = label_selector_of(request["selector"])
            return {"text": str(held), "matches": [held.matches(labels) for labels in request["sets"]]}
        case "name":
            return list(getattr(names, request["rule"])(text))
        case "time" | "micro":
            if text is None:
                return None
            if not isinstance(text, str):
                raise ValueError("no text")
            return codec.read_time(text) if request["fn"] == "time" else codec.read_micro_time(text)
        case "duration":
            return durations.format_duration(durations.parse_duration(text))
        case "human":
            return durations.human_duration(request["milliseconds"] / 1000)
        case "jsonpath":
            return jsonpath.compile(text).render(request["object"])
    raise AssertionError(request["fn"])


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if "out" in theirs and "out" in mine:
        if request["fn"] == "quantity":  # what wrapped around is not compared
            wrapped = {key: None for key, value in mine["out"].items() if value is None}
            theirs = {"out": {**theirs["out"], **wrapped}}
        return "" if theirs["out"] == mine["out"] else f"theirs {theirs['out']!r}\n mine {mine['out']!r}"
    if request["fn"] == "jsonpath" and "error" in theirs:
        return (
            ""  # what is no list has no elements here, and quotes may be of both sorts: docs/compatibility.md
        )
    return "" if ("out" in theirs) == ("out" in mine) else f"theirs {theirs}\n mine {mine}"

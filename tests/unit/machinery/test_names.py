"""Names and upstream's messages about them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from machinery import names
from machinery.field_errors import duplicate, invalid_value, not_supported, too_long


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.dns1123_label, ["a", "a-b", "1", "a" * 63], ["", "-a", "A", "a.b", "a" * 64, "a\n"]),
        (names.dns1123_subdomain, ["a.b", "a", "1.2"], ["", ".a", "a..b", "a_b", "a" * 254]),
        (names.dns1035_label, ["a", "a1"], ["1a", "", "a-"]),
        (names.wildcard_subdomain, ["*.a.b"], ["a.b", "*", "*."]),
        (
            names.qualified_name,
            ["a", "A_b.c", "example.com/x"],
            ["", "/x", "x/", "a/b/c", "Ex.com/x", "a" * 64],
        ),
        (names.label_value, ["", "a", "A.b_c-1"], ["-", "a b", "a" * 64]),
        (names.port_name, ["http", "a1-b"], ["", "1", "-a", "a--b", "A", "a" * 16]),
        (names.config_map_key, ["a.b", ".a", "A_B"], ["", ".", "..", "..a", "a/b"]),
        (names.env_var_name, ["a b", "1"], ["", "a=b", "ä"]),
        (names.env_var_name_strict, ["a.b", "_A"], ["1a", "a b"]),
        (names.path_segment, ["system:x", "A"], [".", "..", "a/b", "a%"]),
        (names.ip, ["10.0.0.1", "::1"], ["10.0.0", "", "010.0.0.1"]),
        (names.cidr, ["10.0.0.0/24"], ["10.0.0.0", "x/1", "10.0.0.0/33"]),
        (names.percent, ["10%"], ["10", "%"]),
        (names.c_identifier, ["_a"], ["1", "a-b"]),
        (names.http_header_name, ["X-A"], ["X:"]),
        (names.url_path, ["x", "x/y"], ["", "x y"]),
    ],
)
def test_rule_accepts_the_good_and_refuses_the_bad(
    check: Callable[[str], Iterable[str]], good: list[str], bad: list[str]
) -> None:
    assert [value for value in good if list(check(value))] == []
    assert [value for value in bad if not list(check(value))] == []


def test_messages_are_upstreams() -> None:
    assert names.dns1123_label("A") == (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
        "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    )
    assert names.dns1123_label("a.b") == ("must not contain dots",)
    assert names.port_number(0) == ("must be between 1 and 65535, inclusive",)
    assert names.qualified_name("/x") == ("prefix part must be non-empty",)


def test_generated_name_fits_and_repeats_by_its_seed() -> None:
    name = names.generate("web-", random.Random(7))
    assert name.startswith("web-")
    assert len(name) == 9
    assert set(name[4:]) <= set(names.SUFFIX_ALPHABET)
    assert name == names.generate("web-", random.Random(7))
    assert len(names.generate("x" * 100, random.Random(1))) == 63


def test_field_errors_speak_upstreams_language() -> None:
    assert invalid_value("a", "x", "bad").message == 'Invalid value: "x": bad'
    assert invalid_value("a", 3, "bad").message == "Invalid value: 3: bad"
    assert not_supported("a", "x", ["y", "z"]).message == 'Unsupported value: "x": supported values: "y", "z"'
    assert duplicate("a", "x").message == 'Duplicate value: "x"'
    assert too_long("a", 5).message == "Too long: may not be more than 5 bytes"

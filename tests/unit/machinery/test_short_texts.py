"""What a client says is remembered only where it is short."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from api.core.v1.pod_defaults import pull_policy
from apiserver.http.negotiation import accepted, body_type
from machinery import names
from machinery.cel.texts import uncaptured
from machinery.selectors import parse_field_selector, parse_label_selector
from machinery.short_texts import LONGEST_CHARS, keeping


def test_short_text_is_worked_on_once_and_the_oldest_is_forgotten() -> None:
    asked: list[str] = []

    @keeping(2)
    def length(text: str) -> int:
        """Its doc."""
        asked.append(text)
        return len(text)

    assert [length("a"), length("a"), length("bb")] == [1, 1, 2] and asked == ["a", "bb"]
    assert (length("ccc"), length("a")) == (3, 1) and asked == ["a", "bb", "ccc", "a"]
    assert length.__doc__ == "Its doc."
    long = "x" * (LONGEST_CHARS + 1)
    assert length(long) == length(long) == LONGEST_CHARS + 1 and asked[-2:] == [long, long]


class Text(str):
    """One that can be found again: plain ones are not among the collector's objects."""

    mark: object = None


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (names.dns1123_label, "b" * 300),
        (names.dns1123_subdomain, "b" * 300),
        (names.qualified_name, "b" * 300),
        (names.label_value, "b" * 300),
        (pull_policy, "b" * 300),
        (accepted, "application/json;a=" + "b" * 300),
        (body_type, "application/json;a=" + "b" * 300),
        (uncaptured, "(b)" * 300),
        (parse_label_selector, ",".join(f"a{n}" for n in range(300))),
        (parse_field_selector, "a=" + "b" * 300),
    ],
)
def test_long_text_of_a_client_is_not_kept(function: Callable[[str], object], text: str) -> None:
    said = Text(text)
    said.mark = [said]  # a circle, so that only the collector lets it go
    function(said)
    del said
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Text]

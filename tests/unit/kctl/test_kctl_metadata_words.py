"""KEY=VALUE and KEY- among the words of label and annotate."""

from __future__ import annotations

import pytest

from kctl.failure import Failure
from kctl.verbs.metadata_words import split_words


@pytest.mark.parametrize(
    ("args", "names", "changes"),
    [
        (["pod", "web", "a=b"], ["pod", "web"], {"a": "b"}),
        (["pod/web", "a=b=c", "d-"], ["pod/web"], {"a": "b=c", "d": None}),
        (["pod", "web-0", "tier-"], ["pod", "web-0"], {"tier": None}),
        (["pod/web", "a="], ["pod/web"], {"a": ""}),
    ],
)
def test_changes_are_parted_from_names(
    args: list[str], names: list[str], changes: dict[str, str | None]
) -> None:
    assert split_words(args, from_files=False) == (names, changes)


def test_with_files_every_word_is_a_change() -> None:
    assert split_words(["a-"], from_files=True) == ([], {"a": None})


@pytest.mark.parametrize("args", [["pod", "a=b", "web"], ["pod/web", "a=b", "a-"]])
def test_contradiction_is_refused(args: list[str]) -> None:
    with pytest.raises(Failure):
        split_words(args, from_files=False)

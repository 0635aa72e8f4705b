"""Functions of a text whose results are kept, where the text is what a client says: its name, a selector, a header.

`lru_cache` bounds how many are kept, not how large they are: a thousand selectors of 128 KiB took gigabytes. What is asked again
and again is short, so only that is kept. A longer text costs its work each time. What is raised is never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

LONGEST_CHARS = 256  # a DNS subdomain has at most 253


def keeping(most: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """A decorator; `most` results are kept, which all who ask share."""

    def decorate(function: Callable[[str], T]) -> Callable[[str], T]:
        known = lru_cache(maxsize=most)(function)

        @wraps(function)
        def ask(text: str) -> T:
            return known(text) if len(text) <= LONGEST_CHARS else function(text)

        return ask

    return decorate

"""Regular expressions that users write into their schemas: RE2's, as in Kubernetes, linear in what they search.

Python's own expressions would let a schema's author stop the server for ever with a pattern such as `(a+)+$`.
Patterns and what is kept for them are bounded in size.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

_MAX_BYTES = 2 << 20  # of one compiled pattern and its automaton


class PatternError(ValueError):
    """The text is no regular expression, or compiles to more than we keep."""


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> Any:
    import re2  # here: only custom resources need it, and a start is faster without

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_BYTES
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        said = error.args[0] if error.args else ""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise PatternError(f"error parsing regexp: {_in_go_words(text)}") from error


# The same engine tells its errors a little differently in each language; the left one is what this one says.
_WORDS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "unexpected )": "unexpected )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}


def _in_go_words(text: str) -> str:
    said, _, what = text.partition(": ")
    return f"{_WORDS.get(said, said)}: `{what}`" if what else said


def check(pattern: str) -> None:
    """Raises PatternError."""
    _compiled(pattern)


def finds(pattern: str, text: str) -> bool:
    """Does any part of the text match? Raises PatternError."""
    return _compiled(pattern).search(text) is not None

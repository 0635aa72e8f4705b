"""Whether a value is one of a schema's choices (enum), at the price of one look however many there are.

Equal as JSON: 1 is 1.0, and True is not 1. The choices of a schema are never changed; what is found them by is remembered
for some hundreds of schemas.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

_FEW = 16
_REMEMBERED = 256


class _Choices(NamedTuple):
    enum: list[Any]  # lives as long as this does, and its identity with it
    scalars: frozenset[tuple[bool, Any]]
    others: list[Any]


_changing = threading.Lock()  # large objects are judged on a thread of their own
_known: dict[int, _Choices] = {}


def is_among(value: Any, enum: list[Any]) -> bool:
    if len(enum) <= _FEW:
        return any(_same(value, each) for each in enum)
    choices = _known.get(id(enum)) or _remember(enum)
    if isinstance(value, (dict, list)):
        return any(_same(value, each) for each in choices.others)
    return (isinstance(value, bool), value) in choices.scalars


def _remember(enum: list[Any]) -> _Choices:
    nested = [each for each in enum if isinstance(each, (dict, list))]
    plain = frozenset((isinstance(each, bool), each) for each in enum if not isinstance(each, (dict, list)))
    made = _Choices(enum, plain, nested)
    with _changing:
        if len(_known) >= _REMEMBERED:
            del _known[next(iter(_known))]
        _known[id(enum)] = made
    return made


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)

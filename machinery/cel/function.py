"""A function that expressions may call. Kubernetes' libraries are tables of these.

Types are words: bool int double string bytes list map dyn. What CEL has no type for (a quantity, an address) is a
map with one marker key, whose name starts with `$`: functions tell them apart by it, and equality holds because the
value under it is canonical. Parameters are never `dyn`: the engine would find no overload at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Function(NamedTuple):
    """`name` is `isURL` or `format.named`; `member` functions are called on their first parameter.

    `call` gets plain values and gives one; what it raises becomes the expression's error.
    """

    name: str
    parameters: Sequence[str]
    result: str
    call: Callable[..., Any]
    member: bool = False


class WrongType(ValueError):
    """A marked value of another type than the function takes."""

    def __init__(self) -> None:
        super().__init__("no such overload")


def marked(value: Any, mark: str) -> Any:
    """What is under the mark. Raises WrongType."""
    if not isinstance(value, dict) or mark not in value:
        raise WrongType
    return value[mark]

"""Values that nobody changes and of which every request makes several.

To the type checker, `@value` is a frozen dataclass with slots. At run time it is not frozen: a frozen one sets each field
through `object.__setattr__`, which makes an object of eight fields three times as dear.
Equality and hash are those of a frozen dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    return dataclass(slots=True, unsafe_hash=True)(cls)

"""Collects the field errors of one object, in the words clients of Kubernetes know and match on.

An `Errors` is handed down through the validators; paths are plain strings (`spec.containers[0].name`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from machinery import field_errors
from machinery.errors import MAX_CAUSES, Cause, Invalid

MAX_TOLD_CHARS = 4 * 1024 * 1024  # of all messages: some repeat the value, or a long list of choices
IMMUTABLE = "field is immutable"


class EnoughErrors(Invalid):
    """Ends the judgement of an object that has nothing but mistakes: telling all would cost far more than its bytes."""


def judged(validate: Callable[..., Iterable[Cause]], *objects: Any) -> list[Cause]:
    """What a validation finds, or as much of it as anybody is told."""
    try:
        return list(validate(*objects))
    except EnoughErrors as enough:
        return list(enough.causes)


class Errors:
    """The causes found so far, in the order they were found."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self._told_chars = 0

    def __iter__(self) -> Iterator[Cause]:
        return iter(self.causes)

    def __bool__(self) -> bool:
        return bool(self.causes)

    def _add(self, cause: Cause) -> None:
        self.causes.append(cause)
        self._told_chars += len(cause.message)
        if len(self.causes) > MAX_CAUSES or self._told_chars > MAX_TOLD_CHARS:
            raise EnoughErrors("more fields are invalid than are told", causes=self.causes)

    def required(self, path: str, detail: str = "") -> None:
        self._add(field_errors.required(path, detail))

    def invalid(self, path: str, value: Any, detail: str) -> None:
        self._add(field_errors.invalid_value(path, value, detail))

    def invalid_each(self, path: str, value: Any, details: Iterable[str]) -> None:
        """One error per message, as the rules of `machinery.names` return them."""
        for detail in details:
            self.invalid(path, value, detail)

    def type_invalid(self, path: str, value: Any, detail: str) -> None:
        self._add(field_errors.type_invalid(path, value, detail))

    def not_supported(self, path: str, value: Any, supported: Iterable[str]) -> None:
        self._add(field_errors.not_supported(path, value, supported))

    def duplicate(self, path: str, value: Any, detail: str = "") -> None:
        self._add(_explained(field_errors.duplicate(path, value), detail))

    def forbidden(self, path: str, detail: str) -> None:
        self._add(field_errors.forbidden(path, detail))

    def not_found(self, path: str, value: Any, detail: str = "") -> None:
        self._add(_explained(field_errors.not_found_value(path, value), detail))

    def too_long(self, path: str, limit_bytes: int) -> None:
        self._add(field_errors.too_long(path, limit_bytes))

    def too_many(self, path: str, actual: int, limit: int) -> None:
        self._add(field_errors.too_many(path, actual, limit))

    def one_of(self, path: str, value: Any, supported: Iterable[str], *, required: bool = False) -> None:
        """`value` must be among `supported`; absent (None or "") is an error only if `required`."""
        if value in (None, ""):
            if required:
                self.required(path)
        elif value not in (choices := tuple(supported)):
            self.not_supported(path, value, choices)

    def immutable(self, path: str, new: Any, old: Any) -> None:
        if new != old:
            self.invalid(path, new, IMMUTABLE)

    def non_negative(self, path: str, value: int | None) -> None:
        if value is not None and value < 0:
            self.invalid(path, value, "must be greater than or equal to 0")

    def positive(self, path: str, value: int | None) -> None:
        if value is not None and value <= 0:
            self.invalid(path, value, "must be greater than 0")


def _explained(cause: Cause, detail: str) -> Cause:
    return Cause(cause.reason, f"{cause.message}: {detail}", cause.field) if detail else cause

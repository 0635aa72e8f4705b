"""`-o custom-columns=NAME:.metadata.name,...` and `-o custom-columns-file=FILE`: a column for each JSONPath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TextIO

from kctl.flags import UsageError
from kctl.printers.table import TablePrinter
from machinery.jsonpath import JSONPath, JSONPathError
from machinery.jsonpath import compile as compile_path

Obj = dict[str, Any]


class Column(NamedTuple):
    header: str
    path: JSONPath

    def cell(self, obj: Obj) -> str:
        return ",".join(go_text(value) for value in self.path.values(obj)) or "<none>"


def parse_columns(text: str) -> list[Column]:
    """From `HEADER:PATH,...`. Raises UsageError."""
    if not text:
        raise UsageError("custom-columns format specified but no custom columns given")
    columns = []
    for part in text.split(","):
        header, colon, path = part.partition(":")
        if not colon or not header or not path:
            raise UsageError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append(Column(header, relaxed_path(path)))
    return columns


def columns_of_file(text: str) -> str:
    """Headers in the first line, paths below them in the second, as `HEADER:PATH,...`. Raises UsageError."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise UsageError(
            "a custom-columns file has two lines: the headers, and as many paths, parted by spaces"
        )
    return ",".join(f"{header}:{path}" for header, path in zip(*lines, strict=True))


def relaxed_path(text: str) -> JSONPath:
    """`metadata.name`, `.metadata.name` and `{.metadata.name}` mean the same. Raises UsageError."""
    inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    if "{" in inner and not inner.startswith(("[", ".", "?")):
        raise UsageError(f"unexpected path string {text!r}, expected one such as .metadata.name")
    if not inner.startswith((".", "[", "$", "@")):
        inner = "." + inner
    try:
        return compile_path("{" + inner + "}")
    except JSONPathError as error:
        raise UsageError(f"{text}: {error}") from error


def print_custom_columns(out: TextIO, text: str, objects: Sequence[Obj], *, headers: bool) -> None:
    columns = parse_columns(text)
    rows = [[column.cell(obj) for column in columns] for obj in objects]
    TablePrinter(out, headers=headers).print([column.header for column in columns], rows)


def go_text(value: Any) -> str:
    """A value as Go prints it, which is what scripts have come to read."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(item) for item in value) + "]"
    return str(value)

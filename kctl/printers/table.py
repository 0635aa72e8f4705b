"""Columns of text as kubectl aligns them; in colour where a person looks on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

_GAP = 3
_LEAST = 3  # kubectl's columns are at least six wide with the gap
_COLOURS = {
    "Running": "32", "Ready": "32", "Active": "32", "Bound": "32", "Completed": "2", "Succeeded": "32",
    "Pending": "33", "ContainerCreating": "33", "Terminating": "33", "NotReady": "31", "Failed": "31",
    "Error": "31", "CrashLoopBackOff": "31", "ImagePullBackOff": "31", "ErrImagePull": "31",
    "OOMKilled": "31", "Warning": "33", "Unknown": "33", "True": "32", "False": "31",
}  # fmt: skip


class TablePrinter:
    """Prints rows below a header. `widths` grow with what was printed, so that a watch stays aligned."""

    def __init__(self, out: TextIO, *, headers: bool = True) -> None:
        self._out = out
        self._headers = headers
        self._header: tuple[str, ...] = ()
        self._widths: list[int] = []
        self._colour = out.isatty()

    def print(self, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A header equal to the last one is not repeated."""
        cells = [[_text(cell) for cell in row] for row in rows]
        new = tuple(header) != self._header
        if new:
            self._header = tuple(header)
            self._widths = [_LEAST] * len(header)
        shown = [list(header), *cells] if new and self._headers else cells
        for row in shown:
            for index, cell in enumerate(row):
                self._widths[index] = max(self._widths[index], len(cell))
        for number, row in enumerate(shown):
            self._write(row, is_header=new and self._headers and number == 0)

    def _write(self, row: Sequence[str], *, is_header: bool) -> None:
        pieces = []
        for index, cell in enumerate(row):
            padding = "" if index == len(row) - 1 else " " * (self._widths[index] - len(cell) + _GAP)
            pieces.append(self._paint(cell, is_header) + padding)
        self._out.write("".join(pieces) + "\n")

    def _paint(self, cell: str, is_header: bool) -> str:
        if not self._colour:
            return cell
        code = "1" if is_header else _COLOURS.get(cell, "")
        return f"\033[{code}m{cell}\033[0m" if code else cell


def _text(cell: Any) -> str:
    if cell is None:
        return "<none>"
    if cell is True or cell is False:
        return str(cell).lower()
    return str(cell).replace("\n", "\\n")

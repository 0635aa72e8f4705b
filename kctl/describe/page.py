"""Text in elastic columns: what every description is written on.

A line's cells are parted by tabs. Cells of one column are made equally wide over neighbouring lines that have
that column; the last cell of a line belongs to no column. `flush()` ends all columns.

Source: Go's text/tabwriter with kubectl's settings (padding 2).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

_PADDING = 2


class Page:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines: list[list[str]] = []

    def line(self, level: int, text: str = "") -> None:
        """Indented by two spaces a level. A text of several lines is several lines."""
        for each in text.split("\n"):
            self._lines.append(("  " * level + each).split("\t"))

    def raw(self, text: str) -> None:
        """As it is, tabs and all, after what was written before."""
        self.flush()
        self._out.write(text)

    def unaligned(self) -> str:
        """What was written since the last flush, its tabs as they are."""
        text = "".join("\t".join(line) + "\n" for line in self._lines)
        self._lines = []
        return text

    def flush(self) -> None:
        for line in layout(self._lines):
            self._out.write(line + "\n")
        self._lines = []


def layout(lines: list[list[str]]) -> list[str]:
    """The lines with their cells padded."""
    widths: list[list[int]] = [[] for _ in lines]
    _measure(lines, widths, 0, len(lines))
    return [
        "".join(cell.ljust(width) for cell, width in zip(line, own, strict=False)) + line[-1]
        for line, own in zip(lines, widths, strict=True)
    ]


def _measure(lines: list[list[str]], widths: list[list[int]], start: int, end: int) -> None:
    """Each run of neighbouring lines that have the next column gives it one width; then the column after it."""
    if start == end:
        return
    column = len(widths[start])
    at = start
    while at < end:
        if len(lines[at]) - 1 <= column:
            at += 1
            continue
        first = at
        while at < end and len(lines[at]) - 1 > column:
            at += 1
        width = max(len(lines[index][column]) for index in range(first, at)) + _PADDING
        for index in range(first, at):
            widths[index].append(width)
        _measure(lines, widths, first, at)


def time_text(timestamp: str | None) -> str:
    """`Mon, 02 Jan 2006 15:04:05 +0000`, in this machine's time zone."""
    if not timestamp:
        return "<unset>"
    from machinery.clock import parse_rfc3339

    moment = datetime.fromtimestamp(parse_rfc3339(timestamp), UTC).astimezone()
    return moment.strftime(f"%a, %d %b {moment.year:04} %H:%M:%S %z")

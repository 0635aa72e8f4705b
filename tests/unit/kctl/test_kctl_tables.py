"""Columns of text: kubectl's gaps, plain when piped, coloured for people."""

from __future__ import annotations

import io

from kctl.ages import age
from kctl.printers.table import TablePrinter


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_three_apart_and_the_last_is_not_padded() -> None:
    out = io.StringIO()
    TablePrinter(out).print(("NAME", "READY"), [("web", "1/1"), ("longer-name", "0/1")])
    assert out.getvalue() == "NAME          READY\nweb           1/1\nlonger-name   0/1\n"


def test_narrow_column_is_six_wide() -> None:
    out = io.StringIO()
    TablePrinter(out).print(("A", "B"), [("x", "y")])
    assert out.getvalue() == "A     B\nx     y\n"


def test_second_print_keeps_the_widths_and_repeats_no_header() -> None:
    out = io.StringIO()
    printer = TablePrinter(out)
    printer.print(("NAME", "AGE"), [("a-long-name", "1s")])
    printer.print(("NAME", "AGE"), [("b", "2s")])
    assert out.getvalue().splitlines() == ["NAME          AGE", "a-long-name   1s", "b             2s"]


def test_cells_are_written_as_kubectl_writes_them() -> None:
    out = io.StringIO()
    TablePrinter(out, headers=False).print(("A", "B", "C"), [(None, True, "x\ny")])
    assert out.getvalue() == "<none>   true   x\\ny\n"


def test_states_are_coloured_only_for_a_terminal() -> None:
    terminal, pipe = _Terminal(), io.StringIO()
    for out in (terminal, pipe):
        TablePrinter(out).print(("STATUS",), [("Running",), ("CrashLoopBackOff",)])
    assert "\033[32mRunning\033[0m" in terminal.getvalue()
    assert "\033" not in pipe.getvalue()


def test_age_is_counted_from_now() -> None:
    assert age("2026-01-01T00:00:00Z", 1767225600 + 90) == "90s"
    assert age(None) == "<unknown>"

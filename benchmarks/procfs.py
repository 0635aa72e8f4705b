"""Memory and processor time of processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


def pss_bytes(pid: int) -> int:
    """Proportional set size: shared pages are divided among those that share them. 0 for one that is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return 0


def rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def cpu_s(pid: int) -> float:
    """User and system time of all its threads so far. 0 for one that is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * _TICK_S if fields else 0.0


def cpu_with_ended_children_s(pid: int) -> float:
    """As cpu_s, with that of the children that it has waited for."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) * _TICK_S if fields else 0.0


def running_s(pid: int) -> float:
    """As cpu_s, to the nanosecond, but without threads that have ended: for processes that hardly do anything."""
    total = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total / 1e9


def _stat(pid: int) -> list[str]:
    """The fields from the state on (field 3 of proc(5) is index 0)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def processes() -> dict[int, int]:
    """Every process's parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            found[int(entry.name)] = int(fields[1])
    return found


def tree(roots: Iterable[int]) -> list[int]:
    """The roots and all their descendants."""
    parents = processes()
    found = {root for root in roots if root in parents}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return sorted(found)


def naming(text: str) -> list[int]:
    """Processes that have `text` in an argument."""
    mark = os.fsencode(text)
    found = []
    for pid in processes():
        try:
            if pid != os.getpid() and mark in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "?"

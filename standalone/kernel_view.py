"""What of a cluster is in the kernel, read straight from it: taken before and after, the two must be equal.

Independent of how clusters clean up after themselves: it walks everything the kernel shows and keeps what bears
one of the cluster's marks (its name, its short id, its data directory). Other clusters on the machine do not count.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KernelView:
    """Each a sorted tuple of names, so that two views can be compared and told apart."""

    processes: tuple[str, ...]
    mounts: tuple[str, ...]
    network_namespaces: tuple[str, ...]
    links: tuple[str, ...]
    cgroups: tuple[str, ...]
    firewall_tables: tuple[str, ...]

    def added_since(self, before: KernelView) -> list[str]:
        """What is here and was not, in words."""
        found = []
        for each in fields(self):
            gone = set(getattr(before, each.name))
            what = each.name.replace("_", " ").removesuffix("s")
            found += [f"{what} {name}" for name in getattr(self, each.name) if name not in gone]
        return found


def look(marks: Sequence[str]) -> KernelView:
    """Everything whose name holds one of `marks`; processes also by command line, environment and cgroup."""

    def marked(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(name for name in names if any(mark in name for mark in marks)))

    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return KernelView(
        processes=_processes(marks),
        mounts=marked(mounts),
        network_namespaces=marked(os.listdir("/run/netns") if os.path.isdir("/run/netns") else ()),
        links=marked(os.listdir("/sys/class/net")),
        cgroups=marked(_cgroups()),
        firewall_tables=marked(_tables()),
    )


def _processes(marks: Sequence[str]) -> tuple[str, ...]:
    """pid and name; this process and its parents do not count."""
    found, sought = [], [mark.encode() for mark in marks]
    skipped = _ancestors()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in skipped:
            continue
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            text += (entry / "cgroup").read_bytes()
            if any(mark in text for mark in sought):
                found.append(f"{entry.name} ({(entry / 'comm').read_text().strip()})")
        except OSError:
            continue
    return tuple(sorted(found))


def _ancestors() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 1:
        pids.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pids


def _cgroups() -> list[str]:
    found = []
    for where, names, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(where, name) for name in names]
    return found


def _tables() -> list[str]:
    try:
        answer = subprocess.run(
            ["nft", "list", "tables"], capture_output=True, text=True, check=False, timeout=10
        )
    except FileNotFoundError:
        return []
    return answer.stdout.splitlines()

"""What a cluster may leave in the kernel, read straight from it: taken before and after, the two must be equal.

Independent of how clusters clean up after themselves: it knows no names but looks at everything.
"""

from __future__ import annotations

import os
import subprocess
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


def look(mark: str) -> KernelView:
    """`mark` picks the processes that count: those with it on their command line or in their environment."""
    return KernelView(
        processes=_processes(mark),
        mounts=_sorted(line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()),
        network_namespaces=_sorted(os.listdir("/run/netns") if os.path.isdir("/run/netns") else ()),
        links=_sorted(os.listdir("/sys/class/net")),
        cgroups=_cgroups(),
        firewall_tables=_tables(),
    )


def _sorted(names: object) -> tuple[str, ...]:
    return tuple(sorted(names))  # type: ignore[call-overload]


def _processes(mark: str) -> tuple[str, ...]:
    """pid and name; this process and its parents do not count."""
    found, sought = [], mark.encode()
    skipped = _ancestors()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in skipped:
            continue
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            text += (entry / "cgroup").read_bytes()
            if sought in text:
                found.append(f"{entry.name} ({(entry / 'comm').read_text().strip()})")
        except OSError:
            continue
    return _sorted(found)


def _ancestors() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 1:
        pids.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pids


def _cgroups() -> tuple[str, ...]:
    found = []
    for where, names, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(where, name) for name in names]
    return _sorted(found)


def _tables() -> tuple[str, ...]:
    try:
        answer = subprocess.run(
            ["nft", "list", "tables"], capture_output=True, text=True, check=False, timeout=10
        )
    except FileNotFoundError:
        return ()
    return _sorted(answer.stdout.splitlines())

"""What the host offers: which controller is mounted where.

In comes the text of /proc/self/mountinfo (and of cgroup.controllers); out comes a `Layout`. A controller
that sits on a v1 hierarchy is used there, else on the v2 tree; a hybrid host has both. Only the
controllers a container needs are looked at; hugetlb alone is no reason to use a v2 tree beside v1.
"""

from __future__ import annotations

import os

CONTROLLERS = ("cpu", "cpuacct", "memory", "pids", "cpuset")
OPTIONAL = ("hugetlb",)


class Layout:
    """`v1`: controller → mount point. `v2`: the unified tree's mount point where its controllers are used."""

    __slots__ = ("v1", "v2", "v2_controllers")

    def __init__(self, v1: dict[str, str], v2: str = "", v2_controllers: tuple[str, ...] = ()) -> None:
        self.v1 = v1
        self.v2 = v2
        self.v2_controllers = v2_controllers

    @property
    def mode(self) -> str:
        """`v2` where every controller is there, `v1` where none is, else `hybrid`."""
        if not self.v1:
            return "v2"
        return "hybrid" if self.v2 else "v1"

    def has(self, controller: str) -> bool:
        return controller in self.v1 or controller in self.v2_controllers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.v1.items())), self.v2))

    def __repr__(self) -> str:
        return f"Layout({self.to_dict()})"

    def to_dict(self) -> dict[str, object]:
        return {"v1": self.v1, "v2": self.v2, "v2_controllers": list(self.v2_controllers)}


def plan_layout(mountinfo: str, v2_controllers: str) -> Layout:
    """`v2_controllers` is what the unified tree's cgroup.controllers holds, "" without such a tree."""
    v1: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if not separator or len(fields) < 5 or len(tail) < 3:
            continue
        if tail[0] == "cgroup2":
            v2 = v2 or fields[4]
        elif tail[0] == "cgroup":
            for option in tail[2].split(","):
                if option in CONTROLLERS + OPTIONAL:
                    v1.setdefault(option, fields[4])
    free = [c for c in v2_controllers.split() if c not in v1]
    usable = tuple(c for c in CONTROLLERS if c in free)
    if not v1 or usable:
        return Layout(v1, v2, usable + tuple(c for c in OPTIONAL if c in free))
    return Layout(v1)


def detect() -> Layout:
    """This host's layout."""
    with open("/proc/self/mountinfo") as file:
        mountinfo = file.read()
    controllers = ""
    for line in mountinfo.splitlines():
        if " - cgroup2 " in line:
            try:
                with open(os.path.join(line.split()[4], "cgroup.controllers")) as file:
                    controllers = file.read()
            except OSError:
                continue
            break
    return plan_layout(mountinfo, controllers)

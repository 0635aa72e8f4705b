"""Making, filling, killing and removing groups. Effects only; what to write is decided by plan.py.

A group is a path below each hierarchy's mount point, as `/kctl/node-1/burstable/podUID/CONTAINER`.
Every removal works without its creation, and twice. Used by the spawner, so imports are few.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterable, Sequence

from runtime.cgroups.layout import Layout

_OPTIONAL = ("memory.memsw.limit_in_bytes", "memory.swap.max", "memory.oom.group")


class CgroupTree:
    """`roots` are the mount points of a layout; tests give it a temporary one."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def directories(self, group: str, controllers: Iterable[str] = ()) -> dict[str, str]:
        """controller → directory; the v2 tree is under the key "". Empty `controllers` means every one."""
        chosen = set(controllers) or set(self.layout.v1)
        found = {c: root + group for c, root in self.layout.v1.items() if c in chosen}
        if self.layout.v2:
            found[""] = self.layout.v2 + group
        return found

    def create(self, group: str, controllers: Sequence[str] = ()) -> None:
        """Idempotent; parents too. On v2 the parents pass their controllers on."""
        for controller, directory in self.directories(group, controllers).items():
            if controller == "":
                self._create_v2(group)
                continue
            try:
                os.mkdir(directory, 0o755)
            except FileExistsError:
                continue
            except FileNotFoundError:
                os.makedirs(directory, 0o755, exist_ok=True)
            if controller == "cpuset":
                self._fill_cpuset(self.layout.v1["cpuset"], group)

    def write(self, group: str, writes: Iterable[Sequence[str]]) -> list[str]:
        """(controller, file, value) each. A failure is tried again after the rest (limits depend on each
        other); returns warnings about files this kernel lacks, raises OSError for the others."""
        again: list[Sequence[str]] = []
        warnings: list[str] = []
        for attempt in (list(writes), again):
            is_last = attempt is again
            for entry in list(attempt):
                controller, name, value = entry
                root = self.layout.v1.get(controller) or self.layout.v2
                path = f"{root}{group}/{name}"
                try:
                    _put(path, value)
                except OSError as refused:
                    if name in _OPTIONAL and refused.errno == errno.ENOENT:
                        continue
                    if not is_last:
                        again.append(entry)
                        continue
                    raise OSError(
                        refused.errno, f"write {value} to {path}: {os.strerror(refused.errno or 0)}"
                    ) from refused
        return warnings

    def open_procs(self, group: str, controllers: Sequence[str]) -> list[int]:
        """Handles into which a process writes "0" to join; for v1 hierarchies."""
        return [
            os.open(f"{self.layout.v1[c]}{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            for c in controllers
        ]

    def open_v2(self, group: str) -> int:
        """The directory's handle for CLONE_INTO_CGROUP, -1 where v2 is not in use."""
        if not self.layout.v2:
            return -1
        return os.open(self.layout.v2 + group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def processes(self, group: str) -> set[int]:
        """Pids in the group itself, as this process sees them; 0 (another pid namespace) left out."""
        found: set[int] = set()
        for directory in self.directories(group).values():
            with contextlib.suppress(OSError), open(f"{directory}/cgroup.procs") as file:
                found.update(int(line) for line in file)
        found.discard(0)
        return found

    def kill(self, group: str) -> int:
        """SIGKILL to whatever is left in the group; how many that were."""
        if self.layout.v2:
            with contextlib.suppress(OSError):
                _put(f"{self.layout.v2}{group}/cgroup.kill", "1")
        left = self.processes(group)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(left)

    def remove(self, group: str) -> bool:
        """True when nothing of it is left; False while something still lives in it."""
        gone = True
        for directory in self.directories(group).values():
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        return gone

    def remove_tree(self, group: str) -> bool:
        """The group with all groups below it."""
        for directory in self.directories(group).values():
            for path, _, _ in os.walk(directory, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        return not any(os.path.isdir(d) for d in self.directories(group).values())

    def _create_v2(self, group: str) -> None:
        path = self.layout.v2
        wanted = " ".join(f"+{c}" for c in self.layout.v2_controllers)
        for part in group.strip("/").split("/"):
            if wanted:
                self._delegate(path, wanted)
            path = f"{path}/{part}"
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o755)

    def _delegate(self, path: str, wanted: str) -> None:
        try:
            _put(f"{path}/cgroup.subtree_control", wanted)
        except OSError:  # one refused controller refuses all: pass on those that can be
            for word in wanted.split():
                with contextlib.suppress(OSError):
                    _put(f"{path}/cgroup.subtree_control", word)

    def _fill_cpuset(self, root: str, group: str) -> None:
        """A v1 cpuset starts empty and takes nobody in: copy the parent's, from the top down."""
        above = root
        for part in group.strip("/").split("/"):
            here = f"{above}/{part}"
            for name in ("cpuset.cpus", "cpuset.mems"):
                with open(f"{here}/{name}") as file:
                    if file.read().strip():
                        continue
                with open(f"{above}/{name}") as file:
                    _put(f"{here}/{name}", file.read().strip())
            above = here


def _put(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)

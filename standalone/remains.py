"""What a node leaves in the kernel, how to remove it, and how to show that nothing is left.

Found by name, never by memory: processes by the node's state directory on their command line or their
cgroup, mounts by their place under the data directory, cgroups under the cluster's own root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from standalone import topology
from standalone.config import ClusterConfig, NodeConfig
from standalone.layout import Layout

_MNT_DETACH = 2
_CGROUPS = Path("/sys/fs/cgroup")


class Remains(list[str]):
    """What is left, in words; empty when all is gone."""


def cgroup_root(config: ClusterConfig) -> str:
    """The cluster's own cgroup below every hierarchy's root."""
    return f"/{config.host_name}"


def node_cgroup_root(config: ClusterConfig, node: NodeConfig) -> str:
    return f"{cgroup_root(config)}/{node.name}"


def purge_node(layout: Layout, config: ClusterConfig, node: NodeConfig) -> None:
    """Ends every process of the node and removes its mounts and cgroups. Succeeds when there is nothing."""
    _kill_all(layout, config, node)
    _unmount_below(layout.node(node.name))
    _remove_cgroups(node_cgroup_root(config, node))


def find_remains(layout: Layout, config: ClusterConfig) -> Remains:
    found = Remains(topology.leftovers(config))
    for node in config.nodes:
        found += [f"process {pid} of {node.name}" for pid in _processes(layout, config, node)]
    found += [f"mount {target}" for target in _mounts_below(layout.root)]
    found += [f"cgroup {path}" for path in _cgroup_directories(cgroup_root(config))]
    return found


def _kill_all(layout: Layout, config: ClusterConfig, node: NodeConfig) -> None:
    deadline = time.monotonic() + 10
    while pids := list(_processes(layout, config, node)):
        if time.monotonic() > deadline:
            return  # find_remains names them
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap_children()
        time.sleep(0.005)


def _reap_children() -> None:
    """Nothing here is our child unless we are a container's init: then orphans come to us."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _processes(layout: Layout, config: ClusterConfig, node: NodeConfig) -> Iterator[int]:
    """Spawners (they name the node's directory) and everything in the node's cgroups."""
    mark = os.fsencode(layout.node(node.name))
    cgroup = node_cgroup_root(config, node)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            if not command:  # a zombie or a kernel thread: nothing to kill
                continue
            if any(
                line.rpartition(":")[2].startswith(cgroup + "/") for line in _lines(entry / "cgroup")
            ) or any(_names(word, mark) for word in command.split(b"\0")):
                yield int(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def _names(word: bytes, directory: bytes) -> bool:
    """Whether an argument is the directory, something below it, or a flag with either."""
    value = word.partition(b"=")[2] if word.startswith(b"--") else word
    return value == directory or value.startswith(directory + b"/")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _mounts_below(directory: Path) -> list[str]:
    """The deepest first."""
    prefix = str(directory.resolve()) + "/"
    targets = [line.split()[1].replace("\\040", " ") for line in _lines(Path("/proc/self/mounts"))]
    return sorted((t for t in targets if t.startswith(prefix)), key=len, reverse=True)


def _unmount_below(directory: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for target in _mounts_below(directory):
        libc.umount2(os.fsencode(target), _MNT_DETACH)


def _cgroup_directories(root: str) -> list[Path]:
    """Every cgroup of that root in every mounted hierarchy, the deepest first."""
    bases = (
        [_CGROUPS, *(path for path in sorted(_CGROUPS.iterdir()) if path.is_dir())]
        if _CGROUPS.exists()
        else []
    )
    found: list[Path] = []
    for base in bases:
        top = base / root.lstrip("/")
        if (top / "cgroup.procs").exists():
            found += [Path(where) for where, _, _ in os.walk(top, topdown=False)]
    return found


def _remove_cgroups(root: str) -> None:
    """A killed process leaves its cgroup only some moments after it has ceased to be seen."""
    deadline = time.monotonic() + 5
    while left := _cgroup_directories(root):
        for path in left:
            with contextlib.suppress(OSError):
                path.rmdir()
        if time.monotonic() > deadline:
            return  # find_remains names them
        if _cgroup_directories(root):
            time.sleep(0.005)
    for path in _cgroup_directories(root.rpartition("/")[0]):
        with contextlib.suppress(OSError):
            path.rmdir()

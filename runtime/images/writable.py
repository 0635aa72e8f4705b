"""Containers' writable layers: `NODE_ROOT/CONTAINER/{upper,work}`, one directory per container.

They belong to one node's agent, while the read-only layers below are shared. A lease file in the shared
store says which layers a container stands on, so that no other process's clean-up takes them away; a lease
whose container directory is gone counts for nothing. A removed layer is only renamed into `NODE_ROOT/.trash`; `empty_trash` gives its
space back, later. Blocking, but short (`empty_trash` excepted).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.cri import Rootfs, RuntimeFailure
from runtime.images import atomic
from runtime.images.fsinfo import tree_bytes

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")


@dataclass(frozen=True, slots=True)
class Lease:
    container_id: str
    image_id: str
    chain_ids: Sequence[str]  # the lowest layer first
    directory: str


class WritableLayers:
    def __init__(self, store_root: Path, node_root: Path) -> None:
        self._root = node_root
        self._trash = node_root / ".trash"  # no container's id
        self._leases = store_root / "leases"
        self._node = hashlib.sha256(os.fspath(node_root).encode()).hexdigest()[:12]

    def create(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._trash.mkdir(exist_ok=True, mode=0o700)
        self._leases.mkdir(parents=True, exist_ok=True, mode=0o700)

    def find(self, container_id: str) -> Lease | None:
        lease = _read(self._lease(container_id))
        return lease if lease and (self._root / container_id / "upper").is_dir() else None

    def prepare(
        self, container_id: str, image_id: str, chain_ids: Sequence[str], lower: Sequence[Path]
    ) -> Rootfs:
        """Makes the directories, or finds them. `lower`: the topmost first. Raises OSError (full disk)."""
        directory = self._directory(container_id)
        lease = Lease(container_id, image_id, tuple(chain_ids), str(directory))
        upper, work = directory / "upper", directory / "work"
        directory.mkdir(mode=0o700, exist_ok=True)
        try:
            document = {
                "id": container_id,
                "image": image_id,
                "chainIDs": list(chain_ids),
                "directory": str(directory),
            }
            atomic.write_unsynced(self._lease(container_id), json.dumps(document).encode())
            with contextlib.suppress(FileExistsError):
                upper.mkdir(mode=0o755)
                self._like_lower(upper, lower)
            work.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            self.remove(container_id)
            raise
        return rootfs(lease, lower)

    def remove(self, container_id: str) -> None:
        directory = self._directory(container_id)
        with contextlib.suppress(FileNotFoundError):
            os.rename(directory, self._trash / f"{container_id}.{time.monotonic_ns()}")
        self._lease(container_id).unlink(missing_ok=True)

    def empty_trash(self) -> None:
        """Slow for a large layer. What cannot be removed waits for the next time."""
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._trash)):
                shutil.rmtree(self._trash / name, ignore_errors=True)

    def usage_bytes(self, container_id: str) -> int:
        return tree_bytes(self._directory(container_id) / "upper")

    def _like_lower(self, upper: Path, lower: Sequence[Path]) -> None:
        """The container's / has the mode and owner of the writable layer's top directory."""
        found = os.stat(lower[0]) if lower else None
        upper.chmod(stat.S_IMODE(found.st_mode) if found else 0o755)
        if found and os.geteuid() == 0 and (found.st_uid, found.st_gid) != (0, 0):
            os.chown(upper, found.st_uid, found.st_gid)

    def _directory(self, container_id: str) -> Path:
        if not _ID.fullmatch(container_id):
            raise RuntimeFailure("CreateContainerError", f"{container_id!r} cannot be a container's id")
        return self._root / container_id

    def _lease(self, container_id: str) -> Path:
        return self._leases / f"{self._node}.{container_id}.json"


def rootfs(lease: Lease, lower: Sequence[Path]) -> Rootfs:
    return Rootfs(tuple(map(str, lower)), f"{lease.directory}/upper", f"{lease.directory}/work")


def in_use(store_root: Path) -> tuple[set[str], set[str]]:
    """Image ids and chain ids that the containers of all nodes stand on; drops leases whose container is
    gone. Store locked."""
    images: set[str] = set()
    chains: set[str] = set()
    atomic.remove_halves(store_root / "leases")
    for path in sorted((store_root / "leases").glob("*.json")):
        lease = _read(path)
        if lease is None or not os.path.isdir(lease.directory):
            path.unlink(missing_ok=True)
        else:
            images.add(lease.image_id)
            chains.update(lease.chain_ids)
    return images, chains


def _read(path: Path) -> Lease | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        raw = json.loads(path.read_bytes())
        return Lease(raw["id"], raw["image"], tuple(raw["chainIDs"]), raw["directory"])
    return None

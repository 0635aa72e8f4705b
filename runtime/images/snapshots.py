"""Unpacked layers, one directory per chain id, shared by every image and node that needs it.

A layer is there when `layers/NAME.json` is: the directory is filled under another name, its diff id
compared, the file system synced, the directory renamed, and the JSON written last. Whatever a crash left
halfway is removed by the next one to want that layer. Directory names are short, because all of a
container's layers must fit into one page of mount options. Blocking; runs on worker threads.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from runtime.cri import ImageFailure
from runtime.images import atomic, locks
from runtime.images.failures import failing, pull_failure
from runtime.images.unpack import Limits, unpack_layer


@dataclass(frozen=True, slots=True)
class Layer:
    chain_id: str
    diff_id: str
    parent: str  # chain id of the layer below, "" for the lowest
    size_bytes: int
    entries: int


class Layers:
    def __init__(self, root: Path, limits: Limits) -> None:
        self._directory = root / "layers"
        self._trash = root / "trash"
        self._limits = limits

    def create(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._trash.mkdir(exist_ok=True, mode=0o700)

    def path(self, chain_id: str) -> Path:
        return self._directory / layer_name(chain_id)

    def find(self, chain_id: str) -> Layer | None:
        try:
            layer = Layer(**json.loads(self._record(chain_id).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return layer if layer.chain_id == chain_id and self.path(chain_id).is_dir() else None

    def list(self) -> list[Layer]:
        found = []
        for path in sorted(self._directory.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(Layer(**json.loads(path.read_bytes())))
        return found

    def ensure(
        self,
        chain_id: str,
        diff_id: str,
        below: Sequence[str],
        open_blob: Callable[[], IO[bytes]],
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Layer:
        """Unpacks the layer where it is not there yet. `below`: chain ids, the topmost first, all present."""
        if (layer := self.find(chain_id)) is not None:
            return layer
        target = self.path(chain_id)
        with failing(f"unpacking layer {diff_id}", self._directory), locks.locked(self._lock(chain_id)):
            if (layer := self.find(chain_id)) is not None:
                return layer
            self._discard(target)
            staging = target.with_name(f"{target.name}.tmp")
            self._discard(staging)
            try:
                return self._unpack(staging, target, chain_id, diff_id, below, open_blob, is_stopped)
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                raise

    def remove(self, chain_ids: Sequence[str]) -> None:
        """Takes the layers out of use at once; `empty_trash` gives their space back. Store locked."""
        for chain_id in chain_ids:
            name = layer_name(chain_id)
            self._record(chain_id).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._directory / name, self._trash / f"{name}.{os.getpid()}")

    def clean(self) -> None:
        """Removes halves that crashes left, and lock files. Store locked, so nobody unpacks."""
        known = {layer_name(layer.chain_id) for layer in self.list()}
        for path in sorted(self._directory.iterdir()):
            if path.name.removesuffix(".json") in known:
                continue
            if path.is_dir() and not path.is_symlink():
                os.rename(path, self._trash / f"{path.name}.{os.getpid()}")
            else:
                path.unlink()

    def empty_trash(self) -> None:
        """Slow; needs no lock, and any number may do it at once."""
        for path in sorted(self._trash.iterdir()):
            shutil.rmtree(path, ignore_errors=True)

    def _unpack(
        self,
        staging: Path,
        target: Path,
        chain_id: str,
        diff_id: str,
        below: Sequence[str],
        open_blob: Callable[[], IO[bytes]],
        is_stopped: Callable[[], bool],
    ) -> Layer:
        staging.mkdir(mode=0o755)
        staging.chmod(0o755)  # whatever the umask: it becomes the container's /
        with open_blob() as blob:
            done = unpack_layer(blob, staging, [self.path(c) for c in below], self._limits, is_stopped)
        if done.diff_id != diff_id:
            raise pull_failure(f"layer {diff_id} unpacks to content with the digest {done.diff_id}")
        atomic.sync_filesystem(staging)
        os.rename(staging, target)
        layer = Layer(chain_id, diff_id, below[0] if below else "", done.size_bytes, done.entries)
        atomic.write_file(self._record(chain_id), json.dumps(asdict(layer), sort_keys=True).encode())
        return layer

    def _discard(self, path: Path) -> None:
        if path.exists():
            shutil.rmtree(path)

    def _record(self, chain_id: str) -> Path:
        return self._directory / f"{layer_name(chain_id)}.json"

    def _lock(self, chain_id: str) -> Path:
        return self._directory / f"{layer_name(chain_id)}.lock"


def layer_name(chain_id: str) -> str:
    """120 bits of the chain id in 24 characters. Records hold the whole id and are compared with it."""
    algorithm, _, encoded = chain_id.partition(":")
    if algorithm != "sha256" or len(encoded) != 64:
        raise ImageFailure("ErrImagePull", f"{chain_id!r} is not a chain id")
    return base64.b32encode(bytes.fromhex(encoded)[:15]).decode().lower()

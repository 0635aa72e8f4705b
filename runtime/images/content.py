"""Blobs by digest: `blobs/<algorithm>/<hex>`, written once, verified while written.

In come bytes with the digest they claim (or none, for local content); a blob appears under its name only
after its last byte agreed with the digest and was synced. A download that breaks leaves
`ingest/<hex>.partial`, which the next try takes up; a blob that turns out wrong leaves nothing.
The partial is flock'ed by its writer, so two processes fetching one blob are one fetch and one wait.
Everything here blocks: it runs on worker threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from runtime.cri import ImageFailure
from runtime.images import atomic, locks
from runtime.images.failures import PULL_FAILED, pull_failure
from runtime.images.reference import is_digest

CHUNK = 1 << 20


class ContentStore:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._ingest = root / "ingest"

    def create(self) -> None:
        for directory in (self._blobs / "sha256", self._blobs / "sha512", self._ingest):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, digest: str) -> Path:
        if not is_digest(digest):
            raise pull_failure(f"{digest!r} is not a digest this store can verify")
        algorithm, _, encoded = digest.partition(":")
        return self._blobs / algorithm / encoded

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    def size(self, digest: str) -> int:
        return self.path(digest).stat().st_size

    def open(self, digest: str) -> IO[bytes]:
        try:
            return open(self.path(digest), "rb")
        except FileNotFoundError:
            raise ImageFailure(PULL_FAILED, f"blob {digest} is not in the image store") from None

    def read(self, digest: str, limit_bytes: int) -> bytes:
        """A small blob (manifest, config), verified again. Raises ImageFailure."""
        with self.open(digest) as file:
            data = file.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise pull_failure(f"blob {digest} is larger than {limit_bytes} bytes")
        verify(data, digest)
        return data

    def put(self, data: bytes) -> str:
        digest = digest_of(data)
        if not self.has(digest):
            atomic.write_file(self.path(digest), data)
        return digest

    @contextlib.contextmanager
    def ingest(self, digest: str, size_bytes: int) -> Iterator[Ingest | None]:
        """A writer for a blob that is fetched from elsewhere; None where it has become present meanwhile.

        Leaving without commit() keeps what was written for the next try, but for an ImageFailure or an
        OSError (wrong content, full disk): then the partial goes. Trouble on the line must be neither.
        """
        final = self.path(digest)
        partial = self._ingest / f"{final.name}.partial"
        fd = None if final.exists() else locks.acquire(partial, exclusive=True)
        if fd is None:
            yield None
            return
        try:
            if final.exists():
                partial.unlink(missing_ok=True)
                yield None
                return
            ingest = Ingest(fd, digest, size_bytes, partial, final)
            try:
                ingest.take_up()
                yield ingest
            except (ImageFailure, OSError):
                if not ingest.committed:
                    partial.unlink(missing_ok=True)
                raise
        finally:
            os.close(fd)

    def add_stream(self, source: IO[bytes], limit_bytes: int, expected: str = "") -> tuple[str, int]:
        """Copies a local stream in; returns digest and size. `expected`: refuse where it differs."""
        algorithm = expected.partition(":")[0] or "sha256"
        hasher = hashlib.new(algorithm)
        size = 0
        fd, name = tempfile.mkstemp(suffix=".import", dir=self._ingest)
        temporary = Path(name)
        try:
            with os.fdopen(fd, "wb") as file:
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    if size > limit_bytes:
                        raise pull_failure(f"content is larger than the limit of {limit_bytes} bytes")
                    hasher.update(chunk)
                    file.write(chunk)
                digest = f"{algorithm}:{hasher.hexdigest()}"
                if expected and digest != expected:
                    raise pull_failure(f"content has the digest {digest}, expected {expected}")
                if not self.has(digest):
                    file.flush()
                    os.fsync(fd)
                    os.replace(temporary, self.path(digest))
                    atomic.sync_directory(self.path(digest).parent)
            return digest, size
        finally:
            temporary.unlink(missing_ok=True)

    def digests(self) -> list[str]:
        found = []
        for algorithm in ("sha256", "sha512"):
            names = sorted(os.listdir(self._blobs / algorithm))
            found += [f"{algorithm}:{name}" for name in names if is_digest(f"{algorithm}:{name}")]
        return found

    def remove(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def clean_partials(self, before_epoch_s: float) -> None:
        """Removes what broken downloads left and nobody took up since; called with the store locked."""
        for path in sorted(self._ingest.iterdir()):
            is_resumable = path.suffix == ".partial" and path.stat().st_mtime >= before_epoch_s
            if not is_resumable:
                path.unlink(missing_ok=True)
        for algorithm in ("sha256", "sha512"):
            for name in sorted(os.listdir(self._blobs / algorithm)):
                if not is_digest(f"{algorithm}:{name}"):
                    (self._blobs / algorithm / name).unlink(missing_ok=True)


class Ingest:
    """One blob being written. `offset` bytes are there already; `write` the rest, then `commit`."""

    def __init__(self, fd: int, digest: str, size_bytes: int, partial: Path, final: Path) -> None:
        self._fd = fd
        self._digest = digest
        self._size = size_bytes
        self._partial = partial
        self._final = final
        self._hasher = hashlib.new(digest.partition(":")[0])
        self.offset = 0
        self.committed = False

    def take_up(self) -> None:
        """Hashes what an earlier try left."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        while chunk := os.read(self._fd, CHUNK):
            self._hasher.update(chunk)
            self.offset += len(chunk)
        if self.offset > self._size:
            self.restart()

    def restart(self) -> None:
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._hasher = hashlib.new(self._digest.partition(":")[0])
        self.offset = 0

    def write(self, chunk: bytes) -> None:
        if self.offset + len(chunk) > self._size:
            raise pull_failure(f"blob {self._digest} is larger than the {self._size} bytes its manifest says")
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._fd, view) :]
        self._hasher.update(chunk)
        self.offset += len(chunk)

    @property
    def complete(self) -> bool:
        return self.offset == self._size

    def commit(self) -> None:
        found = f"{self._digest.partition(':')[0]}:{self._hasher.hexdigest()}"
        if not self.complete or found != self._digest:
            raise pull_failure(
                f"blob {self._digest} came as {self.offset} bytes with digest {found}, "
                f"expected {self._size} bytes: the content is not what the manifest names"
            )
        os.fsync(self._fd)
        os.replace(self._partial, self._final)
        atomic.sync_directory(self._final.parent)
        self.committed = True


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def verify(data: bytes, digest: str) -> None:
    found = hashlib.new(digest.partition(":")[0], data).hexdigest()
    if found != digest.partition(":")[2]:
        raise pull_failure(f"content named {digest} has the digest {found}")

"""One image store on disk, shared by every process of a host: content, layers, names, clean-up.

Who adds something holds the store's lock shared, from the first blob until the image has its name or the
container its lease; clean-up takes it exclusively and never waits for it. So nothing is removed that
somebody is about to name, and a crash at any moment leaves only what the next clean-up removes.
Blocking; runs on worker threads.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runtime.cri import ImageConfig
from runtime.images import locks, writable
from runtime.images.content import ContentStore
from runtime.images.failures import failing, pull_failure
from runtime.images.manifest import (
    CONFIG_LIMIT_BYTES,
    MANIFEST_LIMIT_BYTES,
    ImageSpec,
    Manifest,
    parse_config,
    parse_manifest,
)
from runtime.images.metadata import Catalogue, Record
from runtime.images.snapshots import Layers
from runtime.images.unpack import Limits

_PARTIALS_KEPT_S = 24 * 3600.0


class ImageStore:
    def __init__(self, root: Path, limits: Limits = Limits()) -> None:  # noqa: B008  (frozen)
        self.root = root.absolute()
        self.limits = limits
        self.content = ContentStore(self.root)
        self.layers = Layers(self.root, limits)
        self.catalogue = Catalogue(self.root)
        self._lock = self.root / "store.lock"

    def create(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.content.create()
        self.layers.create()
        (self.root / "leases").mkdir(exist_ok=True, mode=0o700)

    def hold(self) -> int:
        """The lock of one who adds, as a descriptor to close when done."""
        fd = locks.acquire(self._lock, exclusive=False)
        assert fd is not None
        return fd

    @contextlib.contextmanager
    def adding(self) -> Iterator[None]:
        fd = self.hold()
        try:
            yield
        finally:
            os.close(fd)

    def spec(self, image_id: str) -> ImageSpec:
        return parse_config(self.content.read(image_id, CONFIG_LIMIT_BYTES))

    def config(self, image_id: str) -> ImageConfig:
        return self.spec(image_id).config

    def manifest(self, digest: str) -> Manifest:
        return parse_manifest(self.content.read(digest, MANIFEST_LIMIT_BYTES))

    def ensure_layer(
        self,
        manifest: Manifest,
        spec: ImageSpec,
        index: int,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Unpacks the `index`-th layer; those below are there."""
        chain = spec.chain_ids
        digest = manifest.layers[index].digest
        self.layers.ensure(
            chain[index],
            spec.diff_ids[index],
            list(reversed(chain[:index])),
            lambda: self.content.open(digest),
            is_stopped,
        )

    def install(
        self,
        manifest_digest: str,
        *,
        tags: Sequence[str] = (),
        digests: Sequence[str] = (),
        also_keep: Sequence[str] = (),
        now: float = 0.0,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Record:
        """Makes blobs that are all present an image: unpacks what is not, then names it. Store held."""
        with failing("storing the image", self.root):
            manifest = self.manifest(manifest_digest)
            spec = self.spec(manifest.config.digest)
            check_layers(manifest, spec)
            for index in range(len(manifest.layers)):
                self.ensure_layer(manifest, spec, index, is_stopped)
            blobs = [
                *also_keep,
                manifest_digest,
                manifest.config.digest,
                *(x.digest for x in manifest.layers),
            ]
            record = Record(
                id=manifest.config.digest,
                manifest=manifest_digest,
                blobs=tuple(dict.fromkeys(blobs)),
                chain_ids=tuple(spec.chain_ids),
                size_bytes=manifest.size_bytes,
                user=spec.config.user,
                created_at=now,
            )
            self.catalogue.change(lambda names: names.with_image(record, tags, digests))
            return record

    def lower(self, record: Record) -> list[Path]:
        """The image's layers, the topmost first; unpacks again what a crash or a hand has taken. Store held."""
        if any(self.layers.find(chain_id) is None for chain_id in record.chain_ids):
            self.install(record.manifest, also_keep=record.blobs, now=record.created_at)
        return [self.layers.path(chain_id) for chain_id in reversed(record.chain_ids)]

    def used_bytes(self) -> int:
        blobs = sum(self.content.size(digest) for digest in self.content.digests())
        return blobs + sum(layer.size_bytes for layer in self.layers.list())

    def collect(self, now: float) -> bool:
        """Removes content and layers that no image and no container needs. False: somebody is adding just
        now; the next clean-up will do it."""
        fd = locks.acquire(self._lock, exclusive=True, wait=False)
        if fd is None:
            return False
        try:
            images = self.catalogue.read().images.values()
            blobs = {digest for record in images for digest in record.blobs}
            used_images, chains = writable.in_use(self.root)
            blobs |= used_images  # the config: stopping a container asks it for the signal
            chains.update(chain_id for record in images for chain_id in record.chain_ids)
            self.layers.remove([x.chain_id for x in self.layers.list() if x.chain_id not in chains])
            self.layers.clean()
            for digest in self.content.digests():
                if digest not in blobs:
                    self.content.remove(digest)
            self.content.clean_partials(now - _PARTIALS_KEPT_S)
        finally:
            os.close(fd)
        self.layers.empty_trash()
        return True


def check_layers(manifest: Manifest, spec: ImageSpec) -> None:
    if len(manifest.layers) != len(spec.diff_ids):
        raise pull_failure(
            f"the image's manifest names {len(manifest.layers)} layers and its config {len(spec.diff_ids)}"
        )

"""What `kctl images ...` does, as plain functions on a store directory; agents may be running on it.

Each takes the store's root and `now` (epoch seconds) where it stamps or ages something, blocks, and raises
ImageFailure with words for a person. Pulling is LocalImages.pull_image.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.cri import Image, ImageFailure
from runtime.images import archive, build
from runtime.images.build import BuildConfig
from runtime.images.failures import NOT_FOUND, UNUSABLE_STORE, failing
from runtime.images.fsinfo import ensure_overlay_works_on
from runtime.images.manifest import Platform, host_platform
from runtime.images.metadata import to_image
from runtime.images.reference import as_image_id, parse_reference
from runtime.images.store import ImageStore
from runtime.images.unpack import Limits


@dataclass(frozen=True, slots=True)
class Removed:
    """`image_id` is "" where the image stays under another name."""

    untagged: Sequence[str]
    image_id: str


def open_store(root: Path, limits: Limits | None = None) -> ImageStore:
    """Makes the directory where there is none. Raises ImageFailure ImageStoreUnusable."""
    store = ImageStore(root, limits or Limits())
    with failing("opening the image store", root, UNUSABLE_STORE):
        store.create()
        ensure_overlay_works_on(store.root)
    return store


def import_image(
    root: Path, path: Path, *, name: str = "", now: float, platform: Platform | None = None
) -> list[Image]:
    """From an OCI layout or a `docker save` archive; `name` overrides what the archive calls its one image."""
    store = open_store(root)
    found = archive.import_archive(store, path, platform or host_platform(), name=name, now=now)
    names = store.catalogue.read()
    return [to_image(names, record) for record, _ in found]


def build_image(
    root: Path, tag: str, source: Path, config: BuildConfig | None = None, *, now: float
) -> Image:
    """From a root directory, or an uncompressed tar of one."""
    store = open_store(root)
    record = build.build_image(store, tag, source, config or BuildConfig(), host_platform(), now=now)
    return to_image(store.catalogue.read(), record)


def build_from_busybox(
    root: Path,
    tag: str,
    *,
    now: float,
    busybox: Path | None = None,
    files: Mapping[str, bytes] | None = None,
    config: BuildConfig | None = None,
) -> Image:
    """A small image of the host's static busybox, its applets as links, and `files`."""
    store = open_store(root)
    record = build.build_busybox(
        store, tag, host_platform(), busybox=busybox, files=files, config=config, now=now
    )
    return to_image(store.catalogue.read(), record)


def list_images(root: Path) -> list[Image]:
    """By first name; those without a name last."""
    if not root.is_dir():
        return []
    names = ImageStore(root).catalogue.read()
    images = [to_image(names, record) for record in names.images.values()]
    return sorted(images, key=lambda image: (not image.repo_tags, list(image.repo_tags), image.id))


def remove_image(root: Path, reference: str, *, now: float) -> Removed:
    """A tag among several only goes itself; by id, digest or last tag the image goes."""
    store = open_store(root)
    with failing(f"removing image {reference}", store.root):
        names = store.catalogue.read()
        record = names.resolve(reference)
        if record is None:
            raise ImageFailure(NOT_FOUND, f"no such image: {reference}")
        tags = names.tags_of(record.id)
        tag = "" if as_image_id(reference) else _tag_named(reference, tags)
        if tag and len(tags) > 1:
            store.catalogue.change(lambda current: current.without_tag(tag))
            return Removed([tag], "")
        store.catalogue.change(lambda current: current.without_image(record.id))
        store.collect(now)
        return Removed(tags, record.id)


def export_image(root: Path, reference: str, path: Path) -> None:
    """An OCI layout tar that `docker load`, `ctr` and skopeo read; written whole or not at all."""
    store = open_store(root)
    with failing(f"exporting {reference}", path.parent), store.adding():
        names = store.catalogue.read()
        record = names.resolve(reference)
        if record is None:
            raise ImageFailure(NOT_FOUND, f"no such image: {reference}")
        tags = names.tags_of(record.id)
        tag = _tag_named(reference, tags)
        fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                archive.export_archive(store, record, [tag] if tag else tags, file)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def _tag_named(reference: str, tags: Sequence[str]) -> str:
    """The one of an image's tags that `reference` spells, "" where it is an id or a digest."""
    try:
        name = str(parse_reference(reference))
    except ImageFailure:
        return ""
    return name if name in tags else ""

"""Images in files: OCI layouts (directory, tar, tar.gz) and `docker save` archives in; OCI layouts out.

Import takes a path and gives the images it held, verified blob by blob and unpacked. A layout that carries
both forms is read as OCI. Export writes a tar that `docker load`, `ctr image import`, skopeo and this
module read; the same image gives the same bytes. Blocking; runs on worker threads.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from runtime.cri import ImageFailure
from runtime.images.failures import failing, pull_failure
from runtime.images.manifest import (
    CONFIG_LIMIT_BYTES,
    INDEXES,
    MANIFEST_LIMIT_BYTES,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    Descriptor,
    Platform,
    build_manifest,
    choose,
    document_type,
    encode,
    fits,
    parse_config,
    parse_index,
    parse_manifest,
)
from runtime.images.metadata import Record
from runtime.images.reference import parse_reference
from runtime.images.store import ImageStore
from runtime.images.tarstream import decompressed

_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_MAX_INDEX_DEPTH = 3
_MAX_FILES = 100_000


class _Files(Protocol):
    """A layout's files by path, whether they lie in a directory or in a tar."""

    def open(self, path: str) -> IO[bytes]:
        """Raises ImageFailure where there is no such file."""
        ...

    def has(self, path: str) -> bool: ...


def import_archive(
    store: ImageStore, path: Path, platform: Platform, *, name: str = "", now: float = 0.0
) -> list[tuple[Record, list[str]]]:
    """Every image in the archive, with the tags it got. `name` replaces the names of an archive with one image."""
    if name:
        name = str(parse_reference(name))
    with store.adding(), failing(f"importing {path}", store.root), _opened(path, store) as files:
        if files.has("index.json") and files.has("oci-layout"):
            found = _read_layout(store, files, platform)
        elif files.has("manifest.json"):
            found = _read_docker(store, files, platform)
        else:
            raise pull_failure(
                f"{path} is neither an OCI layout (index.json) nor a docker archive (manifest.json)"
            )
        if name and len(found) != 1:
            raise pull_failure(f"{path} holds {len(found)} images: they cannot all be named {name}")
        return [
            (
                store.install(manifest, tags=[name] if name else tags, also_keep=keep, now=now),
                [name] if name else tags,
            )
            for manifest, tags, keep in found
        ]


def export_archive(store: ImageStore, record: Record, tags: Sequence[str], target: IO[bytes]) -> None:
    manifest = store.manifest(record.manifest)
    size = store.content.size(record.manifest)
    media_type = document_type(store.content.read(record.manifest, MANIFEST_LIMIT_BYTES))
    descriptor = {"mediaType": media_type, "digest": record.manifest, "size": size}
    entries = [
        {
            **descriptor,
            "annotations": {_NAME_ANNOTATIONS[0]: tag, _NAME_ANNOTATIONS[1]: tag.rpartition(":")[2]},
        }
        for tag in sorted(tags)
    ]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries or [descriptor]}
    docker = [
        {
            "Config": _blob_path(manifest.config.digest),
            "RepoTags": sorted(tags) or None,
            "Layers": [_blob_path(layer.digest) for layer in manifest.layers],
        }
    ]
    blobs = {record.manifest, manifest.config.digest, *(layer.digest for layer in manifest.layers)}
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for digest in sorted(blobs):
            with store.content.open(digest) as blob:
                tar.addfile(_entry(_blob_path(digest), store.content.size(digest)), blob)
        for path, data in (
            ("index.json", encode(index)),
            ("manifest.json", encode_list(docker)),
            ("oci-layout", encode({"imageLayoutVersion": "1.0.0"})),
        ):
            tar.addfile(_entry(path, len(data)), io.BytesIO(data))


def encode_list(documents: Sequence[object]) -> bytes:
    return json.dumps(documents, sort_keys=True, separators=(",", ":")).encode()


# -- the two layouts ---------------------------------------------------------------------------------------

_Found = list[tuple[str, list[str], list[str]]]  # manifest digest, tags, further blobs to keep


def _read_layout(store: ImageStore, files: _Files, platform: Platform) -> _Found:
    """One image per manifest of index.json; entries that only other platforms have are left out."""
    tags: dict[str, list[str]] = {}
    keep: dict[str, list[str]] = {}
    refused: ImageFailure | None = None
    entries = parse_index(_read(files, "index.json"))
    for entry in entries:
        if entry.platform is not None and entry.media_type not in INDEXES and len(entries) > 1:
            try:
                choose([entry], platform)
            except ImageFailure as error:
                refused = refused or error
                continue
        indexes: list[str] = []
        manifest = _find_manifest(store, files, entry, platform, indexes)
        names = tags.setdefault(manifest, [])
        names += [tag for tag in _names_of(entry) if tag not in names]
        keep.setdefault(manifest, []).extend(indexes)
    if not tags:
        raise refused or pull_failure("the layout holds no image")
    return [(manifest, tags[manifest], keep[manifest]) for manifest in tags]


def _find_manifest(
    store: ImageStore, files: _Files, entry: Descriptor, platform: Platform, indexes: list[str]
) -> str:
    for _ in range(_MAX_INDEX_DEPTH):
        data = _add_blob(store, files, entry)
        if document_type(data, entry.media_type) in INDEXES:
            indexes.append(entry.digest)
            entry = choose(parse_index(data), platform)
            continue
        manifest = parse_manifest(data)
        spec = parse_config(_add_blob(store, files, manifest.config))
        if not fits(spec.platform, platform):
            raise pull_failure(f"no match for platform {platform}: the image is for {spec.platform}")
        for layer in manifest.layers:
            _add_stream(store, files, layer)
        return entry.digest
    raise pull_failure("the layout's index is nested too deep")


def _add_blob(store: ImageStore, files: _Files, blob: Descriptor) -> bytes:
    _add_stream(store, files, blob)
    return store.content.read(blob.digest, max(MANIFEST_LIMIT_BYTES, CONFIG_LIMIT_BYTES))


def _add_stream(store: ImageStore, files: _Files, blob: Descriptor) -> None:
    if not store.content.has(blob.digest):
        with files.open(_blob_path(blob.digest)) as source:
            store.content.add_stream(source, min(blob.size_bytes, store.limits.blob_bytes), blob.digest)


def _names_of(entry: Descriptor) -> list[str]:
    for key in _NAME_ANNOTATIONS:
        text = entry.annotations.get(key, "")
        # A lone tag (what skopeo writes for "oci:dir:tag") names no repository.
        if text and (key == _NAME_ANNOTATIONS[0] or "/" in text or ":" in text):
            return [str(parse_reference(text))]
    return []


def _read_docker(store: ImageStore, files: _Files, platform: Platform) -> _Found:
    try:
        documents = json.loads(_read(files, "manifest.json"))
        parsed = [
            (str(d["Config"]), [str(t) for t in d.get("RepoTags") or ()], [str(p) for p in d["Layers"]])
            for d in documents
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise pull_failure(f"the archive's manifest.json cannot be read: {error!r}") from error
    found: _Found = []
    for config_path, tags, layer_paths in parsed:
        config = _read(files, config_path)
        spec = parse_config(config)
        if not fits(spec.platform, platform):
            raise pull_failure(f"no match for platform {platform}: the image is for {spec.platform}")
        layers = []
        for path in layer_paths:
            with files.open(path) as source:
                digest, size = store.content.add_stream(source, store.limits.blob_bytes)
            with store.content.open(digest) as blob:
                gzip = "+gzip" if blob.read(2) == b"\x1f\x8b" else ""
            layers.append(Descriptor(OCI_LAYER + gzip, digest, size))
        config_digest = store.content.put(config)
        manifest = build_manifest(Descriptor(OCI_CONFIG, config_digest, len(config)), layers)
        found.append((store.content.put(manifest), [str(parse_reference(tag)) for tag in tags], []))
    if not found:
        raise pull_failure("the archive holds no image")
    return found


# -- where the files lie -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: Path, store: ImageStore) -> Iterator[_Files]:
    if path.is_dir():
        yield _Directory(path)
        return
    with contextlib.ExitStack() as stack:
        source: IO[bytes] = stack.enter_context(open(path, "rb"))
        head = source.read(4)
        source.seek(0)
        if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
            plain = stack.enter_context(tempfile.TemporaryFile(dir=store.root / "ingest"))
            stream = decompressed(source)
            written = 0
            while chunk := stream.read(1 << 20):
                written += len(chunk)
                if written > store.limits.blob_bytes:
                    raise pull_failure(f"{path} unpacks to more than {store.limits.blob_bytes} bytes")
                plain.write(chunk)
            plain.seek(0)
            source = plain
        tar = stack.enter_context(tarfile.open(fileobj=source, mode="r:"))
        yield _Tar(tar)


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, path: str) -> bool:
        return (self._root / path).is_file()

    def open(self, path: str) -> IO[bytes]:
        target = self._root / posixpath.normpath("/" + path)[1:]
        if not target.resolve().is_relative_to(self._root.resolve()):
            raise pull_failure(f"the layout's {path!r} leads out of {self._root}")
        try:
            return open(target, "rb")
        except FileNotFoundError:
            raise pull_failure(f"the layout lacks {path!r}") from None


class _Tar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        while (member := tar.next()) is not None:
            self._members[posixpath.normpath("/" + member.name)[1:]] = member
            if len(self._members) > _MAX_FILES:
                raise pull_failure(f"the archive holds more than {_MAX_FILES} files")

    def has(self, path: str) -> bool:
        return path in self._members

    def open(self, path: str) -> IO[bytes]:
        """Old docker archives link one layer file to another: links are followed inside the archive."""
        name = posixpath.normpath("/" + path)[1:]
        for _ in range(8):
            member = self._members.get(name)
            if member is None:
                break
            if member.isreg():
                reader = self._tar.extractfile(member)
                assert reader is not None
                return reader
            base = posixpath.dirname(name) if member.issym() else ""
            name = posixpath.normpath("/" + posixpath.join(base, member.linkname))[1:]
        raise pull_failure(f"the archive lacks {path!r}")


def _read(files: _Files, path: str) -> bytes:
    limit = max(MANIFEST_LIMIT_BYTES, CONFIG_LIMIT_BYTES)
    with files.open(path) as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise pull_failure(f"the archive's {path!r} is larger than {limit} bytes")
    return data


def _blob_path(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return os.path.join("blobs", algorithm, encoded)


def _entry(path: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.size = size
    entry.mode = 0o644
    return entry

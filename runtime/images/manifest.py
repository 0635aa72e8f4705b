"""The JSON of images: index, manifest, config, in OCI's and Docker's schema 2 spelling.

Takes bytes that were verified by digest and gives frozen values, or an ImageFailure that names what is
wrong: whoever made the image chose every byte, so nothing is taken for granted. `choose` picks one
platform of an index. Pure.
"""

from __future__ import annotations

import hashlib
import json
import platform as _platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.cri import ImageConfig
from runtime.images.failures import pull_failure
from runtime.images.reference import is_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST))
MANIFEST_LIMIT_BYTES = 4 << 20
CONFIG_LIMIT_BYTES = 8 << 20
_MAX_LAYERS = 512
_LAYERS = (
    OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
)


@dataclass(frozen=True, slots=True)
class Platform:
    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    media_type: str
    digest: str
    size_bytes: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}


@dataclass(frozen=True, slots=True)
class Manifest:
    config: Descriptor
    layers: Sequence[Descriptor]  # the lowest first

    @property
    def size_bytes(self) -> int:
        return self.config.size_bytes + sum(layer.size_bytes for layer in self.layers)


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image's config blob: how to run it, what for, and the digests of its unpacked layers."""

    config: ImageConfig
    platform: Platform
    diff_ids: Sequence[str]

    @property
    def chain_ids(self) -> list[str]:
        """One per layer: names a layer together with all below it (OCI image spec, "Layer ChainID")."""
        chain: list[str] = []
        for diff_id in self.diff_ids:
            below = chain[-1] if chain else ""
            joined = hashlib.sha256(f"{below} {diff_id}".encode()).hexdigest()
            chain.append(f"sha256:{joined}" if below else diff_id)
        return chain


def host_platform() -> Platform:
    machine = _platform.machine()
    known = {
        "x86_64": Platform("linux", "amd64"),
        "aarch64": Platform("linux", "arm64", "v8"),
        "armv7l": Platform("linux", "arm", "v7"),
        "armv6l": Platform("linux", "arm", "v6"),
        "i686": Platform("linux", "386"),
    }
    return known.get(machine, Platform("linux", machine))


def document_type(data: bytes, said: str = "") -> str:
    """The media type of a manifest or index: its own word before the registry's."""
    document = _object(data, "manifest")
    media_type = document.get("mediaType") or said.partition(";")[0].strip()
    if media_type in INDEXES or media_type in MANIFESTS:
        return str(media_type)
    if document.get("schemaVersion") == 1:
        raise pull_failure("the image has a manifest of Docker's schema 1, which is no longer supported")
    if isinstance(document.get("manifests"), list):
        return OCI_INDEX
    if isinstance(document.get("layers"), list) and isinstance(document.get("config"), dict):
        return OCI_MANIFEST
    raise pull_failure(f"a manifest of type {media_type!r} is not an image")


def parse_index(data: bytes) -> list[Descriptor]:
    return [_descriptor(entry, "index") for entry in _list(_object(data, "index"), "manifests")]


def parse_manifest(data: bytes) -> Manifest:
    document = _object(data, "manifest")
    layers = [_descriptor(entry, "manifest") for entry in _list(document, "layers")]
    if len(layers) > _MAX_LAYERS:
        raise pull_failure(f"the image has {len(layers)} layers, more than {_MAX_LAYERS}")
    for layer in layers:
        # foreign.diff, zstd:chunked and +encrypted variants share their beginnings with plain layers
        if not layer.media_type.startswith(_LAYERS) or "encrypted" in layer.media_type:
            raise pull_failure(
                f"layer {layer.digest} has the type {layer.media_type!r}, which cannot be unpacked"
            )
    return Manifest(_descriptor(document.get("config"), "manifest"), layers)


def parse_config(data: bytes) -> ImageSpec:
    document = _object(data, "config")
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(isinstance(d, str) and is_digest(d) for d in diff_ids):
        raise pull_failure("the image's config names no valid rootfs.diff_ids")
    raw = document.get("config") or {}
    if not isinstance(raw, dict):
        raise pull_failure("the image's config holds a config that is not an object")
    config = ImageConfig(
        entrypoint=_strings(raw, "Entrypoint"),
        cmd=_strings(raw, "Cmd"),
        env=_strings(raw, "Env"),
        working_dir=_text(raw, "WorkingDir"),
        user=_text(raw, "User"),
        stop_signal=_text(raw, "StopSignal"),
        volumes=tuple(sorted(_mapping(raw, "Volumes"))),
        labels={str(k): str(v) for k, v in sorted(_mapping(raw, "Labels").items())},
    )
    platform = Platform(
        _text(document, "os") or "linux", _text(document, "architecture"), _text(document, "variant")
    )
    return ImageSpec(config, platform, tuple(diff_ids))


def choose(entries: Sequence[Descriptor], wanted: Platform) -> Descriptor:
    """The entry of an index that fits `wanted` best. An entry without a platform fits when it is alone."""
    candidates = [e for e in entries if e.media_type in MANIFESTS or e.media_type in INDEXES]
    ranked = [(rank, e) for e in candidates if e.platform and (rank := _rank(e.platform, wanted)) is not None]
    if ranked:
        return min(ranked, key=lambda pair: pair[0])[1]
    unnamed = [e for e in candidates if e.platform is None]
    if len(unnamed) == 1:
        return unnamed[0]
    there = sorted({str(e.platform) for e in candidates if e.platform and e.platform.os != "unknown"})
    raise pull_failure(f"no match for platform {wanted} in manifest: it has {', '.join(there) or 'none'}")


def fits(found: Platform, wanted: Platform) -> bool:
    """Whether an image whose config says `found` can run on `wanted`; what it does not say is not held against it."""
    return not found.architecture or _rank(found, wanted) is not None


def encode(document: Mapping[str, Any]) -> bytes:
    """JSON that is the same for the same content, so that its digest is too."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def build_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.to_dict(),
            "layers": [layer.to_dict() for layer in layers],
        }
    )


def _rank(found: Platform, wanted: Platform) -> int | None:
    """0 is the exact variant, higher are older ones that still run; None does not run."""
    if (found.os, found.architecture) != (wanted.os, wanted.architecture):
        return None
    if found.variant == wanted.variant:
        return 0
    if found.architecture == "arm":
        have, want = found.variant or "v7", wanted.variant or "v7"
        return ord(want[-1]) - ord(have[-1]) if have <= want else None
    if not found.variant or (found.architecture, found.variant) == ("arm64", "v8"):
        return 1
    return None


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise pull_failure(f"the image's {what} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise pull_failure(f"the image's {what} is not a JSON object")
    return document


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise pull_failure(f"the image's manifest has no list of {key}")
    return value


def _descriptor(entry: Any, where: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise pull_failure(f"a descriptor in the image's {where} is not an object")
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not is_digest(digest):
        raise pull_failure(f"a descriptor in the image's {where} has no valid digest: {digest!r}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise pull_failure(f"the descriptor of {digest} in the image's {where} has no valid size")
    raw = entry.get("platform")
    platform = None
    if isinstance(raw, dict):
        platform = Platform(_text(raw, "os"), _text(raw, "architecture"), _text(raw, "variant"))
    annotations = {str(k): str(v) for k, v in _mapping(entry, "annotations").items()}
    return Descriptor(_text(entry, "mediaType"), digest, size, platform, annotations)


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise pull_failure(f"the image's {key} is not a string")
    return value


def _strings(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise pull_failure(f"the image's {key} is not a list of strings")
    return tuple(value)


def _mapping(raw: Mapping[str, Any], key: str) -> dict[Any, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}

"""Which images there are and what they are called: `images.json`, replaced in one step.

Readers look at the file's identity first and parse it only when it changed, so asking is cheap and always
sees what another process did. Writers change it under a file lock. A name points to one image; an image
may have many names or none. Blocking, but short.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runtime.cri import Image, ImageFailure
from runtime.images import atomic, locks
from runtime.images.failures import UNUSABLE_STORE
from runtime.images.reference import as_image_id, parse_reference


@dataclass(frozen=True, slots=True)
class Record:
    """One image. `blobs` are all it keeps alive in the content store: index, manifest, config, layers."""

    id: str
    manifest: str
    blobs: Sequence[str]
    chain_ids: Sequence[str]  # the lowest layer first
    size_bytes: int
    user: str = ""
    created_at: float = 0.0
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Immutable state of the catalogue; `tags` and `digests` map full references to image ids."""

    images: dict[str, Record] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def resolve(self, reference: str) -> Record | None:
        """By id (whole, or 12 and more digits of one), tag or digest. What is no reference names nothing."""
        if (image_id := as_image_id(reference)) is not None:
            return self.images.get(image_id)
        if (record := self._by_short_id(reference)) is not None:
            return record
        try:
            parsed = parse_reference(reference)
        except ImageFailure:
            return None
        found = (self.digests if parsed.digest else self.tags).get(str(parsed), "")
        return self.images.get(found)

    def tags_of(self, image_id: str) -> list[str]:
        return sorted(name for name, target in self.tags.items() if target == image_id)

    def digests_of(self, image_id: str) -> list[str]:
        return sorted(name for name, target in self.digests.items() if target == image_id)

    def with_image(self, record: Record, tags: Sequence[str], digests: Sequence[str]) -> Names:
        old = self.images.get(record.id)
        kept = replace(record, pinned=record.pinned or (old is not None and old.pinned))
        return Names(
            {**self.images, record.id: kept},
            {**self.tags, **dict.fromkeys(tags, record.id)},
            {**self.digests, **dict.fromkeys(digests, record.id)},
        )

    def without_image(self, image_id: str) -> Names:
        return Names(
            {key: value for key, value in self.images.items() if key != image_id},
            {key: value for key, value in self.tags.items() if value != image_id},
            {key: value for key, value in self.digests.items() if value != image_id},
        )

    def without_tag(self, tag: str) -> Names:
        return replace(self, tags={key: value for key, value in self.tags.items() if key != tag})

    def _by_short_id(self, text: str) -> Record | None:
        digits = text.removeprefix("sha256:")
        if len(digits) < 12 or digits.strip("0123456789abcdef"):
            return None
        matches = [r for key, r in self.images.items() if key.startswith(f"sha256:{digits}")]
        return matches[0] if len(matches) == 1 else None


class Catalogue:
    def __init__(self, root: Path) -> None:
        self._path = root / "images.json"
        self._lock = root / "images.lock"
        self._seen: tuple[tuple[int, int, int], Names] | None = None  # one value: several threads read

    def known(self) -> Names | None:
        """What `read` would return, where that takes no more than a look at the file's time; else None."""
        identity = self._identity()
        if identity is None:
            return Names()
        seen = self._seen
        return seen[1] if seen is not None and seen[0] == identity else None

    def read(self) -> Names:
        identity = self._identity()
        if identity is None:
            return Names()
        seen = self._seen
        if seen is None or seen[0] != identity:
            self._seen = seen = (identity, _decode(self._path.read_bytes(), self._path))
        return seen[1]

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def change(self, edit: Callable[[Names], Names]) -> Names:
        """Applies `edit` to the newest state and stores what it returns, durably."""
        with locks.locked(self._lock):
            atomic.remove_halves(self._path.parent, self._path.name)
            before = self.read()
            after = edit(before)
            if after != before:
                atomic.write_file(self._path, _encode(after))
            return after


def to_image(names: Names, record: Record) -> Image:
    return Image(
        id=record.id,
        repo_tags=names.tags_of(record.id),
        repo_digests=names.digests_of(record.id),
        size_bytes=record.size_bytes,
        user=record.user,
        pinned=record.pinned,
    )


def _encode(names: Names) -> bytes:
    document = {
        "version": 1,
        "images": {
            key: {
                "manifest": r.manifest,
                "blobs": list(r.blobs),
                "chainIDs": list(r.chain_ids),
                "size": r.size_bytes,
                "user": r.user,
                "createdAt": r.created_at,
                "pinned": r.pinned,
            }
            for key, r in names.images.items()
        },
        "tags": names.tags,
        "digests": names.digests,
    }
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _decode(data: bytes, path: Path) -> Names:
    try:
        document: dict[str, Any] = json.loads(data)
        images = {
            key: Record(
                id=key,
                manifest=raw["manifest"],
                blobs=tuple(raw["blobs"]),
                chain_ids=tuple(raw["chainIDs"]),
                size_bytes=raw["size"],
                user=raw["user"],
                created_at=raw["createdAt"],
                pinned=raw["pinned"],
            )
            for key, raw in document["images"].items()
        }
        return Names(images, dict(document["tags"]), dict(document["digests"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageFailure(
            UNUSABLE_STORE,
            f"the image catalogue {path} cannot be read ({error!r}): remove it and import or pull the images again",
        ) from error

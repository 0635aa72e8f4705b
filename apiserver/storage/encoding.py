"""The stored form of an object, and how its revision gets in without decoding it again.

Stored bytes are JSON with apiVersion, kind and metadata first and without metadata.resourceVersion:
the revision is known only once the write is decided. As the order is fixed, the revision is spliced
in right after `"metadata":{`, which costs one copy of the bytes instead of a decode and an encode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

import orjson

Obj = dict[str, Any]
_FIRST = ("apiVersion", "kind", "metadata")
_HEAD = re.compile(rb'\{(?:"apiVersion":"[^"\\]*",)?(?:"kind":"[^"\\]*",)?"metadata":\{')
_REVISION = re.compile(rb'"resourceVersion":"[^"\\]*",?')


class Cipher(Protocol):
    """Encryption at rest. `key` is the storage key, to which the sealed bytes are bound."""

    @property
    def seals_as(self) -> bytes:
        """The name of the key that seals now; b"" for none."""
        ...

    def seal(self, key: str, value: bytes) -> bytes: ...

    def lacking(self, sealed: Iterable[bytes]) -> list[bytes]:
        """Those whose keys must be fetched before they are opened."""
        ...

    async def fetch_keys(self, sealed: Iterable[bytes]) -> None:
        """Raises StoreUnavailable."""
        ...

    def open(self, key: str, sealed: bytes) -> tuple[bytes, bytes]:
        """(the value, the name of the key it was sealed with)."""
        ...


def encode(obj: Obj) -> bytes:
    """The stored form; `obj` is left as it is."""
    metadata = obj.get("metadata") or {}
    if metadata and "resourceVersion" not in metadata and (*obj,)[:3] == _FIRST:
        return orjson.dumps(obj)
    head: Obj = {}
    for name in ("apiVersion", "kind"):
        if name in obj:
            head[name] = obj[name]
    if "resourceVersion" in metadata:
        metadata = {name: value for name, value in metadata.items() if name != "resourceVersion"}
    head["metadata"] = metadata
    for name, value in obj.items():
        if name not in head:
            head[name] = value
    return orjson.dumps(head)


def with_revision(stored: bytes, revision: int) -> bytes:
    """The served form: stored bytes with metadata.resourceVersion. Bytes in another order are re-encoded."""
    match = _HEAD.match(stored)
    if match is None:
        stored = encode(orjson.loads(stored))
        match = _HEAD.match(stored)
        assert match is not None
    at = match.end()
    comma = b"" if stored[at : at + 1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (stored[:at], revision, comma, stored[at:])


def restamp(data: bytes, revision: int) -> bytes:
    """Served bytes with another resourceVersion: what a deleted object's last state carries."""
    match = _HEAD.match(data)
    assert match is not None
    at = match.end()
    old = _REVISION.match(data, at)
    rest = data[old.end() :] if old else data[at:]
    comma = b"" if rest[:1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (data[:at], revision, comma, rest)

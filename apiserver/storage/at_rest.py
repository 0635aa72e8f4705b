"""How one resource's values lie in the backend: sealed by its cipher, or as they are where it has none.

Keys may have to be asked of somebody else: `open` never waits, so `fetch_keys` comes first for all that `lacking` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apiserver.backends.backend import KV, Change
from apiserver.storage.encoding import Cipher
from apiserver.storage.store import Entry


class AtRest:
    def __init__(self, cipher: Cipher | None) -> None:
        self._cipher = cipher

    def seal(self, key: str, value: bytes) -> tuple[bytes, bytes]:
        """(what is stored, the name of the key that sealed it). Raises StoreUnavailable."""
        if self._cipher is None:
            return value, b""
        return self._cipher.seal(key, value), self._cipher.seals_as

    def open(self, kv: KV) -> tuple[bytes, bytes]:
        """(the value, the name of the key that sealed it)."""
        return self._cipher.open(kv.key, kv.value) if self._cipher else (kv.value, b"")

    def is_stale(self, entry: Entry) -> bool:
        """Whether it would be sealed by another key today."""
        return self._cipher is not None and entry.sealed_by != self._cipher.seals_as

    def lacking(self, changes: Sequence[Change]) -> list[bytes]:
        return self._cipher.lacking([change.kv.value for change in changes]) if self._cipher else []

    async def fetch_keys(self, kvs: Iterable[KV]) -> None:
        """Before they are opened. Raises StoreUnavailable."""
        if self._cipher is not None and (lacking := self._cipher.lacking([kv.value for kv in kvs])):
            await self._cipher.fetch_keys(lacking)

"""Encryption at rest: nothing readable in the backend, everything readable through the store."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from apiserver.backends.memory import MemoryBackend
from apiserver.storage.cacher import Cacher
from apiserver.storage.cipher import AesGcmCipher, CipherError, new_key
from apiserver.storage.extract import extractor
from machinery.clock import LoopClock
from machinery.virtual_loop import run

KEY = "/registry/secrets/a/s"


def secret(word: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "a"},
        "data": {"k": word},
    }


async def with_store(backend: MemoryBackend, cipher: AesGcmCipher | None, body: Any) -> None:
    store = Cacher(
        backend,
        prefix="/registry/secrets/",
        namespaced=True,
        extract=extractor({}, namespaced=True),
        clock=LoopClock(asyncio.get_running_loop(), 0),
        rng=random.Random(1),
        cipher=cipher,
        window=1,
    )
    await store.start()
    task = asyncio.create_task(store.run())
    await body(store)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_sealed_objects_are_read_after_restart_and_from_history_and_by_older_keys() -> None:
    old, new = new_key(), new_key()
    backend = MemoryBackend()

    async def write_plain(store: Cacher) -> None:
        await store.create("a", "s", secret("plainword"))

    async def write_sealed(store: Cacher) -> None:
        entry = await store.get("a", "s")
        assert entry is not None and b"plainword" in entry.data
        second = await store.update("a", "s", secret("hiddenword"), entry.revision)
        assert b"hiddenword" in second.data
        stored = await backend.get(KEY)
        assert stored is not None and b"hiddenword" not in stored.value

    async def read_rotated(store: Cacher) -> None:
        entry = await store.get("a", "s")
        assert entry is not None and b"hiddenword" in entry.data
        third = await store.update("a", "s", secret("third"), entry.revision)
        await store.update("a", "s", secret("fourth"), third.revision)
        past = await store.get("a", "s", revision=2)
        assert past is not None and b"hiddenword" in past.data

    async def main() -> None:
        await with_store(backend, None, write_plain)
        await with_store(backend, AesGcmCipher([old]), write_sealed)
        await with_store(backend, AesGcmCipher([new, old]), read_rotated)

    run(main())


def test_moved_or_changed_bytes_and_lost_keys_are_noticed() -> None:
    cipher = AesGcmCipher([new_key()])
    sealed = cipher.seal(KEY, b"{}")
    assert cipher.open(KEY, sealed) == b"{}"
    for key, value in (("/registry/secrets/a/other", sealed), (KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]))):
        with pytest.raises(CipherError, match="stored bytes were changed"):
            cipher.open(key, value)
    with pytest.raises(CipherError, match="not among those given"):
        AesGcmCipher([new_key()]).open(KEY, sealed)
    with pytest.raises(CipherError, match="32 bytes"):
        AesGcmCipher([b"short"])

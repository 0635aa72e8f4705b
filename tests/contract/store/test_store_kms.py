"""Encryption at rest by a KMS plugin: the same keys, away and back, rotated, lost; bytes that were moved or changed."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.backends.backend import KeyUnavailable
from apiserver.backends.memory import MemoryBackend
from apiserver.storage.cacher import Cacher
from apiserver.storage.cipher import CipherError, Identity, ProviderCipher
from apiserver.storage.extract import extractor
from apiserver.storage.kms.data_keys import PlainKey, SeedKey, data_key
from apiserver.storage.kms.figures import KmsFigures
from apiserver.storage.kms.messages import (
    AES_GCM_KEY,
    SEED,
    BadEnvelope,
    KeySource,
    check_source,
    read_object,
)
from apiserver.storage.kms.provider import KmsProvider
from machinery.clock import LoopClock
from machinery.virtual_loop import run
from tests.fakes.kms_plugin import Keys, resealed

KEY = "/registry/secrets/a/s"
PREFIX = b"k8s:enc:kms:v2:p:"
Body = Callable[["Process"], Awaitable[None]]


class Process:
    """One API server's part in it: begins without any data key, as after a start."""

    def __init__(self, keys: Keys, backend: MemoryBackend) -> None:
        self.clock = LoopClock(asyncio.get_running_loop(), 1_700_000_000)
        self.figures = KmsFigures("server")
        self.provider = KmsProvider("p", keys, self.clock, random.Random(1), self.figures)
        self.cipher = ProviderCipher([self.provider, Identity()])
        self.store = Cacher(
            backend,
            prefix="/registry/secrets/",
            namespaced=True,
            extract=extractor({}, namespaced=True),
            clock=self.clock,
            rng=random.Random(1),
            cipher=self.cipher,
            window=1,
        )

    async def open(self, sealed: bytes, key: str = KEY) -> bytes:
        await self.cipher.fetch_keys(self.cipher.lacking([sealed]))
        return self.cipher.open(key, sealed)[0]


def secret(word: str, name: str = "s") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "a"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"k": word}}


async def within(keys: Keys, backend: MemoryBackend, body: Body) -> None:
    process = Process(keys, backend)
    await process.provider.check()
    await process.store.start()
    tasks = [asyncio.create_task(process.store.run()), asyncio.create_task(process.provider.run())]
    try:
        await body(process)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_restart_asks_the_plugin_once_for_each_data_key_and_reads_all() -> None:
    keys, backend = Keys(), MemoryBackend()

    async def write(process: Process) -> None:
        for n in range(20):
            await process.store.create("a", f"s{n}", secret("hiddenword", f"s{n}"))
        stored = await backend.get("/registry/secrets/a/s1")
        assert stored is not None and stored.value.startswith(PREFIX) and b"hiddenword" not in stored.value
        assert keys.asked == ["Status", "Encrypt"]

    async def read(process: Process) -> None:
        assert keys.asked == ["Status", "Encrypt", "Decrypt"]
        entry = await process.store.get("a", "s1")
        assert entry is not None and b"hiddenword" in entry.data and not process.store.is_stale(entry)
        old = await process.store.get("a", "s0", revision=1)
        assert old is not None and b"hiddenword" in old.data

    async def main() -> None:
        await within(keys, backend, write)
        keys.asked.clear()
        await within(keys, backend, read)

    run(main())


def test_rotated_key_makes_values_stale_until_they_are_written_again() -> None:
    keys, backend = Keys(), MemoryBackend()

    async def body(process: Process) -> None:
        store = process.store
        first = await store.create("a", "s", secret("word"))
        keys.rotate("key-2")
        await asyncio.sleep(59)
        assert not store.is_stale(first)
        await asyncio.sleep(2)
        assert store.is_stale(first)
        second = await store.update("a", "s", secret("word"), first.revision)
        assert not store.is_stale(second)
        stored = await backend.get(KEY)
        assert stored is not None and read_object(stored.value.removeprefix(PREFIX))[1].key_id == "key-2"
        keys.lose("key-1")
        assert b"word" in (await process.open(stored.value))

    async def again(process: Process) -> None:
        entry = await process.store.get("a", "s")
        assert entry is not None and b"word" in entry.data

    async def main() -> None:
        await within(keys, backend, body)
        await within(keys, backend, again)

    run(main())


def test_plugin_away_lets_reads_go_on_and_stops_writes_after_three_minutes_in_words() -> None:
    keys, backend = Keys(), MemoryBackend()

    async def body(process: Process) -> None:
        store = process.store
        first = await store.create("a", "s", secret("word"))
        keys.away = "the HSM is being moved"
        await asyncio.sleep(170)
        second = await store.update("a", "s", secret("more"), first.revision)
        await asyncio.sleep(20)
        with pytest.raises(
            KeyUnavailable, match=r'keyID hash "sha256:\w+" expired at 2023.*HSM is being moved'
        ):
            await store.update("a", "s", secret("even more"), second.revision)
        entry = await store.get("a", "s")
        assert entry is not None and b"more" in entry.data
        assert "HSM is being moved" in await process.provider.check()
        keys.away = ""
        await asyncio.sleep(11)
        assert await process.provider.check() == ""
        await store.update("a", "s", secret("even more"), second.revision)

    run(within(keys, backend, body))


def test_plugin_that_was_never_there_fails_writes_and_what_lies_under_its_keys() -> None:
    keys, backend = Keys(), MemoryBackend()

    async def write(process: Process) -> None:
        await process.store.create("a", "s", secret("word"))

    async def main() -> None:
        empty = MemoryBackend()
        keys.away = "not yet"

        async def body(process: Process) -> None:
            with pytest.raises(KeyUnavailable, match=r"has not yet sealed a key to encrypt with: .*not yet"):
                await process.store.create("a", "s", secret("word"))
            keys.away = ""
            await asyncio.sleep(11)
            await process.store.create("a", "s", secret("word"))

        await within(keys, empty, body)
        await within(keys, backend, write)
        keys.away = "gone"
        with pytest.raises(KeyUnavailable, match=r"kms plugin p: failed to decrypt DEK, error: .*gone"):
            await Process(keys, backend).store.start()

    run(main())


def test_feed_waits_for_a_key_that_another_server_made_and_nobody_sees_it_ahead() -> None:
    keys, backend = Keys(), MemoryBackend()

    async def body(process: Process) -> None:
        other = Process(keys, backend)
        await other.provider.check()
        store = process.store
        mine = await store.create("a", "s", secret("mine"))
        keys.away = "for a moment"
        watcher = store.watch(from_revision=mine.revision)
        sealed = other.cipher.seal("/registry/secrets/a/t", b'{"metadata":{"name":"t","namespace":"a"}}')
        put = await backend.put("/registry/secrets/a/t", sealed, expect=0)
        await asyncio.sleep(5)
        assert await store.revision() < put.revision and await store.get("a", "t") is None
        keys.away = ""
        await asyncio.sleep(5)
        entry = await store.get("a", "t")
        assert entry is not None and await store.revision() == put.revision
        async with watcher:
            batch = await anext(watcher)
        assert [event.entry.name for event in batch if event.entry] == ["t"]

    run(within(keys, backend, body))


def test_many_who_need_one_key_ask_the_plugin_once() -> None:
    async def main() -> None:
        keys, backend = Keys(), MemoryBackend()
        writer, reader = Process(keys, backend), Process(keys, backend)
        await writer.provider.check()
        sealed = [writer.cipher.seal(f"{KEY}{n}", b"v%d" % n) for n in range(5)]
        keys.asked.clear()
        opened = await asyncio.gather(*(reader.open(each, f"{KEY}{n}") for n, each in enumerate(sealed)))
        assert opened == [b"v%d" % n for n in range(5)] and keys.asked == ["Decrypt"]

    run(main())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda keys: setattr(keys, "healthz", "burning"), "got unexpected healthz status: burning"),
        (lambda keys: setattr(keys, "version", "v1"), "expected KMSv2 API version v2, got v1"),
        (lambda keys: setattr(keys, "version", "v2beta1"), "should not change after the initial"),
        (lambda keys: setattr(keys, "current", ""), "keyID is empty"),
        (lambda keys: setattr(keys, "current", "k" * 1025), "keyID is 1025 bytes, which exceeds"),
        (lambda keys: (keys.rotate("key-2"), setattr(keys, "encrypts_as", "key-1")), "failed to rotate DEK"),
    ],
)
def test_plugin_that_is_not_well_is_named_and_its_key_goes_on_until_it_expires(
    spoil: Callable[[Keys], object], message: str
) -> None:
    keys = Keys()

    async def body(process: Process) -> None:
        assert await process.provider.check() == ""
        before = process.cipher.seals_as
        spoil(keys)
        await asyncio.sleep(21)
        assert message in await process.provider.check()
        assert process.cipher.seals_as == before
        assert await process.open(process.cipher.seal(KEY, b"v")) == b"v"

    run(within(keys, MemoryBackend(), body))


@settings(max_examples=40, deadline=None)
@given(
    value=st.binary(max_size=200), cut=st.integers(0, 400), place=st.integers(0, 400), bit=st.integers(0, 7)
)
def test_what_one_process_wrote_another_reads_and_no_other_bytes_open(
    value: bytes, cut: int, place: int, bit: int
) -> None:
    async def main() -> None:
        keys, backend = Keys(), MemoryBackend()
        writer, reader = Process(keys, backend), Process(keys, backend)
        await writer.provider.check()
        sealed = writer.cipher.seal(KEY, value)
        assert await reader.open(sealed) == value
        with pytest.raises(CipherError, match="stored bytes were changed"):
            await reader.open(sealed, "/registry/secrets/a/other")
        content = sealed[len(PREFIX) :]
        changed = bytearray(content)
        changed[place % len(content)] ^= 1 << bit
        for wrong in (content[: cut % len(content)], bytes(changed)):
            with pytest.raises((CipherError, KeyUnavailable)):
                await reader.open(PREFIX + wrong)

    run(main())


def test_value_under_another_key_id_or_source_does_not_open() -> None:
    async def main() -> None:
        keys, backend = Keys(), MemoryBackend()
        process = Process(keys, backend)
        await process.provider.check()
        sealed = process.cipher.seal(KEY, b"v")
        _, source = read_object(sealed.removeprefix(PREFIX))
        keys.rotate("key-2")
        for wrong, message in (
            (KeySource(SEED, source.encrypted, "key-2", source.annotations), "the ciphertext was changed"),
            (KeySource(SEED, source.encrypted, "key-3", source.annotations), "no key key-3"),
            (KeySource(SEED, source.encrypted, source.key_id), "annotations are not those"),
        ):
            with pytest.raises(KeyUnavailable, match=message):
                await process.open(resealed(sealed, PREFIX, wrong))
        as_key = KeySource(AES_GCM_KEY, source.encrypted, source.key_id, source.annotations)
        with pytest.raises(CipherError, match="were changed"):
            await process.open(resealed(sealed, PREFIX, as_key))

    run(main())


def test_value_under_a_plain_data_key_is_read_and_stale() -> None:
    async def main() -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        keys, backend = Keys(), MemoryBackend()
        process = Process(keys, backend)
        await process.provider.check()
        secret_key = b"k" * 32
        told = await keys.encrypt("u", secret_key)
        source = KeySource(AES_GCM_KEY, told.ciphertext, told.key_id, told.annotations)
        data = b"n" * 12 + AESGCM(secret_key).encrypt(b"n" * 12, b"old", KEY.encode())
        from apiserver.storage.kms.messages import encrypted_object, source_fields

        stored = PREFIX + encrypted_object(data, source_fields(source))
        assert await process.open(stored) == b"old"
        assert process.cipher.open(KEY, stored)[1] != process.cipher.seals_as

    run(main())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (KeySource(2, b"x", "k"), "unknown encryptedDEKSourceType: 2"),
        (KeySource(SEED, b"", "k"), "encrypted DEK source is empty"),
        (KeySource(SEED, b"x" * 1025, "k"), "1025 bytes, which exceeds the max size of 1024"),
        (KeySource(SEED, b"x", ""), "keyID is empty"),
        (KeySource(SEED, b"x", "k" * 1025), "keyID is 1025 bytes"),
        (KeySource(SEED, b"x", "k", (("local", b""),)), "at least two segments"),
        (KeySource(SEED, b"x", "k", (("a.b", b"x" * 32766),)), "total size of annotations is 32769"),
    ],
)
def test_source_beyond_upstreams_limits_is_refused(source: KeySource, message: str) -> None:
    with pytest.raises(BadEnvelope, match=message):
        check_source(source)
    check_source(KeySource(SEED, b"x" * 1024, "k" * 1024, (("a.b.", b""),)))


# What upstream's own envelope stored at KEY by tools/upstream/kms, whose key is the SHA-256 of "key-1".
UPSTREAMS = base64.b64decode(
    b"azhzOmVuYzprbXM6djI6cDoKThe3TaHQ6T1aJ6ycre0AlCoq7+gGuXNcnZK6xtL9yFvw60kTxuyMlXaEglUWiPA+1UfmhTzg"
    b"qabUiGDFt52fLi8eT/27lQc7023RrzzE7BIFa2V5LTEaPMuRWWuc8PeGY2wZwr7Btu3nR3KdDA5Q/9c/pyc44l33YcdxlFrH"
    b"SRer0BR2/QaG5roievS7gEvuOTmCXiIdChVsb2NhbC1rZWsuZXhhbXBsZS5vcmcSBGtlawAoAQ=="
)


def test_value_that_upstream_has_sealed_is_read_but_nowhere_else() -> None:
    async def main() -> None:
        keys = Keys()
        keys.know("key-1", sha256(b"key-1").digest())
        process = Process(keys, MemoryBackend())
        assert await process.open(UPSTREAMS) == b"sealed by upstream"
        with pytest.raises(CipherError, match="were changed"):
            process.cipher.open("/registry/secrets/a/t", UPSTREAMS)

    run(main())


def test_short_seeds_and_values_are_refused() -> None:
    with pytest.raises(ValueError, match="invalid seed length 31"):
        data_key(SEED, b"s" * 31)
    for key in (SeedKey(b"s" * 32), PlainKey(b"s" * 32)):
        with pytest.raises(ValueError, match="shorter than the required size"):
            key.open(b"", b"x" * 11)

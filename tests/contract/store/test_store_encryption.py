"""Encryption at rest: nothing readable in the backend, everything readable through the store."""

from __future__ import annotations

import asyncio
import base64
import random
from typing import Any

import pytest

from apiserver.backends.memory import MemoryBackend
from apiserver.config_file import check_shape
from apiserver.storage.cacher import Cacher
from apiserver.storage.cipher import AesGcmCipher, CipherError, new_key, own_providers
from apiserver.storage.encryption_config import SHAPE, Encryption, check_config, parse_config
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
    assert cipher.open(KEY, sealed) == (b"{}", cipher.seals_as)
    for key, value in (("/registry/secrets/a/other", sealed), (KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]))):
        with pytest.raises(CipherError, match="stored bytes were changed"):
            cipher.open(key, value)
    with pytest.raises(CipherError, match="not among those given"):
        AesGcmCipher([new_key()]).open(KEY, sealed)
    with pytest.raises(CipherError, match="32 bytes"):
        AesGcmCipher([b"short"])


def config(*providers: dict[str, Any], resources: tuple[str, ...] = ("secrets",)) -> dict[str, Any]:
    entry = {"resources": list(resources), "providers": list(providers)}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [entry],
    }


def keys(kind: str, *names: str, length: int = 32) -> dict[str, Any]:
    made = [
        {"name": name, "secret": base64.b64encode((name * 32)[:length].encode()).decode()} for name in names
    ]
    return {kind: {"keys": made}}


IDENTITY: dict[str, Any] = {"identity": {}}


@pytest.mark.parametrize("kind", ["aescbc", "aesgcm", "secretbox"])
def test_each_provider_seals_and_notices_changes(kind: str) -> None:
    cipher = Encryption(parse_config(config(keys(kind, "k1"), IDENTITY))).cipher("", "secrets")
    for value in (b"{}", b"x" * 16, b"y" * 1000):
        sealed = cipher.seal(KEY, value)
        assert sealed.startswith(f"k8s:enc:{kind}:v1:k1:".encode()) and value not in sealed
        assert sealed != cipher.seal(KEY, value)
        assert cipher.open(KEY, sealed) == (value, cipher.seals_as)
    with pytest.raises(CipherError, match="stored bytes were changed"):
        cipher.open(KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert cipher.open(KEY, b"{}") == (b"{}", b"")
    only = Encryption(parse_config(config(keys(kind, "k2")))).cipher("", "secrets")
    with pytest.raises(CipherError, match="not among those given"):
        only.open(KEY, sealed)
    with pytest.raises(CipherError, match="no identity provider"):
        only.open(KEY, b"{}")


def test_first_key_writes_and_all_read_also_after_a_change_of_the_configuration() -> None:
    own = new_key()
    plain_file = AesGcmCipher([own])
    encryption = Encryption(parse_config(config(keys("aesgcm", "k1"), IDENTITY)), own_providers([own]))
    cipher = encryption.cipher("", "secrets")
    assert cipher.open(KEY, plain_file.seal(KEY, b"old")) == (b"old", plain_file.seals_as)
    first = cipher.seal(KEY, b"one")
    encryption.replace(parse_config(config(keys("secretbox", "k2"), keys("aesgcm", "k1"))))
    assert cipher.seals_as == b"k8s:enc:secretbox:v1:k2:"
    assert cipher.open(KEY, first) == (b"one", b"k8s:enc:aesgcm:v1:k1:")
    assert cipher.open(KEY, plain_file.seal(KEY, b"old"))[0] == b"old"


def test_stored_object_is_stale_until_it_is_written_by_the_first_key() -> None:
    backend = MemoryBackend()
    encryption = Encryption(parse_config(config(IDENTITY)))
    cipher: Any = encryption.cipher("", "secrets")

    async def body(store: Cacher) -> None:
        first = await store.create("a", "s", secret("word"))
        assert not store.is_stale(first)
        encryption.replace(parse_config(config(keys("secretbox", "k1"), IDENTITY)))
        there = await store.get("a", "s")
        assert there is not None and store.is_stale(there)
        second = await store.update("a", "s", secret("word"), there.revision)
        assert not store.is_stale(second)
        stored = await backend.get(KEY)
        assert stored is not None and stored.value.startswith(b"k8s:enc:secretbox:v1:k1:")

    async def main() -> None:
        await with_store(backend, cipher, body)

        async def again(store: Cacher) -> None:
            entry = await store.get("a", "s")
            assert entry is not None and b"word" in entry.data and not store.is_stale(entry)

        await with_store(backend, cipher, again)

    run(main())


def test_first_entry_that_names_a_resource_counts() -> None:
    several = config(keys("aesgcm", "k1"), resources=("secrets", "widgets.example.com"))
    several["resources"] += [
        {"resources": ["*.apps"], "providers": [keys("secretbox", "k2")]},
        {"resources": ["*.*"], "providers": [IDENTITY]},
    ]
    assert check_shape(several, SHAPE) == []
    encryption = Encryption(parse_config(several))
    expected = {
        ("", "secrets"): "aesgcm:v1:k1",
        ("example.com", "widgets"): "aesgcm:v1:k1",
        ("apps", "deployments"): "secretbox:v1:k2",
    }
    for resource, name in expected.items():
        assert encryption.cipher(*resource).seals_as == f"k8s:enc:{name}:".encode()
    assert encryption.cipher("", "pods").seals_as == b""
    core = Encryption(parse_config(config(keys("aesgcm", "k1"), resources=("*.",))))
    assert core.cipher("", "configmaps").seals_as and not core.cipher("apps", "deployments").seals_as


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        (config(keys("secretbox", "k", length=16)), "resources[0].providers[0].secretbox.keys[0].secret", "got 16"),
        (config(keys("aesgcm", "k", "k")), "resources[0].providers[0].aesgcm.keys[1].name", "Duplicate"),
        (config({"aesgcm": {"keys": []}}), "resources[0].providers[0].aesgcm.keys", "at least one key"),
        (config({"kms": {}}), "resources[0].providers[0].kms.apiVersion", "KMSv1 is deprecated"),
        (config({**keys("aesgcm", "k"), **IDENTITY}), "resources[0].providers[0]", "more than one provider"),
        (config(), "resources[0].providers", "at least one provider"),
        (config(IDENTITY, resources=()), "resources[0].resources", "at least one resource"),
        (config(IDENTITY, resources=("*",)), "resources[0].resources[0]", "'*.*' for everything"),
        (config(IDENTITY, resources=("Secrets",)), "resources[0].resources[0]", "capital letters"),
        (config(IDENTITY, resources=("*.*", "secrets")), "resources[0].resources[1]", "covers the resource already"),
        ({"kind": "X"}, "apiVersion", "Unsupported"),
    ],
)  # fmt: skip
def test_wrong_configuration_is_named(said: dict[str, Any], field: str, message: str) -> None:
    causes = check_config(said)
    assert [cause.field for cause in causes] == [field] and message in causes[0].message
    assert not any("QUFB" in cause.message for cause in causes)  # no key gets into a message

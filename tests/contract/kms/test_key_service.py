"""What a KMS plugin does, by our client on a socket and by the fake in memory alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from apiserver.storage.kms.figures import KmsFigures
from apiserver.storage.kms.messages import SEED, KeySource, Status
from apiserver.storage.kms.plugin import KeyService, Plugin, PluginError
from machinery.clock import SystemClock
from tests.fakes.kms_plugin import ANNOTATION, Keys, PluginServer

Body = Callable[[KeyService, Keys], Awaitable[None]]


def over_socket(path: Path, body: Body, timeout_s: float = 3.0) -> KmsFigures:
    figures = KmsFigures("server")

    async def main() -> None:
        keys = Keys()
        plugin = Plugin("p", f"unix://{path}", timeout_s, SystemClock(), figures)
        async with PluginServer(keys, path):
            await body(plugin, keys)
            await plugin.close()

    asyncio.run(main())
    return figures


@pytest.fixture(params=["in memory", "on a socket"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Body], None]:
    def run(body: Body) -> None:
        if request.param == "in memory":
            keys = Keys()
            asyncio.run(_awaited(body(keys, keys)))
        else:
            over_socket(tmp_path / "kms", body)

    return run


async def _awaited(it: Awaitable[None]) -> None:
    await it


def test_what_it_seals_it_opens_and_it_names_its_key(play: Callable[[Body], None]) -> None:
    async def body(service: KeyService, keys: Keys) -> None:
        assert await service.status() == Status("v2", "ok", "key-1")
        sealed = await service.encrypt("u", b"seed" * 8)
        assert sealed.key_id == "key-1" and b"seed" not in sealed.ciphertext
        assert sealed.annotations == ((ANNOTATION, b"kek\0"),)
        keys.rotate("key-2")
        source = KeySource(SEED, sealed.ciphertext, sealed.key_id, sealed.annotations)
        assert await service.decrypt("u", source) == b"seed" * 8

    play(body)


def test_refusal_comes_with_its_code_and_words(play: Callable[[Body], None]) -> None:
    async def body(service: KeyService, keys: Keys) -> None:
        sealed = await service.encrypt("u", b"x")
        keys.lose("key-1")
        with pytest.raises(PluginError, match="code = InvalidArgument desc = no key key-1") as caught:
            await service.decrypt("u", KeySource(SEED, sealed.ciphertext, "key-1", sealed.annotations))
        assert caught.value.code == "InvalidArgument"
        keys.away = "HSM über Bord"
        with pytest.raises(PluginError, match="Unavailable"):
            await service.status()

    play(body)


def test_plugin_that_comes_later_or_comes_back_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "kms"

    async def main() -> None:
        figures = KmsFigures()
        plugin = Plugin("p", f"unix://{path}", 5.0, SystemClock(), figures)
        early = asyncio.create_task(plugin.status())
        await asyncio.sleep(0.01)
        for _ in range(2):
            async with PluginServer(Keys(), path):
                assert (await early).key_id == "key-1"
            await asyncio.sleep(0.01)
            early = asyncio.create_task(plugin.status())
        early.cancel()
        await asyncio.gather(early, return_exceptions=True)
        await plugin.close()

    asyncio.run(main())


def test_plugin_that_is_away_is_an_error_within_the_time_limit_and_is_counted(tmp_path: Path) -> None:
    figures = KmsFigures("server")

    async def main() -> None:
        plugin = Plugin("p", f"unix://{tmp_path / 'nobody'}", 0.1, SystemClock(), figures)
        with pytest.raises(PluginError, match=r"DeadlineExceeded desc = no answer in 0.1s: .*No such file"):
            await plugin.status()
        await plugin.close()

    asyncio.run(main())
    calls = next(iter(figures.collect()))
    counted = next(sample for sample in calls.samples if sample.name.endswith("_count"))
    assert counted.value == 1
    assert counted.labels == {
        "provider_name": "p",
        "method_name": "/v2.KeyManagementService/Status",
        "grpc_status_code": "DeadlineExceeded",
    }


def test_abstract_socket_is_reached() -> None:
    async def main() -> None:
        name = f"kctl-test-{id(main)}"
        keys = Keys()
        plugin = Plugin("p", f"unix:///@{name}", 3.0, SystemClock(), KmsFigures())
        async with PluginServer(keys, Path("\0" + name)):
            assert (await plugin.status()).key_id == "key-1"
            await plugin.close()

    asyncio.run(main())

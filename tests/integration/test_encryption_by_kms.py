"""A whole API server with a KMS plugin on a socket: kept Secrets, the plugin away and back, another one put first."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tls_site import Site, serving, stored_now, until

from apiserver import __main__ as program
from apiserver import config_file
from apiserver.storage.kms import provider
from machinery.errors import ApiError, InternalError
from machinery.gvk import SECRETS
from tests.fakes.kms_plugin import Keys, PluginServer

SECRET = {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"k": "hunter2-plain"}}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(config_file, "EVERY_S", 0.02)
    monkeypatch.setattr(provider, "EVERY_S", 0.05)
    monkeypatch.setattr(provider, "AGAIN_S", 0.02)
    monkeypatch.setattr(provider, "WRITABLE_S", 0.5)
    monkeypatch.setattr(provider, "_CHECKED_S", 0.0)
    monkeypatch.setattr(provider, "_FAILED_S", 0.0)
    thresholds = gc.get_threshold()
    yield Site(tmp_path)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def kms(site: Site, *names: str) -> Any:
    providers: list[Any] = [
        {"kms": {"apiVersion": "v2", "name": name, "endpoint": f"unix://{site.folder / name}", "timeout": "500ms"}}
        for name in names
    ]  # fmt: skip
    entry = {"resources": ["secrets"], "providers": [*providers, {"identity": {}}]}
    kind = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    return {**kind, "resources": [entry]}


def flags(site: Site) -> list[str]:
    config = site.file("encryption", kms(site, "p1"))
    return site.flags(
        f"--encryption-provider-config={config}", "--encryption-provider-config-automatic-reload"
    )


async def asked(site: Site, path: str) -> tuple[int, str]:
    answer = await site.admin().transport.request("GET", path)
    return answer.status, answer.body.decode()


def test_secrets_by_a_plugin_that_goes_and_comes_and_is_replaced(site: Site) -> None:
    first, second = Keys(), Keys()

    async def body() -> None:
        admin = site.admin()
        refusals: list[str] = []

        async def well() -> bool:
            return await asked(site, "/readyz/kms-providers") == (200, "ok")

        async def reloaded(status: str) -> bool:
            _, metrics = await asked(site, "/metrics")
            lines = [line for line in metrics.splitlines() if "controller_automatic_reloads_total{" in line]
            return any(f'status="{status}"' in line for line in lines)

        async with PluginServer(first, site.folder / "p1"):

            async def writable() -> bool:
                try:
                    await admin.create(SECRETS, SECRET)
                except InternalError as error:
                    refusals.append(str(error))
                    return False
                return True

            await until(writable)  # the plugin came after the server
            assert all("kms plugin p1" in each for each in refusals)
            await until(well)
            _, metrics = await asked(site, "/metrics")
            assert 'key_id_hash_total{apiserver_id_hash="sha256:' in metrics
            assert 'apiserver_envelope_encryption_dek_source_cache_size{provider_name="p1"} 1.0' in metrics
        secret = await admin.get(SECRETS, "s", "default")
        secret["metadata"]["labels"] = {"n": "0"}

        async def refused() -> bool:
            try:
                secret.update(await admin.update(SECRETS, secret))
            except InternalError as error:
                assert "Internal error occurred: encryptedDEKSource with keyID hash" in str(error)
                return True
            secret["metadata"]["labels"] = {"n": str(int(secret["metadata"]["labels"]["n"]) + 1)}
            return False

        await until(refused)
        assert (await admin.get(SECRETS, "s", "default"))["data"]["k"]
        status, text = await asked(site, "/readyz")
        assert status == 500 and "[-]kms-providers failed: failed to perform status section" in text
        assert (await asked(site, "/livez"))[0] == 200
        async with PluginServer(first, site.folder / "p1"):
            site.file("encryption", kms(site, "p2", "p1"))  # p2 is not there: what was read before stays
            await until(lambda: reloaded("failure"))
            assert not second.asked
            await until(well)
            async with PluginServer(second, site.folder / "p2"):

                async def rewritten() -> bool:
                    before = await admin.get(SECRETS, "s", "default")
                    try:
                        after = await admin.update(SECRETS, before)
                    except ApiError:
                        return False
                    stored = second.asked.count("Encrypt") > 0
                    return (
                        stored
                        and after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
                    )

                await until(rewritten)
                await until(lambda: reloaded("success"))
                _, metrics = await asked(site, "/metrics")
                applies = sha256((site.folder / "encryption").read_bytes()).hexdigest()
                assert f'hash="sha256:{applies}"' in metrics

    serving(site, flags(site), body)
    assert stored_now(site, "/registry/secrets/default/s").startswith(b"k8s:enc:kms:v2:p2:")


def test_start_without_the_plugin_that_secrets_lie_under_says_so(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    given = flags(site)

    async def write() -> None:
        async with PluginServer(Keys(), site.folder / "p1"):
            admin = site.admin()

            async def written() -> bool:
                try:
                    await admin.create(SECRETS, SECRET)
                except InternalError:
                    return False
                return True

            await until(written)

    serving(site, given, write)
    assert program.main(given) == 1
    assert "kms plugin p1: failed to decrypt DEK, error: rpc error" in capsys.readouterr().err

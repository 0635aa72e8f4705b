"""A proxy before a whole API server: believed by its certificate and its name, and by nothing else."""

from __future__ import annotations

import gc
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from https_world import Authority
from tls_site import Site, serving, until

from apiserver import __main__ as program
from apiserver import config_file
from client.http1 import HttpTransport
from client.transport import TransportError

JANE = {"X-Remote-User": "jane", "X-Remote-Group": "dev", "X-Remote-Uid": "42", "X-Remote-Extra-Why": "x"}
HEADERS = (
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-uid-headers=X-Remote-Uid",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
)
Pair = tuple[Path, Path]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(config_file, "EVERY_S", 0.02)
    thresholds = gc.get_threshold()
    yield Site(tmp_path)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


async def who(site: Site, pair: Pair | None, headers: dict[str, str]) -> tuple[int, Any]:
    """(status, the caller as the server knows it)."""
    context: ssl.SSLContext = site.authority.client_context(pair)
    transport = HttpTransport(site.url, ssl_context=context)
    try:
        body = b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
        sent = {"content-type": "application/json", **headers}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        answer = await transport.request("POST", path, body=body, headers=sent)
        said = orjson.loads(answer.body)
        return answer.status, said["status"]["userInfo"] if answer.status == 201 else said["message"]
    finally:
        await transport.close()


def test_only_the_proxies_certificate_makes_headers_count(site: Site) -> None:
    proxies = Authority(site.folder, "proxies")
    proxy = proxies.issue("proxy", "front-proxy-client")
    flags = (
        f"--requestheader-client-ca-file={proxies.file}",
        "--requestheader-allowed-names=front-proxy-client",
    )

    async def body() -> None:
        status, jane = await who(site, proxy, JANE)
        assert status == 201
        assert jane == {
            "username": "jane",
            "uid": "42",
            "groups": ["dev", "system:authenticated"],
            "extra": {"why": ["x"]},
        }
        assert (await who(site, proxy, {}))[0] == 401
        _, words = await who(site, proxies.issue("other", "somebody"), JANE)
        assert "cn=somebody is not in the allowed list" in words
        _, root = await who(site, site.authority.issue("admin", "front-proxy-client", ("ops",)), JANE)
        assert root["username"] == "front-proxy-client" and "ops" in root["groups"]
        assert (await who(site, None, JANE))[0] == 401
        # The proxies' CA is replaced: whom the old one signed is not believed any more, the next one is.
        other = Authority(site.folder, "next")
        proxies.file.write_bytes(other.pem)
        late = other.issue("late", "front-proxy-client")

        async def taken_up() -> bool:
            try:
                return (await who(site, late, JANE))[0] == 201
            except (TransportError, OSError):
                return False

        await until(taken_up)
        with pytest.raises((TransportError, OSError)):
            await who(site, proxy, JANE)

    serving(site, site.flags("--store=memory", *flags, *HEADERS), body)


def test_without_the_flags_nobody_is_believed_and_half_of_them_are_refused(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    proxies = Authority(site.folder, "proxies")
    proxy = proxies.issue("proxy", "front-proxy-client")

    async def body() -> None:
        with pytest.raises((TransportError, OSError)):
            await who(site, proxy, JANE)
        _, root = await who(site, site.authority.issue("admin", "root"), JANE)
        assert root["username"] == "root"

    ours = [f"--{word}={path}" for word, path in zip(("proxy-client-cert-file", "proxy-client-key-file"), proxy, strict=True)]  # fmt: skip
    serving(site, site.flags("--store=memory", f"--requestheader-client-ca-file={proxies.file}", *ours), body)
    for flags, message in (
        (HEADERS, "needs --requestheader-client-ca-file"),
        (("--requestheader-allowed-names=x",), "need --requestheader-username-headers"),
        (("--requestheader-username-headers=X-Remote-User,",), "lists an empty word"),
    ):
        assert program.main(site.flags("--store=memory", *flags)) == 1
        assert message in capsys.readouterr().err

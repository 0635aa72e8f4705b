"""Webhooks that a changed file replaces, and addresses as issuers give them."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
from pathlib import Path
from typing import Any, cast

import pytest
from https_world import Authority, https_server

from apiserver.auth.access_webhook import AccessWebhook
from apiserver.auth.chain import Security
from apiserver.auth.issuer_keys import FetchFailed, read_keys
from apiserver.security import FlaggedSecurity, fetch_by
from apiserver.security_flags import add_flags
from machinery import virtual_loop
from machinery.clock import LoopClock

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "users": [{"name": "u", "user": {}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
}


class Authorizers:
    """What a Security is asked to take over."""

    def __init__(self) -> None:
        self.authorizer = self
        self.now: Any = None

    def authorizers_of(self, modes: Any) -> Any:
        return modes

    def replace(self, authorizers: Any) -> None:
        self.now = authorizers


def configured(file: Path, kubeconfig: Path, *, ttl: str) -> None:
    file.write_text(
        "{apiVersion: apiserver.config.k8s.io/v1, kind: AuthorizationConfiguration, authorizers: [{type: Webhook, "
        f"name: far, webhook: {{timeout: 3s, authorizedTTL: {ttl}, subjectAccessReviewVersion: v1, "
        "failurePolicy: Deny, connectionInfo: "
        f"{{type: KubeConfigFile, kubeConfigFile: {kubeconfig}}}}}}}]}}"
    )
    os.utime(file, (len(ttl), len(ttl)))


def test_replaced_authorization_webhook_is_closed_when_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, kubeconfig = tmp_path / "authz.yaml", tmp_path / "webhook"
    kubeconfig.write_text(json.dumps(KUBECONFIG))
    configured(file, kubeconfig, ttl="9s")
    closed: list[AccessWebhook] = []

    async def close(hook: AccessWebhook) -> None:
        closed.append(hook)

    monkeypatch.setattr(AccessWebhook, "close", close)
    parser = argparse.ArgumentParser()
    add_flags(parser)
    options = parser.parse_args(["--authorization-config", str(file)])

    async def main(clock: LoopClock) -> None:
        flagged = FlaggedSecurity(options, clock, random.Random(1))
        (first,) = flagged.options.modes
        security = Authorizers()
        async with asyncio.TaskGroup() as group:
            following = group.create_task(flagged.follow(cast(Security, security)))
            await clock.sleep(1)
            configured(file, kubeconfig, ttl="10s")
            await clock.sleep(11)
            (second,) = security.now
            assert second is not first and closed == []
            await clock.sleep(31)
            assert closed == [first]
            following.cancel()
        assert closed == [first, second]

    virtual_loop.run(main)


@pytest.mark.parametrize(
    "keys",
    [
        5,
        {"kty": "RSA"},
        [
            3,
            {"kty": ["RSA"]},
            {"kty": "RSA"},
            {"kty": "EC", "crv": "P-0", "x": 1, "y": "!"},
            {"kty": "RSA", "n": {}},
        ],
    ],
)
def test_keys_that_cannot_be_read_spoil_nothing(keys: Any) -> None:
    assert read_keys({"keys": keys}) == []


def test_addresses_that_are_none_are_told(tmp_path: Path) -> None:
    fetch = fetch_by("")

    async def fetched(at: str) -> bytes:
        return await fetch(at)

    for url in ("https://[", "https://a:b/", "https://127.0.0.1:1/x"):
        with pytest.raises(FetchFailed, match=re.escape(url)):
            asyncio.run(fetched(url))


def test_address_of_an_issuers_keys_may_hold_a_query(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with https_server(authority, lambda method, path, body: (200, {"path": path})) as url:
        fetch = fetch_by(authority.pem.decode())

        async def fetched(at: str) -> bytes:
            return await fetch(at)

        assert asyncio.run(fetched(f"{url}/keys?p=policy")) == b'{"path": "/keys?p=policy"}'
        assert asyncio.run(fetched(url)) == b'{"path": "/"}'

"""Whom a bootstrap token's Secret makes of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from apiserver.auth.bootstrap_tokens import BootstrapTokenAuthenticator, user_of
from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from machinery.clock import rfc3339

Obj = dict[str, Any]
NOW = 1_800_000_000.0


def secret(type_: str = "bootstrap.kubernetes.io/token", **changes: str) -> Obj:
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **{key.replace("_", "-"): value for key, value in changes.items()},
    }
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "type": type_,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (secret("Opaque"), "invalid type"),
        (secret(token_secret="0000000000000000"), "another one"),
        (secret(token_id="fedcba"), "another one"),
        (secret(expiration=rfc3339(NOW)), "expired"),
        (secret(expiration="tomorrow"), "expired"),
        (secret(usage_bootstrap_authentication="false"), "not marked"),
        (secret(auth_extra_groups="system:masters"), "invalid groups: system:masters"),
    ],
)
def test_token_that_does_not_hold_makes_nobody(obj: Obj, why: str) -> None:
    found = user_of(obj, "abcdef", "0123456789abcdef", NOW)
    assert isinstance(found, str) and why in found


def test_token_makes_a_bootstrapper_while_its_secret_is_there(
    with_cluster: Callable[..., None], ec_pem: bytes
) -> None:
    async def body(cluster: Any) -> None:
        known = BootstrapTokenAuthenticator(cluster.caches["secrets"], cluster.clock)
        shown = Credentials(bearer_token="abcdef.0123456789abcdef")
        assert await known.authenticate(shown) is None
        later = rfc3339(cluster.clock.now() + 60)
        await cluster.put(
            "secrets",
            secret(expiration=later, auth_extra_groups="system:bootstrappers:b,system:bootstrappers:a"),
        )
        groups = (
            "system:bootstrappers",
            "system:bootstrappers:a",
            "system:bootstrappers:b",
            "system:authenticated",
        )
        assert await known.authenticate(shown) == User("system:bootstrap:abcdef", groups)
        assert await known.authenticate(Credentials(bearer_token="abcdef.0123456789abcdee")) is None
        await cluster.clock.sleep(61)
        assert await known.authenticate(shown) is None

    with_cluster(body, ec_pem)

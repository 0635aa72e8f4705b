"""Secrets that a pod may use: those of its account where that limits them, none where it mirrors a node's own pod."""

from __future__ import annotations

import asyncio
import random
from typing import Any, cast

import pytest
from admission_requests import asking, go, things

from api.core.v1.serviceaccount import ENFORCE_MOUNTABLE_SECRETS, SERVICEACCOUNT
from apiserver.admission.service_account import MIRROR, ServiceAccount
from machinery.clock import Clock
from machinery.errors import Forbidden

Obj = dict[str, Any]
OF_S = {"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
OF_T = {"name": "E", "valueFrom": {"secretKeyRef": {"name": "t", "key": "k"}}}
NOT_T = 'secret.secretName="t" is not allowed because service account a does not reference that secret'


def account(enforced: str = "true") -> ServiceAccount:
    told = {
        "metadata": {"name": "a", "namespace": "a", "annotations": {ENFORCE_MOUNTABLE_SECRETS: enforced}},
        "secrets": [{"name": "s"}],
        "imagePullSecrets": [{"name": "p"}],
        "automountServiceAccountToken": False,
    }
    return ServiceAccount(things(told), random.Random(1), cast(Clock, None))


def pod(**spec: Any) -> Obj:
    made = {"containers": [{"name": "c"}], "serviceAccountName": "a", **spec}
    return {"metadata": {"name": "x"}, "spec": made}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"volumes": [{"name": "v", "secret": {"secretName": "t"}}]}, f"volume with {NOT_T}"),
        ({"containers": [{"name": "c", "env": [OF_T]}]}, f"container c with envVar E referencing {NOT_T}"),
        (
            {"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "t"}}]}]},
            f"init container i with envFrom referencing {NOT_T}",
        ),
        (
            {"imagePullSecrets": [{"name": "p"}, {"name": "t"}]},
            'imagePullSecrets[1].name="t" is not allowed because service account a does not reference that imagePullSecret',
        ),
    ],
)
def test_an_account_that_limits_secrets_refuses_others(spec: Obj, why: str) -> None:
    with pytest.raises(Forbidden) as refused:
        go(account(), asking("CREATE", "pods", pod(**spec)))
    assert str(refused.value) == f'pods "x" is forbidden: {why}'
    go(account("no"), asking("CREATE", "pods", pod(**spec)))


def test_an_account_that_limits_secrets_takes_its_own_and_projected_ones() -> None:
    volumes = [
        {"name": "v", "secret": {"secretName": "s"}},
        {"name": "w", "projected": {"sources": [{"secret": {"name": "t"}}]}},
    ]
    made = go(account(), asking("CREATE", "pods", pod(volumes=volumes, containers=[{"env": [OF_S]}])))
    assert made.obj and made.obj["spec"]["imagePullSecrets"] == [{"name": "p"}]


def test_ephemeral_containers_are_limited_and_the_others_left_alone() -> None:
    before = pod(containers=[{"name": "c", "env": [OF_T]}])
    ours = pod(**before["spec"], ephemeralContainers=[{"name": "e", "env": [OF_S]}])
    go(account(), asking("UPDATE", "pods", ours, old=before, subresource="ephemeralcontainers"))
    other = pod(**before["spec"], ephemeralContainers=[{"name": "e", "env": [OF_T]}])
    with pytest.raises(Forbidden, match="ephemeral container e with envVar E referencing"):
        go(account(), asking("UPDATE", "pods", other, old=before, subresource="ephemeralcontainers"))


def test_what_a_webhook_puts_in_is_limited_too() -> None:
    async def main() -> None:
        request, plugin = asking("CREATE", "pods", pod()), account()
        await plugin.admit(request)
        assert request.obj
        request.obj["spec"]["containers"][0]["env"] = [OF_T]
        with pytest.raises(Forbidden, match="envVar E referencing"):
            await plugin.validate(request)
        request.obj["spec"]["serviceAccountName"] = ""
        with pytest.raises(Forbidden, match="no service account specified for pod a/x"):
            await plugin.validate(request)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"serviceAccountName": "a"}, "a mirror pod may not reference service accounts"),
        ({"volumes": [{"secret": {"secretName": "s"}}]}, "a mirror pod may not reference secrets"),
        ({"containers": [{"env": [OF_S]}]}, "a mirror pod may not reference secrets"),
        (
            {"volumes": [{"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
    ],
)
def test_a_mirror_pod_may_use_nothing_that_only_the_api_has(spec: Obj, why: str) -> None:
    mirror = {"metadata": {"name": "x", "annotations": {MIRROR: "m"}}, "spec": spec}
    with pytest.raises(Forbidden, match=why):
        go(account(), asking("CREATE", "pods", mirror))


def test_who_begins_to_limit_secrets_is_told_that_it_is_deprecated() -> None:
    limited = {"metadata": {"name": "a", "annotations": {ENFORCE_MOUNTABLE_SECRETS: "true"}}}
    told = SERVICEACCOUNT.strategy.warnings
    assert list(told(limited, None)) == [
        "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; "
        "prefer separate namespaces to isolate access to mounted secrets"
    ]
    assert list(told(limited, {"metadata": {"name": "a"}})) == list(told(limited, None))
    assert list(told(limited, limited)) == []

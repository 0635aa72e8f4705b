"""Fills Secrets of type kubernetes.io/service-account-token, and removes them with their account.

Owns     the data of those Secrets (token, ca.crt, namespace) and their annotation with the account's uid.
Woken by changes of those Secrets, and by the coming and going of ServiceAccounts.

Invariants: a token is written once and then left alone; a Secret whose account is gone, or another of the same name, goes.
Such tokens do not expire and are for programs outside that can have no other: TokenRequest is the better way.
Source: Kubernetes "Managing Service Accounts", token controller.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from controllers.framework import Context, Index, Key, Reconciler, Watch, reconciler
from machinery.errors import NotFound
from machinery.gvk import SECRETS, SERVICEACCOUNTS
from machinery.objects import annotations as annotations_of
from machinery.objects import is_being_deleted, uid

Obj = dict[str, Any]

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
ISSUER = "kubernetes/serviceaccount"
_CLAIMS = "kubernetes.io/serviceaccount"
_BY_ACCOUNT = "account"


class SignClaims(Protocol):
    def __call__(self, claims: Mapping[str, Any]) -> str:
        """A JWT that the API server believes."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """`remove` it, or write `data` and the uid where there is any `data`."""

    remove: bool = False
    data: Mapping[str, str] | None = None


def plan(secret: Obj, account: Obj | None, ca_bundle: str, sign: SignClaims) -> Plan:
    said = annotations_of(secret).get(ACCOUNT_UID, "")
    if account is None or (said and said != uid(account)):
        return Plan(remove=True)
    namespace = secret["metadata"]["namespace"]
    there = secret.get("data") or {}
    wanted = {"namespace": namespace.encode()}
    if ca_bundle:
        wanted["ca.crt"] = ca_bundle.encode()
    data = {key: base64.b64encode(value).decode() for key, value in wanted.items()}
    if not there.get("token"):
        data["token"] = base64.b64encode(sign(claims_of(secret, account)).encode()).decode()
    if said and all(there.get(key) == value for key, value in data.items()):
        return Plan()
    return Plan(data={**there, **data})


def claims_of(secret: Obj, account: Obj) -> dict[str, str]:
    namespace, name = secret["metadata"]["namespace"], account["metadata"]["name"]
    return {
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{namespace}:{name}",
        f"{_CLAIMS}/namespace": namespace,
        f"{_CLAIMS}/secret.name": secret["metadata"]["name"],
        f"{_CLAIMS}/service-account.name": name,
        f"{_CLAIMS}/service-account.uid": uid(account),
    }


def secret_to_account(secret: Obj) -> Iterable[str]:
    name = annotations_of(secret).get(ACCOUNT_NAME)
    return (f"{secret['metadata']['namespace']}/{name}",) if name else ()


def _account_to_secrets(ctx: Context, account: Obj) -> Iterable[Key]:
    meta = account["metadata"]
    found = ctx.lister(SECRETS).by_index(_BY_ACCOUNT, f"{meta['namespace']}/{meta['name']}")
    return [Key(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found]


def service_account_tokens(sign: SignClaims, ca_bundle: str) -> Reconciler:
    @reconciler(
        SECRETS,
        name="serviceaccount-token",
        watches=(
            Watch(SERVICEACCOUNTS, _account_to_secrets, relevant=lambda old, new: uid(old) != uid(new)),
        ),
        indexes=(Index(SECRETS, _BY_ACCOUNT, secret_to_account),),
        event_source="serviceaccount-token-controller",
        fields={SECRETS: f"type={TYPE}"},
    )
    async def reconcile(ctx: Context, key: Key) -> float | None:
        secret = ctx.get(key)
        if secret is None or secret.get("type") != TYPE or is_being_deleted(secret):
            return None
        name = annotations_of(secret).get(ACCOUNT_NAME)
        if not name:
            return None
        account = ctx.lister(SERVICEACCOUNTS).get(key.namespace, name) or await _asked(
            ctx, key.namespace, name
        )
        planned = plan(secret, account, ca_bundle, sign)
        if planned.remove:
            await _remove(ctx, key, uid(secret))
        elif planned.data is not None and account is not None:
            meta = dict(secret["metadata"])
            meta["annotations"] = {**annotations_of(secret), ACCOUNT_UID: uid(account)}
            await ctx.client.update(SECRETS, {**secret, "metadata": meta, "data": dict(planned.data)})
        return None

    return reconcile


async def _asked(ctx: Context, namespace: str, name: str) -> Obj | None:
    """The server's word: an account that the cache does not have yet must not cost it its tokens."""
    try:
        return await ctx.client.get(SERVICEACCOUNTS, name, namespace)
    except NotFound:
        return None


async def _remove(ctx: Context, key: Key, secret_uid: str) -> None:
    try:
        await ctx.client.delete(SECRETS, key.name, key.namespace, uid=secret_uid)
    except NotFound:
        return

"""Signs what a joining machine reads before it trusts anybody: the ConfigMap `cluster-info` in kube-public.

Owns     the `jws-kubeconfig-ID` entries of that ConfigMap: one for each bootstrap token that may sign. Where it is told
         how the cluster is reached from outside, it also keeps the ConfigMap and its kubeconfig there.
Woken by changes of bootstrap tokens and of the ConfigMap.

Invariant: a signature is of the kubeconfig that stands beside it; one whose token is gone, is gone too.
Source: Kubernetes "Authenticating with Bootstrap Tokens", ConfigMap Signing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

from api.core.v1.bootstrap_token import NAMESPACE as TOKENS_IN
from api.core.v1.bootstrap_token import PREFIX, SIGNS, TYPE, expires_s, token_data
from controllers.framework import Context, Key, Reconciler, Watch, reconciler
from machinery.errors import AlreadyExists
from machinery.gvk import CONFIGMAPS, SECRETS
from machinery.objects import is_being_deleted

Obj = dict[str, Any]

NAMESPACE, NAME = "kube-public", "cluster-info"
KUBECONFIG = "kubeconfig"
SIGNATURE_PREFIX = "jws-kubeconfig-"
_KEY = Key(NAMESPACE, NAME)
TOKENS_ONLY = {SECRETS: f"type={TYPE},metadata.namespace={TOKENS_IN}"}


def signing_tokens(secrets: Iterable[Obj], now: float) -> dict[str, str]:
    """Token id → secret, of the tokens that may sign now."""
    found = {}
    for secret in secrets:
        data = token_data(secret)
        token_id, end = data.get("token-id", ""), expires_s(data)
        if secret.get("type") != TYPE or secret["metadata"]["name"] != PREFIX + token_id:
            continue
        usable = data.get(SIGNS) == "true" and not is_being_deleted(secret)
        if usable and data.get("token-secret") and (end is None or now < end):
            found[token_id] = data["token-secret"]
    return found


def detached_signature(content: str, token_id: str, secret: str) -> str:
    """A JWS by HS256 whose payload is left out: `header..signature`."""

    def b64(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    header = b64(json.dumps({"alg": "HS256", "kid": token_id}, separators=(",", ":")).encode())
    signed = f"{header}.{b64(content.encode())}".encode()
    return f"{header}..{b64(hmac.new(secret.encode(), signed, hashlib.sha256).digest())}"


def plan_data(data: Mapping[str, str], kubeconfig: str, tokens: Mapping[str, str]) -> dict[str, str]:
    """The ConfigMap's data as it should be. An empty `kubeconfig` leaves the one that is there."""
    planned = {key: value for key, value in data.items() if not key.startswith(SIGNATURE_PREFIX)}
    if kubeconfig:
        planned[KUBECONFIG] = kubeconfig
    content = planned.get(KUBECONFIG, "")
    if content:
        for token_id, secret in sorted(tokens.items()):
            planned[SIGNATURE_PREFIX + token_id] = detached_signature(content, token_id, secret)
    return planned


def public_kubeconfig(server: str, ca_bundle: str) -> str:
    """How the cluster is reached, with nobody's credentials. JSON is YAML."""
    authority = base64.b64encode(ca_bundle.encode()).decode()
    cluster = {"certificate-authority-data": authority, "server": server}
    content: Obj = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "", "cluster": cluster}],
        "contexts": None,
        "current-context": "",
        "preferences": {},
        "users": None,
    }
    return json.dumps(content, indent=1) + "\n"


def _to_cluster_info(ctx: Context, obj: Obj) -> Iterable[Key]:
    return (_KEY,)


def bootstrap_signer(kubeconfig: str = "") -> Reconciler:
    """`kubeconfig` is what the ConfigMap is to hold; "" signs what somebody else has put there."""

    @reconciler(
        CONFIGMAPS,
        name="bootstrapsigner",
        watches=(Watch(SECRETS, _to_cluster_info),),
        event_source="bootstrap-signer",
        fields={**TOKENS_ONLY, CONFIGMAPS: f"metadata.namespace={NAMESPACE}"},
    )
    async def reconcile(ctx: Context, key: Key) -> float | None:
        if key != _KEY:
            return None
        secrets = ctx.lister(SECRETS).list(TOKENS_IN)
        tokens = signing_tokens(secrets, ctx.now)
        there = ctx.get(key)
        if there is None:
            if kubeconfig and tokens:
                await _create(ctx, plan_data({}, kubeconfig, tokens))
        else:
            data = plan_data(there.get("data") or {}, kubeconfig, tokens)
            if data != (there.get("data") or {}):
                await ctx.client.update(CONFIGMAPS, {**there, "data": data})
        ends = [
            end for secret in secrets if (end := expires_s(token_data(secret))) is not None and end > ctx.now
        ]
        return min(ends) - ctx.now if ends else None

    return reconcile


async def _create(ctx: Context, data: Mapping[str, str]) -> None:
    metadata = {"name": NAME, "namespace": NAMESPACE}
    try:
        await ctx.client.create(
            CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
        )
    except AlreadyExists:
        return

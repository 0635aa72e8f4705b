"""Removes bootstrap tokens that have expired.

Owns     the end of Secrets of type bootstrap.kubernetes.io/token in kube-system.
Woken by changes of those Secrets, and when the time of one has come.
"""

from __future__ import annotations

from api.core.v1.bootstrap_token import TYPE, expires_s, token_data
from controllers.bootstrapsigner import TOKENS_ONLY
from controllers.framework import Context, Key, reconciler
from machinery.errors import NotFound
from machinery.gvk import SECRETS


@reconciler(SECRETS, name="tokencleaner", event_source="token-cleaner", fields=TOKENS_ONLY)
async def reconcile(ctx: Context, key: Key) -> float | None:
    secret = ctx.get(key)
    if secret is None or secret.get("type") != TYPE:
        return None
    end = expires_s(token_data(secret))
    if end is None:
        return None
    if end > ctx.now:
        return end - ctx.now
    try:
        await ctx.client.delete(SECRETS, key.name, key.namespace)
    except NotFound:
        return None
    return None

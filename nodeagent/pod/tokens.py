"""Service account tokens for pods: asked of the API server by TokenRequest, bound to the pod, renewed at 80 %
of their life (or after a day). Tokens live in memory and in the pod's tmpfs, nowhere else.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from client.client import Client
from machinery.clock import Clock, parse_rfc3339
from machinery.gvk import SERVICEACCOUNTS
from nodeagent import podspec
from nodeagent.hooks.hook import TokenRef
from nodeagent.podspec import Obj

MAX_AGE_S = 24 * 3600.0
JITTER_S = 10.0


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float
    expires_at: float


class Tokens:
    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._tokens: dict[tuple[str, TokenRef], _Token] = {}
        self._asking: dict[tuple[str, TokenRef], asyncio.Lock] = {}

    async def get(self, pod: Obj, ref: TokenRef) -> str:
        """Raises ApiError or TransportError when there is none that still holds."""
        key = (podspec.uid_of(pod), ref)
        async with self._asking.setdefault(key, asyncio.Lock()):
            now = self._clock.now()
            held = self._tokens.get(key)
            if held is not None and now < held.renew_at:
                return held.text
            try:
                fresh = await self._request(pod, ref, now)
            except Exception:
                if held is not None and now < held.expires_at:
                    return held.text
                raise
            self._tokens[key] = fresh
            return fresh.text

    def next_renewal(self, uid: str) -> float | None:
        return min((t.renew_at for (owner, _), t in self._tokens.items() if owner == uid), default=None)

    def drop(self, uid: str) -> None:
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]
        for key in [key for key in self._asking if key[0] == uid]:
            del self._asking[key]

    async def _request(self, pod: Obj, ref: TokenRef, now: float) -> _Token:
        account = podspec.spec_of(pod).get("serviceAccountName") or "default"
        spec: Obj = {
            "audiences": [ref.audience] if ref.audience else [],
            "expirationSeconds": ref.expiration_s,
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": podspec.name_of(pod),
                "uid": podspec.uid_of(pod),
            },
        }
        request: Obj = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._client.create(
            SERVICEACCOUNTS, request, podspec.namespace_of(pod), subresource="token", name=account
        )
        status = answer["status"]
        expires = parse_rfc3339(status["expirationTimestamp"])
        life = expires - now
        renew = now + min(life * 0.8, MAX_AGE_S) - self._rng.random() * min(JITTER_S, life * 0.05)
        return _Token(status["token"], renew, expires)

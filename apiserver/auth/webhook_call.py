"""Asks a webhook that a kubeconfig file names: who is this, may they? One review goes out, the same with a status comes back.

A call that fails is tried again until its time is over, as long as that can help.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson

from apiserver.posting import PostFailed, post
from client.kubeconfig import load
from client.transport import Transport
from machinery.clock import Clock

_TRIES = 5
_FIRST_PAUSE_S = 0.5


class CallFailed(Exception):
    """No answer that counts; the message says what went wrong."""


class ReviewWebhook:
    def __init__(
        self, transport: Transport, clock: Clock, rng: random.Random, timeout_s: float = 30.0
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._timeout_s = timeout_s

    @classmethod
    def from_kubeconfig(
        cls, path: str, clock: Clock, rng: random.Random, timeout_s: float = 30.0
    ) -> ReviewWebhook:
        """Raises KubeconfigError."""
        return cls(load(path).transport(), clock, rng, timeout_s)

    async def ask(self, review: dict[str, Any]) -> dict[str, Any]:
        """The answer's status. Raises CallFailed."""
        body = orjson.dumps(review)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await post(
                    self._transport, body, self._clock, self._rng, tries=_TRIES, pause_s=_FIRST_PAUSE_S
                )
        except TimeoutError:
            raise CallFailed("context deadline exceeded") from None
        except PostFailed as error:
            raise CallFailed(str(error)) from error
        return _status(answer)

    async def close(self) -> None:
        await self._transport.close()


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = orjson.loads(body).get("status")
    except (ValueError, AttributeError) as error:
        raise CallFailed(f"the webhook's answer cannot be read: {error}") from error
    if not isinstance(status, dict):
        raise CallFailed("the webhook's answer has no status")
    return status

"""Asks a webhook that a kubeconfig file names: who is this, may they? One review goes out, the same with a status comes back.

A call that fails is tried again with growing pauses until its time is over, as long as trying again can help.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson

from client.kubeconfig import load
from client.transport import Transport, TransportError
from machinery.clock import Clock

_TRIES = 5
_FIRST_PAUSE_S = 0.5
_GROWTH = 1.5
_HEADERS = {"content-type": "application/json", "accept": "application/json"}


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
                return await self._tried(body)
        except TimeoutError:
            raise CallFailed("context deadline exceeded") from None

    async def close(self) -> None:
        await self._transport.close()

    async def _tried(self, body: bytes) -> dict[str, Any]:
        pause_s = _FIRST_PAUSE_S
        for left in reversed(range(_TRIES)):
            try:
                answer = await self._transport.request(
                    "POST", "", body=body, headers=_HEADERS, timeout_s=None
                )
            except (TransportError, OSError) as error:
                failed = CallFailed(str(error))
            else:
                if answer.status in (200, 201):
                    return _status(answer.body)
                failed = CallFailed(f"the webhook answered with status {answer.status}")
                if answer.status < 500 and answer.status != 429:
                    raise failed
            if not left:
                raise failed
            await self._clock.sleep(pause_s * (1 + 0.2 * self._rng.random()))
            pause_s *= _GROWTH
        raise AssertionError("unreachable")


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = orjson.loads(body).get("status")
    except (ValueError, AttributeError) as error:
        raise CallFailed(f"the webhook's answer cannot be read: {error}") from error
    if not isinstance(status, dict):
        raise CallFailed("the webhook's answer has no status")
    return status

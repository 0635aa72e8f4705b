"""POST to a webhook that a kubeconfig file names: tried again with growing pauses, as long as that can help."""

from __future__ import annotations

import random

from client.transport import Transport, TransportError
from machinery.backoff import delay_s
from machinery.clock import Clock

_GROWTH, _JITTER = 1.5, 0.2
_HEADERS = {"content-type": "application/json", "accept": "application/json"}


class PostFailed(Exception):
    """No answer that counts; the message says what went wrong."""


async def post(
    transport: Transport,
    body: bytes,
    clock: Clock,
    rng: random.Random,
    *,
    tries: int,
    pause_s: float,
    timeout_s: float | None = None,
) -> bytes:
    """The body of the first answer of success. `timeout_s` is each try's. Raises PostFailed."""
    for tried in range(tries):
        if tried:
            await clock.sleep(delay_s(tried - 1, pause_s, float("inf"), _GROWTH, _JITTER, rng.random()))
        try:
            answer = await transport.request("POST", "", body=body, headers=_HEADERS, timeout_s=timeout_s)
        except (TransportError, OSError) as error:
            failed = PostFailed(str(error))
            continue
        if 200 <= answer.status < 300:
            return answer.body
        failed = PostFailed(f"the webhook answered with status {answer.status}")
        if answer.status < 500 and answer.status != 429:
            break
    raise failed

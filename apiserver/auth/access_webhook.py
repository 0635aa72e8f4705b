"""The webhook authorizer: somebody else says who may do what, and is believed for a while.

    match conditions (CEL over the review) → remembered answer → SubjectAccessReview → allowed, denied or no opinion

Answers from memory at once; where the webhook must be asked, its decision is `pending`, and requests that ask the same
at the same time share one call. When the webhook fails, the failure policy decides.

Source: Kubernetes "Webhook Mode" and the AuthorizationConfiguration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.auth.seams import Decision
from apiserver.auth.user import Attributes
from apiserver.auth.webhook_call import CallFailed, ReviewWebhook
from client.logs import get_logger
from machinery.cel import CelError, Environment, Program
from machinery.clock import Clock
from machinery.remembered import Remembered

log = get_logger("access-webhook")

NO_OPINION = Decision(False)
REMEMBERED = 8192
_LONGEST_KEY_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class AccessWebhookRules:
    name: str
    conditions: tuple[str, ...] = ()
    denies_on_failure: bool = False
    allowed_s: float = 300.0
    denied_s: float = 30.0


class AccessWebhook:
    def __init__(self, webhook: ReviewWebhook, clock: Clock, rules: AccessWebhookRules) -> None:
        """Raises CelError where a match condition cannot be compiled."""
        self._webhook = webhook
        self._clock = clock
        self._rules = rules
        environment = Environment(("request",))
        self._conditions = [environment.compile(text) for text in rules.conditions]
        self._known: Remembered[bytes, Decision] = Remembered(REMEMBERED)
        self._asking: dict[bytes, asyncio.Task[Decision]] = {}

    def authorize(self, attributes: Attributes) -> Decision:
        spec = review_spec(attributes)
        if self._conditions:
            unmatched = self._unmatched(spec)
            if unmatched is not None:
                return unmatched
        key = orjson.dumps(spec)
        known = self._known.get(key, self._clock.monotonic())
        if known is not None:
            return known

        async def pending() -> Decision:
            return await self._shared(key, spec)

        return Decision(False, pending=pending)

    async def close(self) -> None:
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._webhook.close()

    def _unmatched(self, spec: dict[str, Any]) -> Decision | None:
        """None where the webhook is to be asked."""
        try:
            return None if conditions_hold(self._conditions, {"request": spec}) else NO_OPINION
        except CelError as error:
            log.warning("a match condition failed", authorizer=self._rules.name, error=str(error))
            return self._failed(f"match condition of {self._rules.name} failed")

    def _failed(self, why: str) -> Decision:
        return Decision(False, why, denied=True) if self._rules.denies_on_failure else NO_OPINION

    async def _shared(self, key: bytes, spec: dict[str, Any]) -> Decision:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.ensure_future(self._ask(key, spec))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: bytes, spec: dict[str, Any]) -> Decision:
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        try:
            status = await self._webhook.ask(review)
        except CallFailed as error:
            log.error("an authorization webhook failed", authorizer=self._rules.name, error=str(error))
            return self._failed(f"authorization webhook {self._rules.name} failed")
        decision = decision_of(status)
        believed_s = self._rules.allowed_s if decision.allowed else self._rules.denied_s
        if believed_s > 0 and len(key) <= _LONGEST_KEY_BYTES:
            self._known.put(key, decision, self._clock.monotonic() + believed_s)
        return decision


def decision_of(status: dict[str, Any]) -> Decision:
    """Both allowed and denied is a mistake of the webhook, and denies."""
    reason = str(status.get("reason") or "")
    if status.get("denied"):
        return Decision(False, reason, denied=True)
    return Decision(status.get("allowed") is True, reason)


def conditions_hold(conditions: Sequence[Program], values: dict[str, Any]) -> bool:
    """False as soon as one is false; CelError where none is but some cannot be evaluated."""
    failure: CelError | None = None
    for condition in conditions:
        try:
            if condition(values) is not True:
                return False
        except CelError as error:
            failure = error
    if failure is not None:
        raise failure
    return True


def review_spec(attributes: Attributes) -> dict[str, Any]:
    """The question as a SubjectAccessReview's spec; empty fields stay absent."""
    user = attributes.user
    spec: dict[str, Any] = {"user": user.name}
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in sorted(user.extra.items())}
    if attributes.path:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
    else:
        names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
        asked = {name: getattr(attributes, name) for name in names}
        spec["resourceAttributes"] = {name: value for name, value in asked.items() if value}
    return spec

"""The webhook authorizer and the token webhook: order, conditions, failure policy, memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from apiserver.auth.access_webhook import AccessWebhook, AccessWebhookRules
from apiserver.auth.chain import Always, AuthorizerChain
from apiserver.auth.seams import Credentials, Decision, decide
from apiserver.auth.token_webhook import TokenWebhookAuthenticator
from apiserver.auth.user import Attributes, User
from apiserver.auth.webhook_call import ReviewWebhook
from client.transport import Response, TransportError
from machinery.clock import LoopClock
from machinery.virtual_loop import run

JANE = User("jane", ("dev",))
READ = Attributes(JANE, "get", "apps", "v1", "deployments", namespace="a", name="web")


class Hook:
    """A transport whose far end is `answer`; None is no answer."""

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any] | int | None]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def request(self, method: str, path: str, *, body: bytes, **_: Any) -> Response:
        review = orjson.loads(body)
        self.asked.append(review)
        await asyncio.sleep(0.01)
        said = self.answer(review)
        if said is None:
            raise TransportError("down")
        if isinstance(said, int):
            return Response(said, {}, b"", ())
        return Response(200, {}, orjson.dumps({**review, "status": said}), ())

    async def close(self) -> None:
        return None


def in_time(body: Callable[[LoopClock], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(LoopClock(asyncio.get_running_loop(), 0.0))

    run(main())


def access(clock: LoopClock, hook: Any, **rules: Any) -> AccessWebhook:
    webhook = ReviewWebhook(hook, clock, random.Random(1), timeout_s=5)
    return AccessWebhook(webhook, clock, AccessWebhookRules("outside", **rules))


def test_answer_is_waited_for_once_and_then_remembered() -> None:
    async def body(clock: LoopClock) -> None:
        hook = Hook(lambda review: {"allowed": True, "reason": "known"})
        authorizer = access(clock, hook, allowed_s=60.0)
        assert authorizer.authorize(READ).pending is not None
        found = await asyncio.gather(*(decide(authorizer, READ) for _ in range(3)))
        assert found == [Decision(True, "known")] * 3 and len(hook.asked) == 1
        assert hook.asked[0]["spec"] == {
            "user": "jane",
            "groups": ["dev"],
            "resourceAttributes": {
                "namespace": "a", "verb": "get", "group": "apps", "version": "v1", "resource": "deployments", "name": "web",
            },
        }  # fmt: skip
        assert authorizer.authorize(READ) == Decision(True, "known")
        await clock.sleep(61)
        assert authorizer.authorize(READ).pending is not None
        await decide(authorizer, Attributes(JANE, "get", path="/metrics"))
        assert hook.asked[-1]["spec"]["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
        await authorizer.close()

    in_time(body)


@pytest.mark.parametrize(
    ("status", "behind", "expected"),
    [
        ({"allowed": True}, False, True),
        ({"allowed": False}, True, True),  # no opinion: the next is asked
        ({"allowed": False, "denied": True, "reason": "never"}, True, False),
        ({"allowed": True, "denied": True}, True, False),
    ],
)
def test_denial_ends_the_chain(status: dict[str, Any], behind: bool, expected: bool) -> None:
    async def body(clock: LoopClock) -> None:
        chain = AuthorizerChain([access(clock, Hook(lambda _: status)), Always(Decision(behind))])
        for _ in range(2):  # asked, then remembered
            decision = await decide(chain, READ)
            assert decision.allowed is expected
            assert decision.denied is bool(status.get("denied"))

    in_time(body)


@pytest.mark.parametrize("denies", [False, True])
@pytest.mark.parametrize("answer", [None, 500, 400])
def test_failure_is_decided_by_policy(denies: bool, answer: int | None) -> None:
    async def body(clock: LoopClock) -> None:
        hook = Hook(lambda _: answer)
        chain = AuthorizerChain([access(clock, hook, denies_on_failure=denies), Always(Decision(True))])
        assert (await decide(chain, READ)).allowed is not denies
        assert len(hook.asked) == (1 if answer == 400 else 5)  # what cannot help is not tried again
        assert clock.monotonic() < 5.1

    in_time(body)


def test_conditions_keep_the_webhook_out_of_it() -> None:
    async def body(clock: LoopClock) -> None:
        hook = Hook(lambda _: {"allowed": True})
        conditions = ("has(request.resourceAttributes)", "request.resourceAttributes.namespace == 'a'")
        authorizer = access(clock, hook, conditions=conditions, denies_on_failure=True)
        assert authorizer.authorize(Attributes(JANE, "get", path="/x")) == Decision(False)
        assert authorizer.authorize(Attributes(JANE, "get", resource="pods", namespace="b")) == Decision(
            False
        )
        cluster_wide = authorizer.authorize(Attributes(JANE, "get", resource="nodes"))
        assert cluster_wide.denied  # its condition cannot be evaluated
        assert not hook.asked
        assert (await decide(authorizer, READ)).allowed

    in_time(body)


def test_token_webhook_is_believed_for_a_while() -> None:
    def answer(review: dict[str, Any]) -> dict[str, Any]:
        if review["spec"]["token"] != "good":
            return {"authenticated": False}
        return {
            "authenticated": True,
            "user": {"username": "jane", "uid": "7", "groups": ["dev"]},
            "audiences": ["me"],
        }

    async def body(clock: LoopClock) -> None:
        hook: Any = Hook(answer)
        webhook = ReviewWebhook(hook, clock, random.Random(1))
        tokens = TokenWebhookAuthenticator(webhook, clock, audiences=["me"], believed_s=120)
        expected = User("jane", ("dev", "system:authenticated"), "7")
        for _ in range(2):
            assert await tokens.authenticate(Credentials(bearer_token="good")) == expected
            assert await tokens.authenticate(Credentials(bearer_token="bad")) is None
        assert len(hook.asked) == 2 and hook.asked[0]["spec"] == {"token": "good", "audiences": ["me"]}
        others = TokenWebhookAuthenticator(webhook, clock, audiences=["them"])
        assert await others.authenticate(Credentials(bearer_token="good")) is None
        assert await others.authenticate(Credentials()) is None

    in_time(body)

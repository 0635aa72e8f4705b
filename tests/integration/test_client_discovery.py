"""What a client finds out about a server: in two requests of a new one, in many of an old one, with the same result."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from apiserver.auth.user import User
from client.client import Client
from client.discovery import discover
from client.inprocess import InProcessTransport
from machinery.gvk import DEPLOYMENTS, PODS


class Old:
    """An API server from before aggregated discovery: it answers with the legacy documents, whatever is asked for.
    One of its groups is served by somebody who is away."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        if scope["path"].startswith("/apis/apps/"):
            body = orjson.dumps({"kind": "Status", "code": 503, "reason": "ServiceUnavailable"})
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": body})
            return
        headers = [(k, b"application/json" if k == b"accept" else v) for k, v in scope["headers"]]
        await self._app({**scope, "headers": headers}, receive, send)


class Stale:
    """Aggregated discovery in which one group could not be asked."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        def resource(kind: str, *verbs: str) -> dict[str, Any]:
            kinds = {"group": "", "version": "v1", "kind": kind}
            return {"resource": f"{kind.lower()}s", "responseKind": kinds, "scope": "Cluster", "verbs": verbs}

        groups: list[dict[str, Any]] = []
        if scope["path"] == "/apis":
            newer = {"version": "v2", "freshness": "Current", "resources": [resource("Cog", "get")]}
            older = {"version": "v1", "resources": [resource("Cog", "get", "list"), resource("Nut", "list")]}
            away = {"version": "v1beta1", "freshness": "Stale", "resources": []}
            groups = [
                {"metadata": {"name": "shop.example"}, "versions": [newer, older]},
                {"metadata": {"name": "metrics.k8s.io"}, "versions": [away]},
            ]
        body = orjson.dumps({"kind": "APIGroupDiscoveryList", "items": groups})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def test_two_requests_tell_what_many_told(run_api) -> None:
    async def body(api) -> None:
        found, failed = await discover(api.client, ("list", "watch"))
        assert PODS in found and DEPLOYMENTS in found and not failed
        old = Old(api.server.app)
        legacy, away = await discover(
            Client(InProcessTransport(old, User("admin", ("system:masters",)))), ("list", "watch")
        )
        assert away == ["apps/v1"] and len(old.paths) > 15
        assert legacy == [each for each in found if each.group != "apps"]

    run_api(body)


def test_group_that_could_not_be_asked_is_named_and_the_preferred_version_counts() -> None:
    client = Client(InProcessTransport(Stale(), None))
    found, failed = asyncio.run(discover(client, ("list",)))
    assert failed == ["metrics.k8s.io/v1beta1"]
    assert [(each.resource, each.version) for each in found] == [("cogs", "v1"), ("nuts", "v1")]
    everything, _ = asyncio.run(discover(client))
    assert [(each.resource, each.version) for each in everything] == [("cogs", "v2"), ("nuts", "v1")]

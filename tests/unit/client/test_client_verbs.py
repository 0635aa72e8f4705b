"""The verbs of Client: what goes over the wire, and how answers are understood."""

import asyncio
from collections.abc import Callable

import orjson
import pytest

from client.client import Client
from client.inprocess import InProcessTransport
from machinery import virtual_loop
from machinery.errors import Conflict, Expired, InternalError, NotFound, TooManyRequests
from machinery.gvk import DEPLOYMENTS, NODES, PODS


class Recorder:
    """Records requests; answers what the test lays ready, `{}` otherwise."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str, dict, dict]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []

    async def __call__(self, scope, receive, send) -> None:
        body = (await receive())["body"]
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.requests.append(
            (
                scope["method"],
                scope["path"],
                scope["query_string"].decode(),
                headers,
                orjson.loads(body) if body else {},
            )
        )
        status, extra, answer = self.answers.pop(0) if self.answers else (200, {}, b"{}")
        pairs = [(k.encode(), v.encode()) for k, v in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": answer})


def drive(use: Callable[[Client, Recorder], object]) -> Recorder:
    app = Recorder()
    client = Client(InProcessTransport(app, None), user_agent="test/1", field_manager="tester")
    virtual_loop.run(use(client, app))
    return app


POD = {"metadata": {"name": "web", "namespace": "shop"}}


def test_each_verb_takes_its_path() -> None:
    async def use(client: Client, app: Recorder) -> None:
        await client.get(PODS, "web", "shop")
        await client.list(NODES, limit=2, continue_="c", label_selector="a=b")
        await client.create(PODS, POD)
        await client.create(PODS, {}, "shop", subresource="binding", name="web")
        await client.update(DEPLOYMENTS, POD, subresource="status")
        await client.patch(PODS, "web", {"x": None}, "shop")
        await client.patch(PODS, "web", [], "shop", type="apply", field_manager="me", force=True)
        await client.delete(PODS, "web", "shop", grace_period_s=0, propagation_policy="Orphan", uid="u1")
        await client.delete_collection(PODS, "shop", label_selector="a=b")

    app = drive(use)
    assert [request[:3] for request in app.requests] == [
        ("GET", "/api/v1/namespaces/shop/pods/web", ""),
        ("GET", "/api/v1/nodes", "labelSelector=a%3Db&limit=2&continue=c"),
        ("POST", "/api/v1/namespaces/shop/pods", "fieldManager=tester"),
        ("POST", "/api/v1/namespaces/shop/pods/web/binding", "fieldManager=tester"),
        ("PUT", "/apis/apps/v1/namespaces/shop/deployments/web/status", "fieldManager=tester"),
        ("PATCH", "/api/v1/namespaces/shop/pods/web", "fieldManager=tester"),
        ("PATCH", "/api/v1/namespaces/shop/pods/web", "fieldManager=me&force=true"),
        ("DELETE", "/api/v1/namespaces/shop/pods/web", ""),
        ("DELETE", "/api/v1/namespaces/shop/pods", "labelSelector=a%3Db"),
    ]
    assert app.requests[5][3]["content-type"] == "application/merge-patch+json"
    assert app.requests[6][3]["content-type"] == "application/apply-patch+yaml"
    assert app.requests[0][3]["user-agent"] == "test/1"
    assert app.requests[7][4] == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Orphan",
        "preconditions": {"uid": "u1"},
    }


def test_status_answer_raises_its_own_error() -> None:
    async def use(client: Client, app: Recorder) -> None:
        app.answers.append((409, {}, orjson.dumps(Conflict("changed meanwhile").to_status())))
        with pytest.raises(Conflict, match="changed meanwhile"):
            await client.update(PODS, POD)
        app.answers.append((404, {}, b"page not found"))
        with pytest.raises(NotFound, match="page not found"):
            await client.get_raw("/nowhere")
        app.answers.append((500, {}, b'["odd"]'))
        with pytest.raises(InternalError):
            await client.get(PODS, "web", "shop")

    drive(use)


def test_retry_after_is_waited_for_and_given_up_after_ten() -> None:
    async def use(client: Client, app: Recorder) -> None:
        busy = orjson.dumps(TooManyRequests("busy").to_status())
        app.answers += [(429, {"retry-after": "7"}, busy), (503, {"retry-after": "1"}, b"")]
        before = asyncio.get_running_loop().time()
        assert await client.get(PODS, "web", "shop") == {}
        assert asyncio.get_running_loop().time() - before == pytest.approx(8)
        app.answers += [(429, {"retry-after": "1"}, busy)] * 11
        with pytest.raises(TooManyRequests) as raised:
            await client.get(PODS, "web", "shop")
        assert raised.value.retry_after_s == 1

    assert len(drive(use).requests) == 3 + 11


def test_refusal_without_retry_after_is_raised_at_once() -> None:
    async def use(client: Client, app: Recorder) -> None:
        app.answers.append((429, {}, b""))
        with pytest.raises(TooManyRequests):
            await client.get(PODS, "web", "shop")

    assert len(drive(use).requests) == 1


def test_watch_yields_events_and_raises_the_servers_error() -> None:
    async def use(client: Client, app: Recorder) -> None:
        lines = [
            {"type": "ADDED", "object": POD},
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}},
            {"type": "ERROR", "object": Expired("too old").to_status()},
        ]
        app.answers.append((200, {}, b"\n".join(map(orjson.dumps, lines)) + b"\n"))
        seen = []
        with pytest.raises(Expired):
            async with client.watch(PODS, resource_version="5", timeout_s=60) as events:
                async for event in events:
                    seen.append(event.type)  # noqa: PERF401  what came before the error counts
        assert seen == ["ADDED", "BOOKMARK"]
        app.answers.append((410, {}, orjson.dumps(Expired("too old").to_status())))
        with pytest.raises(Expired):
            async with client.watch(PODS, resource_version="5"):
                pass

    app = drive(use)
    assert app.requests[0][2] == "watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=60"

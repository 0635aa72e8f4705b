"""The steps before anything is done are the same for every kind of connection, and the audit log tells of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from open_guard import open_guard

from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.auth.seams import Decision
from apiserver.auth.user import Attributes, User
from apiserver.engine.engine import Engine
from apiserver.guard import Guard
from client.inprocess import InProcessTransport

RunApi = Callable[..., None]
JANE = User("jane", ("system:authenticated",))
WATCH = "/api/v1/namespaces/default/pods"


class Slow(Plugin):
    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource.gvr.resource == "configmaps"

    async def validate(self, request: AdmissionRequest) -> None:
        await asyncio.sleep(5)


class Log:
    """An audit log in memory: (stage, user, impersonated user, code)"""

    is_early = True

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str, int]] = []

    def record(self, stage: str, _: Any, scope: Any, request: Any, code: int, *__: Any) -> None:
        user = request.user
        caller = user.impersonator or user
        self.told.append((stage, caller.name, user.name if user.impersonator else "", code))


class NoImpersonation:
    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(attributes.verb != "impersonate")


async def websocket(app: Any, path: str, query: bytes = b"", *headers: tuple[bytes, bytes]) -> list[Any]:
    """What is sent until the other side has had enough of a second."""
    sent: list[Any] = []
    asked = [{"type": "websocket.connect"}]
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": query,
        "headers": list(headers),
        "subprotocols": [],
        "extensions": {"kctl": {"user": JANE}, "websocket.http.response": {}},
    }

    async def receive() -> Any:
        if asked:
            return asked.pop()
        await asyncio.sleep(1)
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def slow_guard(engine: Engine) -> Guard:
    return open_guard(engine, [Slow()])


def test_watch_over_a_websocket_is_refused_where_there_is_no_room(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        level = api.server.flow.levels["global-default"]
        level.queues.limit, level.queues.length_limit = 1, 0
        post = InProcessTransport(api.server.app, JANE).request(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            body=b'{"metadata": {"name": "a"}}',
            headers={"content-type": "application/json"},
        )
        working = asyncio.create_task(post)
        await asyncio.sleep(0.1)
        refused = await websocket(api.server.app, WATCH, b"watch=true")
        assert [message.get("status") for message in refused] == [429, None]
        assert (await working).status == 201
        begun = await websocket(api.server.app, WATCH, b"watch=true&timeoutSeconds=1")
        assert begun[0]["type"] == "websocket.accept"
        assert level.is_idle

    run_api(body, guard=slow_guard)


def test_watch_of_nothing_over_a_websocket_keeps_no_seat(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        level = api.server.flow.levels["global-default"]
        query = b"watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        watching = asyncio.create_task(websocket(api.server.app, WATCH, query))
        await asyncio.sleep(0.5)
        assert len(api.server.streams) == 1 and level.is_idle
        assert [message["type"] for message in await watching] == ["websocket.accept", "websocket.close"]

    run_api(body)


def test_audit_tells_every_stage_of_a_websocket(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        log = api.server._app.audit = Log()
        await websocket(api.server.app, WATCH, b"watch=true&timeoutSeconds=1")
        stages = [(stage, user, code) for stage, user, _, code in log.told]
        assert stages == [
            ("RequestReceived", "jane", 0),
            ("ResponseStarted", "jane", 101),
            ("ResponseComplete", "jane", 101),
        ]

    run_api(body)


def test_audit_names_who_tried_to_act_as_another(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        log = api.server._app.audit = Log()
        api.server._app.authorizer = NoImpersonation()
        jane = InProcessTransport(api.server.app, JANE)
        answer = await jane.request("GET", WATCH, headers={"impersonate-user": "root"})
        assert answer.status == 403
        assert log.told == [("RequestReceived", "jane", "", 0), ("ResponseComplete", "jane", "", 403)]
        upgrade = await websocket(api.server.app, WATCH, b"watch=true", (b"impersonate-user", b"root"))
        assert upgrade[0]["status"] == 403 and log.told[-1] == ("ResponseComplete", "jane", "", 403)

    run_api(body)


def test_audit_names_both_where_one_acts_as_another(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        log = api.server._app.audit = Log()
        jane = InProcessTransport(api.server.app, JANE)
        assert (await jane.request("GET", WATCH, headers={"impersonate-user": "root"})).status == 200
        assert log.told == [("RequestReceived", "jane", "", 0), ("ResponseComplete", "jane", "root", 200)]

    run_api(body)

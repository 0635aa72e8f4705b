"""Which rule of an audit policy counts, what an event tells at each level, and what its sinks do with it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.auth.user import User
from apiserver.config_file import check_shape
from apiserver.engine.query import parse_query
from apiserver.http.audit import Recorder
from apiserver.http.audit_policy import SHAPE, DefaultPolicy, check_policy, parse_policy
from apiserver.http.audit_sinks import LogFile, Webhook
from apiserver.http.reply import Reply, error_reply
from apiserver.http.request import Request
from apiserver.http.request_info import RequestInfo
from client.transport import Response
from machinery.clock import LoopClock
from machinery.errors import Forbidden
from machinery.virtual_loop import DEFAULT_EPOCH_S, run

Obj = dict[str, Any]
JANE = User("jane", ("dev", "system:authenticated"))


def policy(*rules: Obj, **more: Any) -> Obj:
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}


def asked(
    verb: str, resource: str, subresource: str = "", namespace: str = "a", name: str = "x", group: str = ""
) -> RequestInfo:
    return RequestInfo(True, verb, "/", group, "v1", resource, subresource, namespace, name)


RULES = policy(
    {"level": "None", "users": ["system:kube-proxy"], "verbs": ["watch"], "resources": [{"group": "", "resources": ["endpoints"]}]},
    {"level": "None", "nonResourceURLs": ["/healthz*", "/version"]},
    {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "*/token"]}]},
    {"level": "Request", "resources": [{"group": "", "resources": ["configmaps"], "resourceNames": ["special"]}]},
    {"level": "None", "resources": [{"group": "", "resources": ["pods/status"]}]},
    {"level": "RequestResponse", "namespaces": ["prod"], "omitManagedFields": True},
    {"level": "Request", "userGroups": ["admins"], "omitStages": ["RequestReceived"]},
    {"level": "Metadata", "resources": [{"group": "apps"}]},
    omitStages=["ResponseStarted"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("user", "info", "level"),
    [
        (User("system:kube-proxy"), asked("watch", "endpoints"), "None"),
        (JANE, asked("watch", "endpoints"), "None"),
        (JANE, RequestInfo(False, "get", "/healthz/ping"), "None"),
        (User("root", ("admins",)), RequestInfo(False, "get", "/metrics"), "Request"),
        (JANE, asked("get", "secrets", namespace="prod"), "Metadata"),
        (JANE, asked("create", "serviceaccounts", "token"), "Metadata"),
        (JANE, asked("update", "configmaps", name="special"), "Request"),
        (JANE, asked("update", "configmaps", name="other"), "None"),
        (JANE, asked("patch", "pods", "status", namespace="prod"), "None"),
        (JANE, asked("patch", "pods", namespace="prod"), "RequestResponse"),
        (JANE, asked("get", "deployments", group="apps"), "Metadata"),
        (JANE, asked("get", "deployments", "status", group="apps"), "Metadata"),
        (JANE, asked("get", "pods"), "None"),
    ],
)  # fmt: skip
def test_first_rule_that_fits_counts(user: User, info: RequestInfo, level: str) -> None:
    assert check_shape(RULES, SHAPE) == []
    rules = parse_policy(RULES)
    for _ in range(2):  # worked out, then remembered
        assert rules.verdict(user, info, 200).level == level


def test_long_path_is_judged_and_not_remembered() -> None:
    rules = parse_policy(RULES)
    for index in range(100):
        info = RequestInfo(False, "get", f"/healthz/{index}" + "x" * 300)
        assert rules.verdict(JANE, info, 401) is rules.verdict(JANE, info, 401)
    assert not rules._known


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        (policy(), "rules", "0 rules"),
        (policy({"level": "All"}), "rules[0].level", "Unsupported"),
        (policy({"level": "None", "omitStages": ["Done"]}), "rules[0].omitStages[0]", "Unsupported"),
        (policy({"level": "None", "nonResourceURLs": ["x"]}), "rules[0].nonResourceURLs[0]", "begin with a '/'"),
        (policy({"level": "None", "nonResourceURLs": ["/a*/b"]}), "rules[0].nonResourceURLs[0]", "final character"),
        (policy({"level": "None", "nonResourceURLs": ["/a"], "namespaces": ["b"]}), "rules[0].nonResourceURLs", "cannot apply to both"),
        (policy({"level": "None", "resources": [{"resourceNames": ["x"]}]}), "rules[0].resources[0].resourceNames", "at least one resource"),
        ({"kind": "Policy", "apiVersion": "audit.k8s.io/v1beta1"}, "apiVersion", "Unsupported"),
    ],
)  # fmt: skip
def test_wrong_policy_is_named(said: Obj, field: str, message: str) -> None:
    causes = check_policy(said)
    assert [cause.field for cause in causes] == [field] and message in causes[0].message


class Kept:
    def __init__(self) -> None:
        self.events: list[Obj] = []

    def add(self, event: bytes) -> None:
        self.events.append(orjson.loads(event))

    async def run(self) -> None:
        await asyncio.Event().wait()


def told(rules: Any, info: RequestInfo, stage: str = "ResponseComplete", **changes: Any) -> Obj | None:
    kept = Kept()
    request = Request(info, "POST", parse_query(b""), {b"user-agent": b"tester"}, JANE)
    reply = changes.pop(
        "reply", Reply(201, orjson.dumps({"kind": "X", "metadata": {"name": "x", "managedFields": [1]}}))
    )
    for name, value in changes.items():
        setattr(request, name, value)
    scope = {"path": "/api/v1/x", "query_string": b"a=b", "client": ("10.0.0.1", 1)}
    code = 0 if stage == "RequestReceived" else reply.status
    Recorder(rules, [kept]).record(stage, b"id-1", scope, request, code, 1.0, 2.0, reply)
    return kept.events[0] if kept.events else None


def test_event_tells_what_its_level_asks_for() -> None:
    rules = parse_policy(policy({"level": "RequestResponse", "omitManagedFields": True}))
    body = orjson.dumps({"kind": "X", "metadata": {"managedFields": []}})
    event = told(rules, asked("create", "pods"), body=body, allowed_by="RBAC: ...", annotations={"note": "n"})
    assert event == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "id-1",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/x?a=b",
        "verb": "create",
        "user": {"username": "jane", "groups": ["dev", "system:authenticated"]},
        "sourceIPs": ["10.0.0.1"],
        "userAgent": "tester",
        "objectRef": {"resource": "pods", "namespace": "a", "name": "x", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestObject": {"kind": "X", "metadata": {}},
        "responseObject": {"kind": "X", "metadata": {"name": "x"}},
        "annotations": {"note": "n", "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: ..."},
        "requestReceivedTimestamp": "1970-01-01T00:00:01.000000Z",
        "stageTimestamp": "1970-01-01T00:00:02.000000Z",
    }  # fmt: skip
    request = told(parse_policy(policy({"level": "Request"})), asked("create", "pods"), body=body)
    assert request is not None and "requestObject" in request and "responseObject" not in request
    early = told(rules, asked("create", "pods"), "RequestReceived", body=body)
    assert early is not None and not {"responseStatus", "requestObject", "responseObject"} & early.keys()
    silent = parse_policy(policy({"level": "Metadata", "omitStages": ["RequestReceived"]}))
    assert told(silent, asked("create", "pods"), "RequestReceived") is None


def test_refusal_and_impersonation_are_told() -> None:
    reply = error_reply(Forbidden("no", kind="pods", name="x"))
    event = told(DefaultPolicy(), asked("get", "pods"), reply=reply)
    assert event is not None
    assert event["responseStatus"] | {"details": 0} == {
        "metadata": {}, "status": "Failure", "message": "no", "reason": "Forbidden", "details": 0, "code": 403,
    }  # fmt: skip
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    other = told(DefaultPolicy(), asked("create", "pods"), user=User("bob", (), "", {}, JANE))
    assert other is not None
    assert (other["user"]["username"], other["impersonatedUser"]["username"]) == ("jane", "bob")


def test_default_policy_never_tells_bodies() -> None:
    body = orjson.dumps({"data": {"password": "hunter2"}})
    event = told(DefaultPolicy(), asked("create", "secrets"), body=body, reply=Reply(201, body))
    assert event is not None and "hunter2" not in str(event) and event["level"] == "Metadata"


def in_time(body: Callable[[LoopClock], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(LoopClock(asyncio.get_running_loop(), DEFAULT_EPOCH_S))

    run(main())


def backups(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.glob("audit-2*.log"))


def test_log_is_rotated_and_old_files_go(tmp_path: Path) -> None:
    async def body(clock: LoopClock) -> None:
        path = tmp_path / "audit.log"
        (tmp_path / "audit-own-notes.log").touch()
        log = LogFile(path, clock, max_bytes=20, backups=2)
        for n in range(5):
            log.add(b"event-%d-xxxxxxxxxxxxxxxx" % n)
            log.flush()
            await clock.sleep(1)
        kept = backups(tmp_path)
        assert len(kept) == 2 and not path.exists()
        assert (tmp_path / kept[-1]).read_bytes().startswith(b"event-4")
        assert (tmp_path / "audit-own-notes.log").exists()
        aged = LogFile(path, clock, max_bytes=20, max_age_days=1)
        await clock.sleep(2 * 24 * 3600)
        aged.add(b"x" * 30)
        aged.flush()
        assert len(backups(tmp_path)) == 1

    in_time(body)


class Far:
    def __init__(self) -> None:
        self.status = 200
        self.sent: list[int] = []

    async def request(self, method: str, path: str, *, body: bytes, **_: Any) -> Response:
        if self.status == 200:
            self.sent.append(len(orjson.loads(body)["items"]))
        return Response(self.status, {}, b"", ())

    async def close(self) -> None:
        return None


def test_webhook_gets_batches_and_a_slow_one_costs_events_not_requests() -> None:
    async def body(clock: LoopClock) -> None:
        far: Any = Far()
        hook = Webhook(far, clock, random.Random(1), buffer=10, batch=4, max_wait_s=5, backoff_s=1, tries=3)
        running = asyncio.ensure_future(hook.run())
        hook.add(b"{}")
        await clock.sleep(4)
        assert far.sent == []
        await clock.sleep(2)
        assert far.sent == [1]
        for _ in range(9):
            hook.add(b"{}")
        await clock.sleep(0.1)
        assert far.sent == [1, 4, 4]
        far.status = 500
        for _ in range(14):
            hook.add(b"{}")
        assert hook.dropped == 5
        await clock.sleep(60)
        assert hook.dropped == 5 + 10
        far.status = 200
        hook.add(b"{}")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert far.sent == [1, 4, 4, 1]  # what was there at the end

    in_time(body)


def test_webhook_gets_at_the_stop_all_that_waited_and_what_was_under_way() -> None:
    async def body(clock: LoopClock) -> None:
        far: Any = Far()
        far.status = 500
        hook = Webhook(far, clock, random.Random(1), buffer=20, batch=4, max_wait_s=5, backoff_s=30, tries=3)
        running = asyncio.ensure_future(hook.run())
        for _ in range(10):
            hook.add(b"{}")
        await clock.sleep(10)  # in the pause before its second try
        far.status = 200
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert (far.sent, hook.dropped) == ([4, 4, 2], 0)

    in_time(body)

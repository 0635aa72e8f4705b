"""The audit log: what the policy wants told of a request becomes an audit.k8s.io/v1 Event and goes to the sinks.

    request ─► policy: how much? ─► event ─► file, webhook

Told at the stages RequestReceived, ResponseStarted (of what streams), ResponseComplete and Panic. Nothing is made of a
request that the policy is silent about; bodies only where it asks for them, which the default policy never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from apiserver.auth.user import User
from apiserver.http.audit_policy import Policy, Verdict
from apiserver.http.audit_sinks import Sink
from apiserver.http.reply import Reply, Scope
from apiserver.http.request import Request
from machinery.clock import rfc3339_micro
from machinery.errors import ApiError

DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"


class Audit(Protocol):
    """`is_early`: whether stages before a request's end are told, so that others need not be announced."""

    @property
    def is_early(self) -> bool: ...

    def record(
        self,
        stage: str,
        request_id: bytes,
        scope: Scope,
        request: Request,
        code: int,
        started_s: float,
        now_s: float,
        reply: Reply | None = None,
    ) -> None: ...


class NoAudit:
    is_early = False

    def record(self, *_: Any) -> None:
        return


class Recorder:
    """Makes events as the policy says and hands each to every sink; `run` is theirs."""

    def __init__(self, policy: Policy, sinks: Sequence[Sink]) -> None:
        self._policy = policy
        self._sinks = tuple(sinks)

    @property
    def is_early(self) -> bool:
        return self._policy.is_early

    def record(
        self,
        stage: str,
        request_id: bytes,
        scope: Scope,
        request: Request,
        code: int,
        started_s: float,
        now_s: float,
        reply: Reply | None = None,
    ) -> None:
        verdict = self._policy.verdict(request.user.impersonator or request.user, request.info, code)
        if verdict.level == "None" or stage in verdict.omit_stages:
            return
        event = self._event(verdict, stage, request_id, scope, request, code)
        event["requestReceivedTimestamp"] = rfc3339_micro(started_s)
        event["stageTimestamp"] = rfc3339_micro(now_s)
        if stage != "RequestReceived":
            _add_answer(event, verdict, request, code, reply)
        line = orjson.dumps(event)
        for sink in self._sinks:
            sink.add(line)

    def _event(
        self, verdict: Verdict, stage: str, request_id: bytes, scope: Scope, request: Request, code: int
    ) -> dict[str, Any]:
        info, user, client = request.info, request.user, scope.get("client")
        uri = scope["path"]
        if scope["query_string"]:
            uri += "?" + scope["query_string"].decode("latin-1")
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": verdict.level,
            "auditID": request_id.decode("latin-1"),
            "stage": stage,
            "requestURI": uri,
            "verb": info.verb,
            "user": user_info(user.impersonator or user),
        }
        if user.impersonator is not None:
            event["impersonatedUser"] = user_info(user)
        event["sourceIPs"] = [client[0] if client else ""]
        event["userAgent"] = request.header(b"user-agent")
        if info.is_resource:
            ref = {
                "resource": info.resource,
                "namespace": info.namespace,
                "name": info.name,
                "apiGroup": info.group,
                "apiVersion": info.version,
                "subresource": info.subresource,
            }
            event["objectRef"] = {key: value for key, value in ref.items() if value}
        return event

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for sink in self._sinks:
                group.create_task(sink.run())


def _add_answer(
    event: dict[str, Any], verdict: Verdict, request: Request, code: int, reply: Reply | None
) -> None:
    """The answer's code, what was sent and answered, and what authorization and admission noted."""
    status: dict[str, Any] = {"metadata": {}, "code": code}
    answered = (
        _answered(reply)
        if reply is not None and (code >= 400 or verdict.level == "RequestResponse")
        else None
    )
    if code >= 400 and isinstance(answered, dict) and answered.get("kind") == "Status":
        told = {key: answered[key] for key in ("status", "message", "reason", "details") if key in answered}
        status = {"metadata": {}, **told, "code": code}
    event["responseStatus"] = status
    if verdict.level in ("Request", "RequestResponse") and request.body:
        sent = _sent(request)
        if sent is not None:
            event["requestObject"] = _without_managed(sent) if verdict.omit_managed_fields else sent
    if verdict.level == "RequestResponse" and answered is not None:
        event["responseObject"] = _without_managed(answered) if verdict.omit_managed_fields else answered
    notes = dict(request.annotations)
    if request.allowed_by is not None:
        notes |= {DECISION: "allow", REASON: request.allowed_by}
    elif code == 403:
        notes |= {DECISION: "forbid", REASON: ""}
    if notes:
        event["annotations"] = notes


def _answered(reply: Reply) -> Any:
    body = b"".join(piece.data for piece in reply.pieces) if reply.pieces else reply.body
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # YAML, or plain text


def _sent(request: Request) -> Any:
    from apiserver.http.body import parse_body

    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        pass
    if request.schema is None:
        return None
    try:
        parsed = parse_body(request.body, request.header(b"content-type"), request.schema)
    except ApiError:
        return None  # nobody could read it, and the answer says so
    return None if parsed is None else parsed.data


def _without_managed(value: Any) -> Any:
    """A copy of an object, or of a list's objects, without metadata.managedFields."""
    if not isinstance(value, dict):
        return value
    shown = dict(value)
    metadata = shown.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        shown["metadata"] = {key: each for key, each in metadata.items() if key != "managedFields"}
    if isinstance(shown.get("items"), list):
        shown["items"] = [_without_managed(each) for each in shown["items"]]
    return shown


def user_info(user: User) -> dict[str, Any]:
    told: dict[str, Any] = {"username": user.name}
    if user.uid:
        told["uid"] = user.uid
    told["groups"] = list(user.groups)
    if user.extra:
        told["extra"] = {key: list(values) for key, values in user.extra.items()}
    return told

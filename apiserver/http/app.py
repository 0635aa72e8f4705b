"""The API server as one ASGI application: the chain every request goes through.

    request id → what is asked (request_info)
      → `_let_in`: who asks (authentication) → audit → as whom (impersonation) → is there room (flow control)
                   → may they (authorization)
      → health, discovery, OpenAPI, metrics ... by path, or a resource's verb → answer → audit, metrics

Websockets, other upgrades and what extension API servers serve are let in by the same steps. Requests for resources touch nothing but this chain and the engine. Errors of the ApiError tree become Status
bodies; anything else is a 500 with the request's id, and the traceback in the log.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from apiserver.aggregation.proxy import RemoteProxy
from apiserver.auth.impersonation import impersonate
from apiserver.auth.seams import Authorizer
from apiserver.auth.user import ANONYMOUS, Attributes, User
from apiserver.backends.backend import KeyUnavailable, OutcomeUnknown, StoreUnavailable
from apiserver.engine.query import parse_query
from apiserver.flowcontrol.flow import Entry, FlowControl
from apiserver.http.audit import Audit
from apiserver.http.body import ClientGone, read_body
from apiserver.http.compress import Compressor, takes_gzip
from apiserver.http.counts import Key, Requests, key_of
from apiserver.http.denial import refuse
from apiserver.http.extra import PREFIXES as EXTRA_PREFIXES
from apiserver.http.extra import Extra
from apiserver.http.identify import impersonation_of, is_impersonation
from apiserver.http.negotiation import wants_yaml
from apiserver.http.reply import (
    JSON,
    Header,
    Message,
    PageNotFound,
    Receive,
    Reply,
    Scope,
    Send,
    error_reply,
    in_yaml,
    send_reply,
    warning_headers,
)
from apiserver.http.request import Request
from apiserver.http.request_info import RequestInfo, parse_request
from apiserver.http.resources import Resources
from apiserver.http.watch_socket import watch_over_websocket
from client.logs import get_logger
from machinery import names
from machinery.clock import Clock
from machinery.errors import ApiError, InternalError, ServiceUnavailable, Timeout, TooManyRequests

log = get_logger("apiserver")

_ID_LIMIT = 64
_APPLY = b"application/apply-patch"
_BEGINNINGS = frozenset({"http.response.start", "websocket.accept"})
_FIRST_EVENTS = frozenset({"http.response.body", "websocket.send"})

Identify = Callable[[Scope, Mapping[bytes, bytes]], Awaitable[User]]
# A path's own handler (health, discovery, metrics); None where the path is not its own.
PathHandler = Callable[[Request], Awaitable[Reply | None]]
# Answers that are streams: they send for themselves. Returns False where the request is none of its.
Streamer = Callable[[Request, Receive, Send, Sequence[Header]], Awaitable[int]]


@dataclass(slots=True)
class _Visit:
    """A request on its way through the chain. `headers` go with its answer."""

    scope: Scope
    request: Request
    id: bytes
    key: Key
    started_s: float
    connects: bool  # to a pod or node: such a session may last, and flow control lets it pass
    headers: list[Header]
    entry: Entry | None = None  # in flow control
    waited_s: float = 0.0


@dataclass(slots=True)
class App:
    """`paths` are tried in order for non-resource requests; `connect` takes websockets."""

    resources: Resources
    identify: Identify
    authorizer: Authorizer
    clock: Clock
    rng: random.Random
    audit: Audit
    counts: Requests
    paths: Sequence[PathHandler]
    watch: Streamer
    connectors: Mapping[tuple[str, str], Streamer]
    websocket: Callable[[Request, Scope, Receive, Send], Awaitable[int]]
    flow: FlowControl
    remote: RemoteProxy
    open_paths: frozenset[str] = frozenset()
    extra: Extra | None = None
    compressor: Compressor = field(default_factory=Compressor)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        elif kind == "lifespan":
            await _lifespan(receive, send)

    def tunnels(self, path: str) -> bool:
        """Whether websockets to `path` are somebody else's, and passed on unread as any other upgrade is."""
        info = parse_request("GET", path, parse_query(b""))
        proxied = info.subresource == "proxy" and (info.resource, "proxy") in self.connectors
        return proxied or self.remote.find(path) is not None

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method: str = scope["method"]
        request_id = headers.get(b"audit-id") or self._new_id()
        if len(request_id) > _ID_LIMIT or not request_id.isascii():
            request_id = self._new_id()
        visit = self._visit(scope, method, headers, request_id)
        request, info, common = visit.request, visit.request.info, visit.headers
        passed_on = bool(self.remote.remotes.remote) and self.remote.find(info.path) is not None
        switches = request.upgrade is not None and passed_on
        long_running = visit.connects or switches or info.verb == "watch"
        code = 0
        stage = "ResponseComplete"
        answered: Reply | None = None
        key = visit.key
        if long_running:
            key = self.counts.begin_long(key)
        else:
            self.counts.begin(method)
        try:
            try:
                send = await self._let_in(visit, send, streams=long_running)
                if info.is_resource or passed_on:
                    streamer = self.remote if passed_on else self._streamer(info)
                    if streamer is not None:
                        if visit.entry is not None and (switches or info.verb == "watch"):
                            send = _leaving(visit.entry, self.clock, send, _begun(request))
                        code = await _streamed(streamer, request, receive, send, common)
                        return
                    if method in ("POST", "PUT", "PATCH", "DELETE"):
                        request.body = await read_body(receive, headers)
                    reply = await self.resources.handle(request)
                elif self.extra is not None and info.path.startswith(EXTRA_PREFIXES):
                    code = 200
                    await self.extra(scope, receive, send, request.user)
                    return
                else:
                    reply = await self._path(request)
            except (ApiError, StoreUnavailable) as error:
                reply = error_reply(_refusal(error))
                if reply.content_type == JSON and wants_yaml(request.header(b"accept")):
                    reply = in_yaml(reply)
            except ClientGone:
                return
            except Exception:
                stage = "Panic"
                reply = error_reply(self._panic(visit))
            if request.warnings:
                common += warning_headers(request.warnings)
            answered = reply
            if reply.size > 131072 and takes_gzip(headers.get(b"accept-encoding", b"")):
                reply = await self.compressor.compressed(reply)
            code = reply.status
            with suppress(OSError):  # the client left
                await send_reply(send, reply, common)
        finally:
            ended = self.clock.monotonic()
            elapsed = ended - visit.started_s
            if visit.entry is not None:
                visit.entry.leave(ended)
            if long_running:
                self.counts.end_long(key, code)
            else:
                self.counts.end(method)
                size = answered.size if answered else 0
                self.counts.record(key, code, elapsed, visit.waited_s, size)
            self._record(stage, visit, code, elapsed, answered)

    def _visit(self, scope: Scope, method: str, headers: dict[bytes, bytes], request_id: bytes) -> _Visit:
        query = parse_query(scope["query_string"])
        info = parse_request(method, scope["path"], query)
        applies = info.verb == "patch" and headers.get(b"content-type", b"").startswith(_APPLY)
        upgrade = (scope.get("extensions") or {}).get("upgrade")
        return _Visit(
            scope,
            Request(
                info,
                method,
                query,
                headers,
                ANONYMOUS,
                raw_query=scope["query_string"],
                raw_headers=scope["headers"],
                client=(scope.get("client") or ("",))[0],
                upgrade=upgrade["protocol"] if upgrade else None,
            ),
            request_id,
            key_of(info, dry_run="dryRun" in query, applies=applies),
            self.clock.monotonic(),
            (info.resource, info.subresource) in self.connectors,
            [(b"audit-id", request_id), (b"cache-control", b"no-cache, private")],
        )

    async def _let_in(self, visit: _Visit, send: Send, *, streams: bool) -> Send:
        """The steps before anything is done, in this order for every kind of connection; what to send by from now on.
        Raises ApiError."""
        request = visit.request
        request.user = await self.identify(visit.scope, request.headers)
        if self.audit.is_early:
            send = self._announced(visit, send, streams=streams)
        if is_impersonation(request.headers):
            request.user = await impersonate(request.user, impersonation_of(visit.scope), self.authorizer)
        if not visit.connects:
            entry = visit.entry = self.flow.arrive(request.user, request.info, request.query, visit.started_s)
            visit.headers += entry.headers
            if entry.waits:
                await self._wait(visit, entry)
        request.allowed_by = await self._authorize(request.info, request.user)
        return send

    async def _wait(self, visit: _Visit, entry: Entry) -> None:
        arrived_s = self.clock.monotonic()
        try:
            await entry.turn()
        except TooManyRequests as refusal:
            self.counts.terminate(visit.key, refusal.code)
            raise
        finally:
            visit.waited_s = self.clock.monotonic() - arrived_s

    def _panic(self, visit: _Visit) -> InternalError:
        """For what nobody expected; called while it is handled."""
        request_id = visit.id.decode("latin-1")
        log.exception(
            "a request failed", id=request_id, method=visit.request.method, path=visit.scope["path"]
        )
        return InternalError(f"internal error, see the server's log for {request_id}")

    def _streamer(self, info: RequestInfo) -> Streamer | None:
        if info.subresource:
            return self.connectors.get((info.resource, info.subresource))
        return self.watch if info.verb == "watch" else None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same chain for an upgrade; a refusal before it is an HTTP answer with a Status."""
        visit = self._visit(scope, "GET", dict(scope["headers"]), self._new_id())
        request, info = visit.request, visit.request.info
        code = 0
        stage = "ResponseComplete"
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        key = self.counts.begin_long(visit.key)
        try:
            send = await self._let_in(visit, send, streams=True)
            if visit.entry is not None:
                send = _leaving(visit.entry, self.clock, send, _begun(request))
            if info.verb == "watch":
                code = await watch_over_websocket(self.watch, request, scope, receive, send)
            else:
                code = await self.websocket(request, scope, receive, send)
        except (ApiError, StoreUnavailable) as error:
            refused = _refusal(error)
            code = refused.code
            await _refuse_upgrade(scope, send, refused)
        except OSError:
            return
        except Exception:
            stage, code = "Panic", 500
            await _refuse_upgrade(scope, send, self._panic(visit))
        finally:
            ended = self.clock.monotonic()
            if visit.entry is not None:
                visit.entry.leave(ended)
            self.counts.end_long(key, code)
            self._record(stage, visit, code, ended - visit.started_s)

    async def _authorize(self, info: RequestInfo, user: User) -> str:
        """Why they may. Raises Forbidden in upstream's words."""
        if info.is_resource:
            attributes = Attributes(
                user,
                info.verb,
                info.group,
                info.version,
                info.resource,
                info.subresource,
                info.namespace,
                info.name or info.selected,
            )
        else:
            if info.path in self.open_paths:
                return ""
            attributes = Attributes(user, info.verb, path=info.path)
        decision = self.authorizer.authorize(attributes)
        if decision.pending is not None:
            decision = await decision.pending()
        if not decision.allowed:
            raise refuse(attributes, decision.reason)
        return decision.reason

    async def _path(self, request: Request) -> Reply:
        for handler in self.paths:
            reply = await handler(request)
            if reply is not None:
                return reply
        raise PageNotFound

    def _new_id(self) -> bytes:
        return names.uid(self.rng).encode()

    def _record(
        self, stage: str, visit: _Visit, code: int, elapsed_s: float, reply: Reply | None = None
    ) -> None:
        now = self.clock.now()
        self.audit.record(stage, visit.id, visit.scope, visit.request, code, now - elapsed_s, now, reply)

    def _announced(self, visit: _Visit, send: Send, *, streams: bool) -> Send:
        """Tells the audit log of a request before its end: now, and when a stream begins."""
        self._record("RequestReceived", visit, 0, self.clock.monotonic() - visit.started_s)
        if not streams:
            return send

        async def sending(message: Message) -> None:
            if message["type"] in _BEGINNINGS:
                elapsed = self.clock.monotonic() - visit.started_s
                self._record("ResponseStarted", visit, message.get("status", 101), elapsed)
            await send(message)

        return sending


def _begun(request: Request) -> frozenset[str]:
    """The messages by which a watch or session has begun: with one of them it counts as work no more."""
    # Without the bookmark that ends what is there, nothing needs to come.
    tells_all = request.query.flag("sendInitialEvents") and request.query.flag("allowWatchBookmarks")
    return _FIRST_EVENTS if tells_all else _BEGINNINGS


def _leaving(entry: Entry, clock: Clock, send: Send, last: frozenset[str]) -> Send:
    async def sending(message: Message) -> None:
        await send(message)
        if message["type"] in last:
            entry.leave(clock.monotonic())

    return sending


def _refusal(error: ApiError | StoreUnavailable) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, OutcomeUnknown):
        # Nothing that invites to repeat it: clients would, also what is not safe to.
        return Timeout(f"the request may have been carried out: {error}")
    if isinstance(error, KeyUnavailable):
        return InternalError(f"Internal error occurred: {error}")
    return ServiceUnavailable(f"the store is unavailable: {error}", retry_after_s=1)


async def _streamed(
    streamer: Streamer, request: Request, receive: Receive, send: Send, common: Sequence[Header]
) -> int:
    try:
        return await streamer(request, receive, send, common)
    except OSError:
        return 499  # the client left in the midst of it


async def _refuse_upgrade(scope: Scope, send: Send, error: ApiError) -> None:
    reply = error_reply(error)
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = [(b"content-type", reply.content_type), (b"content-length", str(len(reply.body)).encode())]
        await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": reply.body})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return

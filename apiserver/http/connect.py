"""pods/log, exec, attach and portforward: found in the cluster's state, relayed to the node's agent and back.

Which node, container and path is decided here (`plan_connect`, pure). exec, attach and portforward are websockets whose
messages pass unread, or SPDY (spdy.py); log is a plain answer, or a websocket for clients that ask for one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from api.resource import Obj
from apiserver.auth.seams import Authorizer, decide
from apiserver.auth.user import Attributes
from apiserver.engine.catalog import Catalog, Served
from apiserver.engine.engine import Call, Engine
from apiserver.engine.query import Query
from apiserver.engine.write import admission_request, admit
from apiserver.http.denial import refuse
from apiserver.http.dispatch import find
from apiserver.http.log_options import LOG_OPTIONS, judge_log_options
from apiserver.http.relay import close_socket, relay_messages
from apiserver.http.reply import Header, Receive, Reply, Scope, Send, end_stream, send_reply, start_stream
from apiserver.http.request import Request
from apiserver.http.watch_stream import Streams, serve_stream
from apiserver.nodeconnector import NodeConnector, NodeRefused, NodeSocket, NodeUnreachable
from machinery import integers
from machinery.errors import ApiError, BadRequest, InternalError, NotFound, from_status, not_found

_FLAGS = ("stdin", "stdout", "stderr", "tty")
_CHANNELS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
_FORWARD = ("SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io")
_LOG_CHANNELS = ("binary.k8s.io", "base64.binary.k8s.io")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to connect: the node's name, the agent's path and query."""

    node: str
    path: str
    query: tuple[tuple[str, str], ...]


def plan_connect(pod: Obj, subresource: str, query: Query) -> Connection:
    """Raises BadRequest, NotFound in upstream's words. A log may be of no node: the pod is not scheduled, and said nothing."""
    meta, spec = pod["metadata"], pod.get("spec") or {}
    namespace, name = meta["namespace"], meta["name"]
    node = spec.get("nodeName", "")
    if subresource == "portforward":
        ports = query.values_of("ports") + query.values_of("port")
        for port in ports:
            if integers.parse(port) is None:
                said = f'strconv.ParseUint: parsing "{port}": invalid syntax'
                raise BadRequest(f"cannot convert to []int32: {said}")
        _need_node(node, name)
        return Connection(node, f"/portForward/{namespace}/{name}", tuple(("port", value) for value in ports))
    container = plan_container(pod, query.get("container", ""), subresource)
    if subresource == "log":
        options = tuple((key, query[key]) for key in LOG_OPTIONS if key in query)
        return Connection(node, f"/containerLogs/{namespace}/{name}/{container}", options)
    _need_node(node, name)
    flags = [(flag, "true") for flag in _FLAGS if query.flag(flag)]
    if not flags:
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    commands = [("command", each) for each in query.values_of("command")]
    if subresource == "exec" and not commands:
        raise BadRequest("you must specify at least one command for the container")
    return Connection(node, f"/{subresource}/{namespace}/{name}/{container}", (*commands, *flags))


def connect_options(subresource: str, query: Query) -> Obj:
    """What a client asks for, as the object that admission judges: PodExecOptions, PodAttachOptions, ..."""
    kinds = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}
    options: Obj = {"kind": kinds.get(subresource, "PodProxyOptions"), "apiVersion": "v1"}
    if subresource == "portforward":
        ports = query.values_of("ports") + query.values_of("port")
        return {
            **options,
            "ports": [number for port in ports if (number := integers.parse(port, (1, 65535)))],
        }
    options |= {flag: True for flag in _FLAGS if query.flag(flag)}
    if query.get("container"):
        options["container"] = query["container"]
    if subresource == "exec":
        options["command"] = list(query.values_of("command"))
    return options


def plan_container(pod: Obj, asked: str, subresource: str) -> str:
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    main: list[str] = [each["name"] for each in spec.get("containers") or ()]
    init = [each["name"] for each in spec.get("initContainers") or ()]
    ephemeral = [each["name"] for each in spec.get("ephemeralContainers") or ()]
    if asked:
        if asked not in (*main, *init, *ephemeral):
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    preferred = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if preferred in main:
        return str(preferred)
    if len(main) == 1:
        return main[0]
    listed = f"choose one of: [{' '.join(main)}]"
    if init:
        listed += f" or one of the init containers: [{' '.join(init)}]"
    raise BadRequest(f"a container name must be specified for pod {name}, {listed}")


def _need_node(node: str, name: str) -> None:
    if not node:
        raise BadRequest(f"pod {name} does not have a host assigned")


class Connectors:
    def __init__(
        self, engine: Engine, connector: NodeConnector, streams: Streams, authorizer: Authorizer
    ) -> None:
        self._engine = engine
        self._authorizer = authorizer
        self._connector = connector
        self._streams = streams

    async def _find(self, request: Request) -> tuple[Connection, Obj]:
        catalog: Catalog = self._engine.catalog
        served = find(catalog, request.info)
        if request.info.subresource == "log":
            judge_log_options(request.info.name, request.query)
        else:
            await self._authorize(request)
        pod = await _load(served, request.info.namespace, request.info.name)
        if request.info.subresource != "log":
            await self._admit(request, served)
        plan = plan_connect(pod, request.info.subresource, request.query)
        if not plan.node:
            return plan, {}
        nodes = catalog.find("", "nodes")
        if nodes is None:
            raise NotFound("the server could not find the requested resource")
        return plan, await _load(nodes, "", plan.node)

    async def _authorize(self, request: Request) -> None:
        """A websocket is asked for by GET, SPDY by POST: who may only read must not enter a container by either."""
        info = request.info
        if info.verb == "create":  # asked for and allowed already
            return
        asked = Attributes(
            request.user,
            "create",
            info.group,
            info.version,
            info.resource,
            info.subresource,
            info.namespace,
            info.name,
        )
        decision = await decide(self._authorizer, asked)
        if not decision.allowed:
            raise refuse(asked, decision.reason)

    async def _admit(self, request: Request, served: Served) -> None:
        info = request.info
        call = Call(
            served, request.user, info.namespace, info.name, info.subresource, warnings=request.warnings
        )
        options = connect_options(info.subresource, request.query)
        await admit(self._engine, admission_request(self._engine, call, "CONNECT", options, None))

    async def log(self, request: Request, receive: Receive, send: Send, extra: Sequence[Header]) -> int:
        """GET pods/NAME/log. The node's answer is passed on while it comes; its errors become Status bodies."""
        plan, node = await self._find(request)
        if not plan.node:
            await send({"type": "http.response.start", "status": 204, "headers": [*extra]})
            await end_stream(send)
            return 204
        status = 200
        try:
            async with self._connector.stream(node, plan.path, plan.query) as stream:
                if stream.status != 200:
                    raise _refused(stream.status, await stream.read())
                await start_stream(send, b"text/plain", extra)

                async def relay() -> None:
                    async for piece in stream.chunks():
                        await send({"type": "http.response.body", "body": piece, "more_body": True})

                await serve_stream(receive, self._streams, None, relay)
                await end_stream(send)
        except NodeUnreachable as error:
            raise InternalError(f"Get {plan.path}: {error}") from error
        return status

    async def upgrade(self, request: Request, receive: Receive, send: Send, extra: Sequence[Header]) -> int:
        """exec, attach or portforward over SPDY. Errors before the upgrade are raised or answered."""
        from apiserver.http.command_streams import AGENT_PROTOCOL, expected_streams
        from apiserver.http.spdy import SPDY, VERSION_HEADER, plan_upgrade, serve_command, serve_forward
        from apiserver.http.tunnel import Tunnel

        plan, node = await self._find(request)
        if request.upgrade is None:
            raise BadRequest("Upgrade request required")
        subresource = request.info.subresource
        protocol = plan_upgrade(request.upgrade, request.raw_headers, subresource)
        if isinstance(protocol, Reply):
            await send_reply(send, protocol, extra)
            return protocol.status
        forwards = subresource == "portforward"
        async with self._socket(node, plan, [_FORWARD[0] if forwards else AGENT_PROTOCOL]) as socket:
            tunnel = Tunnel(receive, send)
            await tunnel.open(SPDY, [(VERSION_HEADER, protocol.encode()), *extra])
            if forwards:
                await serve_forward(tunnel, socket, self._streams)
            else:
                expected = expected_streams(dict(plan.query), protocol)
                await serve_command(tunnel, socket, self._streams, protocol, expected)
            await tunnel.close()
        return 101

    async def websocket(self, request: Request, scope: Scope, receive: Receive, send: Send) -> int:
        """exec, attach, portforward, and log over a websocket. Errors before the upgrade are raised."""
        subresource = request.info.subresource
        offered: list[str] = list(scope.get("subprotocols") or ())
        if request.info.resource != "pods" or subresource not in ("exec", "attach", "portforward", "log"):
            raise BadRequest("this path cannot be upgraded to a websocket")
        plan, node = await self._find(request)
        if subresource == "log":
            if not plan.node:
                raise BadRequest(f"pod {request.info.name} is not scheduled yet")
            return await self._log_socket(plan, node, offered, receive, send)
        known = _FORWARD if subresource == "portforward" else _CHANNELS
        wanted = [each for each in offered if each in known]
        if not wanted:
            if offered:
                raise BadRequest(
                    f"unable to upgrade: none of the offered subprotocols is known: {', '.join(offered)}"
                )
            wanted = ["channel.k8s.io"]
        async with self._socket(node, plan, wanted) as socket:
            chosen = socket.subprotocol if offered else None
            await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
            await relay_messages(socket, self._streams, receive, send)
        return 101

    @asynccontextmanager
    async def _socket(self, node: Obj, plan: Connection, wanted: Sequence[str]) -> AsyncIterator[NodeSocket]:
        try:
            async with self._connector.websocket(node, plan.path, plan.query, wanted) as socket:
                yield socket
        except NodeRefused as error:
            raise _refused(error.status, error.body) from error
        except NodeUnreachable as error:
            raise InternalError(f"error dialing backend: {error}") from error

    async def _log_socket(
        self, plan: Connection, node: Obj, offered: Sequence[str], receive: Receive, send: Send
    ) -> int:
        chosen = next((each for each in offered if each in _LOG_CHANNELS), None)
        if offered and chosen is None:
            raise BadRequest(
                f"unable to upgrade: none of the offered subprotocols is known: {', '.join(offered)}"
            )
        try:
            async with self._connector.stream(node, plan.path, plan.query) as stream:
                if stream.status != 200:
                    raise _refused(stream.status, await stream.read())
                await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})

                async def relay() -> None:
                    async for piece in stream.chunks():
                        if chosen == "base64.binary.k8s.io":
                            import base64

                            await send({"type": "websocket.send", "text": base64.b64encode(piece).decode()})
                        else:
                            await send({"type": "websocket.send", "bytes": piece})

                await serve_stream(receive, self._streams, None, relay)
                await close_socket(send)
        except NodeUnreachable as error:
            raise InternalError(f"Get {plan.path}: {error}") from error
        return 101


async def _load(served: Served, namespace: str, name: str) -> Obj:
    entry = await served.store.get(namespace, name)
    if entry is None:
        raise not_found(served.resource.gvr.group, served.resource.gvr.resource, name)
    return served.load(entry)


def _refused(status: int, body: bytes) -> ApiError:
    """The agent's refusal as an error of our own: its Status where it sent one, else its text."""
    import orjson

    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict) and value.get("kind") == "Status":
        return from_status(value, status)
    return from_status(
        {"message": body.decode("utf-8", "replace").strip() or f"the node answered {status}"}, status
    )

"""The node's streaming server as one plain ASGI application: logs, exec, attach, port-forward, health, metrics.

    GET /healthz /readyz /livez /metrics /pods /stats/summary /configz
    GET /containerLogs/{ns}/{pod}/{container}
    WS  /exec/{ns}/{pod}/{container}   /attach/{ns}/{pod}/{container}   /portForward/{ns}/{pod}

Who may call is decided before (`serve.py` asks for the API server's certificate); everything here is served.
Errors before an upgrade are metav1.Status answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import unquote

from machinery.errors import ApiError, BadRequest, InternalError, MethodNotAllowed, NotFound, not_found
from nodeagent import podspec
from nodeagent.pod.worker import PodWorker
from nodeagent.server.asgi import (
    Query,
    Receive,
    Scope,
    Send,
    WebSocket,
    answer,
    answer_error,
    answer_json,
    while_there,
)
from nodeagent.server.channels import STDERR, STDOUT, choose
from nodeagent.server.log_follow import log_chunks
from nodeagent.server.log_reader import LogOptions
from nodeagent.server.port_forward import SPDY_PROTOCOL, serve_channels, serve_spdy
from nodeagent.server.sessions import serve_session
from nodeagent.server.stats import metrics_text, stats_summary
from runtime.cri import Connection, Container, ContainerState, NotFoundInRuntime, RuntimeFailure

if TYPE_CHECKING:
    from nodeagent.component import NodeAgent


class NodeServer:
    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                try:
                    await self._http(scope, receive, send)
                except ApiError as error:
                    await answer_error(send, error)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)

    # -- plain requests --------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{scope['method']} is not served here")
        parts = _parts(scope)
        match parts:
            case ["healthz" | "livez"]:
                await answer(send, 200, b"ok")
            case ["readyz"]:
                missing = self._agent.is_ready()
                await answer(send, 500 if missing else 200, (missing or "ok").encode())
            case ["metrics"]:
                text = await metrics_text(self._agent)
                await answer(send, 200, text.encode(), "text/plain; version=0.0.4; charset=utf-8")
            case ["stats", "summary"]:
                await answer_json(send, await stats_summary(self._agent))
            case ["pods"] | ["runningpods"]:
                pods = [{**w.pod, "status": w.status} for w in self._agent.pods.workers.values()]
                await answer_json(
                    send, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}
                )
            case ["configz"]:
                await answer_json(send, {"kubeletconfig": _config(self._agent)})
            case ["containerLogs", namespace, name, container]:
                await while_there(receive, self._logs(namespace, name, container, Query(scope), send))
            case _:
                raise NotFound(f"the node serves no {scope['path']}")

    async def _logs(self, namespace: str, name: str, container: str, query: Query, send: Send) -> None:
        worker = self._worker(namespace, name)
        options = LogOptions.of(query, self._agent.clock.now())
        instance = _log_instance(worker, container, options.previous)
        ended = asyncio.Event()
        worker.listeners[ended] = None

        async def is_running() -> bool:
            try:
                status = await self._agent.runtime.container_status(instance.id)
            except NotFoundInRuntime:
                return False
            return status.state in (ContainerState.RUNNING, ContainerState.CREATED)

        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            chunks = log_chunks(instance.log_path, options, is_running, ended, self._agent.clock)
            async with aclosing(chunks):
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            worker.listeners.pop(ended, None)

    # -- websockets ------------------------------------------------------------------------------------

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket, query = WebSocket(scope, receive, send), Query(scope)
        try:
            match _parts(scope):
                case ["exec", namespace, name, container]:
                    await self._exec(socket, self._running(namespace, name, container), query)
                case ["attach", namespace, name, container]:
                    await self._attach(socket, self._running(namespace, name, container), query)
                case ["portForward", namespace, name]:
                    await self._port_forward(socket, self._worker(namespace, name), query)
                case _:
                    raise NotFound(f"the node serves no {scope['path']}")
        except ApiError as error:
            await socket.refuse(error)
        except (RuntimeFailure, OSError) as error:
            self._agent.deps.log.warning("a session broke", path=scope["path"], why=str(error))
            await socket.close(1011, str(error)[:120])

    async def _exec(self, socket: WebSocket, container: Container, query: Query) -> None:
        command = query.all("command")
        if not command:
            raise BadRequest("you must specify at least 1 command for the container")
        protocol = choose(socket.offered)
        if protocol is None:
            raise BadRequest(f"none of the subprotocols {list(socket.offered)} is spoken here")
        stdin, tty = _flag(query, "stdin", "input"), query.flag("tty")
        await serve_session(
            socket,
            protocol,
            lambda: self._agent.runtime.exec(container.id, command, stdin=stdin, tty=tty),
            stdin=stdin,
            wanted=_outputs(query, tty),
            exit_code_counts=True,
        )

    async def _attach(self, socket: WebSocket, container: Container, query: Query) -> None:
        protocol = choose(socket.offered)
        if protocol is None:
            raise BadRequest(f"none of the subprotocols {list(socket.offered)} is spoken here")
        stdin = _flag(query, "stdin", "input") and container.config.stdin
        tty = container.config.tty
        await serve_session(
            socket,
            protocol,
            lambda: self._agent.runtime.attach(container.id, stdin=stdin, tty=tty),
            stdin=stdin,
            wanted=_outputs(query, tty),
            exit_code_counts=False,
        )

    async def _port_forward(self, socket: WebSocket, worker: PodWorker, query: Query) -> None:
        sandbox = worker.view.ready_sandbox
        if sandbox is None:
            raise BadRequest(f'pod "{podspec.name_of(worker.pod)}" has no running sandbox to forward to')

        async def dial(port: int) -> Connection:
            return await self._agent.runtime.port_forward(sandbox.id, port)

        if SPDY_PROTOCOL in socket.offered:
            await serve_spdy(socket, dial)
            return
        protocol = choose(socket.offered)
        ports = [
            int(p) for text in query.all("ports") + query.all("port") for p in text.split(",") if p.isdigit()
        ]
        if protocol is None or not ports:
            raise BadRequest(
                f"port forwarding speaks {SPDY_PROTOCOL}, or v4.channel.k8s.io with ports in the query"
            )
        await serve_channels(socket, protocol, ports, dial)

    # -- finding ---------------------------------------------------------------------------------------

    def _worker(self, namespace: str, name: str) -> PodWorker:
        worker = self._agent.pods.get(namespace, name)
        if worker is None:
            raise not_found("", "pods", name)
        return worker

    def _running(self, namespace: str, name: str, container: str) -> Container:
        worker = self._worker(namespace, name)
        if podspec.find_container(worker.pod, container) is None:
            raise BadRequest(f"container {container} is not valid for pod {name}")
        latest = worker.view.latest(container)
        if latest is None or latest.state is not ContainerState.RUNNING:
            raise InternalError(f'container "{container}" in pod "{name}" is not running')
        return latest


def _log_instance(worker: PodWorker, container: str, previous: bool) -> Container:
    """Raises BadRequest where there is nothing to read, in upstream's words."""
    name = podspec.name_of(worker.pod)
    if podspec.find_container(worker.pod, container) is None:
        raise BadRequest(f"container {container} is not valid for pod {name}")
    latest = worker.view.latest(container)
    if previous:
        found = worker.view.previous(container)
        if found is None:
            raise BadRequest(f'previous terminated container "{container}" in pod "{name}" not found')
        return found
    if latest is None or (latest.state is ContainerState.CREATED and not latest.started_at_ns):
        reason = "ContainerCreating"
        for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            for entry in worker.status.get(field) or ():
                if entry["name"] == container:
                    waiting = entry["state"].get("waiting") or {}
                    reason = waiting.get("reason", reason)
        raise BadRequest(f'container "{container}" in pod "{name}" is waiting to start: {_why(reason)}')
    return latest


def _why(reason: str) -> str:
    return {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }.get(reason, reason)


def _outputs(query: Query, tty: bool) -> frozenset[int]:
    wanted = set()
    if _flag(query, "stdout", "output"):
        wanted.add(STDOUT)
    if _flag(query, "stderr", "error") and not tty:
        wanted.add(STDERR)
    return frozenset(wanted)


def _flag(query: Query, *names: str) -> bool:
    return any(query.flag(name) for name in names)


def _parts(scope: Scope) -> list[str]:
    return [unquote(part) for part in scope["path"].strip("/").split("/")]


def _config(agent: NodeAgent) -> Mapping[str, object]:
    config = agent.config
    return {
        "maxPods": config.max_pods,
        "podPidsLimit": config.pod_pids_limit,
        "clusterDNS": list(config.cluster_dns),
        "clusterDomain": config.cluster_domain,
        "nodeStatusUpdateFrequency": f"{config.heartbeat_s:g}s",
        "imageGCHighThresholdPercent": int(config.image_gc_high * 100),
        "imageGCLowThresholdPercent": int(config.image_gc_low * 100),
    }


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

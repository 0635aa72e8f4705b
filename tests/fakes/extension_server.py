"""An extension API server beside ours, for tests: a real one over TLS on loopback, and how it is registered and reached.

`with_world` runs a test's body in a world where the API server is called in this process, `over_tls` opens a socket to it."""

from __future__ import annotations

import asyncio
import base64
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from open_guard import open_guard

from apiserver.aggregation.reach import FrontProxy
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.http.serve import Listener
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.inprocess import InProcessTransport
from machinery.clock import SystemClock
from machinery.gvk import GVR, SERVICES
from standalone.pki import Leaf, component_leaves, ensure_pki, utc_now

Obj = dict[str, Any]
APISERVICES = GVR("apiregistration.k8s.io", "v1", "apiservices", namespaced=False, kind="APIService")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices", kind="EndpointSlice")
GROUP, VERSION = "metrics.k8s.io", "v1beta1"
BASE = f"/apis/{GROUP}/{VERSION}"
JANE = User("jané", ("dev", "system:masters"), "u-1", {"example.com/Team": ["a", "b"]})


@dataclass
class Extension:
    """A metrics server: what it is asked is kept in `seen`."""

    seen: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)
    failing: bool = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        path = scope["path"]
        headers = [(k.decode(), v.decode()) for k, v in scope["headers"]]
        query = scope["query_string"].decode()
        self.seen.append((scope["method"], f"{path}?{query}" if query else path, headers))
        if not (scope.get("extensions") or {}).get("tls"):
            await self._answer(send, 401, {"message": "no client certificate"})
        elif self.failing:
            await self._answer(send, 500, {})
        elif path == f"{BASE}/nodes/n1/shell":
            await self._shell(send, receive, headers)
        elif path == f"{BASE}/nodes" and "watch=" in query:
            await self._watch(send)
        elif path == f"{BASE}/nodes":
            usage = {"cpu": "250m", "memory": "128Mi"}
            item = {"metadata": {"name": "n1"}, "timestamp": "2026-01-01T00:00:00Z", "window": "10s"}
            listing = {"kind": "NodeMetricsList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}}
            await self._answer(send, 200, {**listing, "items": [{**item, "usage": usage}]})
        elif path == BASE:
            nodes = {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics"}
            told = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}"}
            await self._answer(send, 200, {**told, "resources": [{**nodes, "verbs": ["get", "list"]}]})
        elif path == "/openapi/v3":
            url = f"/openapi/v3{BASE}?hash=1"
            await self._answer(send, 200, {"paths": {BASE[1:]: {"serverRelativeURL": url}}})
        elif path == f"/openapi/v3{BASE}":
            await self._answer(send, 200, {"openapi": "3.0.0", "paths": {}, "components": {}})
        elif path == "/openapi/v2":
            item = {"get": {"responses": {"200": {"schema": {"$ref": "#/definitions/m.NodeMetrics"}}}}}
            shapes = {"m.NodeMetrics": {"type": "object"}, "m.Unused": {"type": "object"}}
            whole = {"swagger": "2.0", "paths": {f"{BASE}/nodes": item, "/other": {}}, "definitions": shapes}
            await self._answer(send, 200, whole)
        else:
            message = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "gone fishing"}
            await self._answer(send, 404, message)

    async def _answer(self, send: Any, status: int, value: Obj) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps(value)})

    async def _watch(self, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for n in range(3):
            event = {"type": "ADDED", "object": {"metadata": {"name": f"n{n}"}}}
            await send({"type": "http.response.body", "body": orjson.dumps(event) + b"\n", "more_body": True})
        await asyncio.sleep(30)

    async def _shell(self, send: Any, receive: Any, headers: list[tuple[str, str]]) -> None:
        """Takes an upgrade to whatever was asked for, and says what comes backwards."""
        told = [(b"upgrade", dict(headers)["upgrade"].encode()), (b"x-of-mine", b"yes")]
        await send({"type": "http.response.start", "status": 101, "headers": told})
        while (message := await receive())["type"] == "http.request":
            await send({"type": "http.response.body", "body": message["body"][::-1], "more_body": True})

    async def _websocket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        user = dict(scope["headers"])[b"x-remote-user"].decode()
        await send({"type": "websocket.accept", "subprotocol": "echo.example.com", "headers": []})
        await send({"type": "websocket.send", "text": user})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": (message["bytes"] or b"")[::-1]})


@dataclass
class World:
    server: ApiServer
    client: Client
    transport: InProcessTransport
    extension: Extension
    listener: Listener
    pki: Path

    async def register(self, **spec: Any) -> None:
        ca = base64.b64encode((self.pki / "ca.crt").read_bytes()).decode()
        service = {"namespace": "default", "name": "metrics", "port": 443}
        trust = {} if spec.get("insecureSkipTLSVerify") else {"caBundle": ca}
        whole = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100}
        metadata = {"name": f"{VERSION}.{GROUP}"}
        await self.client.create(
            APISERVICES, {"metadata": metadata, "spec": {**whole, "service": service, **trust, **spec}}
        )

    async def serve(self) -> None:
        ports = [{"name": "https", "port": 443, "targetPort": "https"}]
        await self.client.create(
            SERVICES, {"metadata": {"name": "metrics", "namespace": "default"}, "spec": {"ports": ports}}
        )
        labels = {"kubernetes.io/service-name": "metrics"}
        found: Obj = {"metadata": {"name": "metrics-1", "namespace": "default", "labels": labels}}
        found |= {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}]}
        found |= {"ports": [{"name": "https", "port": self.listener.ports[0], "protocol": "TCP"}]}
        await self.client.create(SLICES, found)
        self.server._remotes.news.set()

    async def available(self, status: str, reason: str, name: str = f"{VERSION}.{GROUP}") -> str:
        async with asyncio.timeout(20):
            while True:
                obj = await self.client.get(APISERVICES, name)
                for each in (obj.get("status") or {}).get("conditions") or ():
                    if (each["status"], each["reason"]) == (status, reason):
                        return str(each["message"])
                await asyncio.sleep(0.02)

    async def get(self, path: str, **headers: str) -> Any:
        return await self.transport.request("GET", path, headers=headers)


def with_world(tmp_path: Path, body: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        serving = Leaf("metrics", "metrics", sans=("metrics.default.svc",), client=False)
        api = Leaf("api", "kube-apiserver", sans=("127.0.0.1",), client=False)
        ensure_pki(tmp_path, [*component_leaves([]), serving, api], utc_now())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "metrics.crt", tmp_path / "metrics.key")
        context.load_verify_locations(tmp_path / "front-proxy-ca.crt")
        context.verify_mode = ssl.CERT_OPTIONAL
        extension = Extension()
        listener = Listener(extension, [("127.0.0.1", 0)], context)
        await listener.start()
        clock, rng = SystemClock(), random.Random(3)
        backend = MemoryBackend(clock)
        ca = (tmp_path / "front-proxy-ca.crt").read_text()
        proxy = FrontProxy(tmp_path / "front-proxy-client.crt", tmp_path / "front-proxy-client.key", ca)
        server = ApiServer(
            Parts(
                backend,
                clock,
                rng,
                make_store=lambda resource: make_cacher(backend, resource, clock, rng),
                make_guard=open_guard,
                connector=object(),
                resources_of=resources_of,
                client_ca=(tmp_path / "ca.crt").read_text(),
                front_proxy=proxy,
            )
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(server.run())
            await server.settled()
            transport = InProcessTransport(server.app, JANE)
            await body(World(server, Client(transport), transport, extension, listener, tmp_path))
            server.stop()
            running.cancel()
        await listener.stop(0.1)

    asyncio.run(main())


async def over_tls(world: World, body: Callable[[int, ssl.SSLContext], Awaitable[None]]) -> None:
    """The API server on a socket of its own, with Jane as whoever calls."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "extensions": {**(scope.get("extensions") or {}), "kctl": {"user": JANE}}}
        await world.server.app(scope, receive, send)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.pki / "api.crt", world.pki / "api.key")
    listener = Listener(app, [("127.0.0.1", 0)], context, tunnels=world.server.tunnels)
    await listener.start()
    try:
        await body(listener.ports[0], ssl.create_default_context(cafile=str(world.pki / "ca.crt")))
    finally:
        await listener.stop(0.1)

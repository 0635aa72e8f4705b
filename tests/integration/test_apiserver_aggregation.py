"""An extension API server beside this one: a real one over TLS on loopback, registered, probed, proxied, and gone."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
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
from machinery.gvk import CONFIGMAPS, GVR, NODES, SERVICES
from standalone.pki import Leaf, component_leaves, ensure_pki, utc_now

Obj = dict[str, Any]
APISERVICES = GVR("apiregistration.k8s.io", "v1", "apiservices", namespaced=False, kind="APIService")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices", kind="EndpointSlice")
GROUP, VERSION = "metrics.k8s.io", "v1beta1"
BASE = f"/apis/{GROUP}/{VERSION}"
JANE = User("jané", ("dev", "system:masters"), "u-1", {"example.com/Team": ["a", "b"]})
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


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


def test_local_services_stand_for_every_group_and_version(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        items = {each["metadata"]["name"]: each for each in (await world.client.list(APISERVICES))["items"]}
        apps = items["v1.apps"]
        assert (apps["spec"]["groupPriorityMinimum"], apps["spec"]["versionPriority"]) == (17800, 15)
        assert apps["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"] == "onstart"
        assert items["v1."]["spec"]["groupPriorityMinimum"] == 18000
        assert items["v2.autoscaling"]["spec"]["versionPriority"] == 30
        assert "v1.apiregistration.k8s.io" not in items
        for each in items.values():
            assert each["status"]["conditions"][0]["reason"] == "Local", each["metadata"]["name"]
        groups = [each["name"] for each in orjson.loads((await world.get("/apis")).body)["groups"]]
        assert groups[:4] == ["apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io"]

    with_world(tmp_path, body)


def test_custom_resources_are_registered_while_they_are_served(tmp_path: Path) -> None:
    crds = GVR(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        namespaced=False,
        kind="CustomResourceDefinition",
    )

    async def stands(world: World, wanted: bool) -> None:
        async with asyncio.timeout(5):
            while True:
                found = [each["metadata"]["name"] for each in (await world.client.list(APISERVICES))["items"]]
                if ("v1.example.com" in found) == wanted:
                    return
                await asyncio.sleep(0.02)

    async def body(world: World) -> None:
        schema = {"openAPIV3Schema": {"type": "object"}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        spec = {"group": "example.com", "scope": "Namespaced", "versions": [version]}
        spec["names"] = {"plural": "widgets", "kind": "Widget"}
        await world.client.create(crds, {"metadata": {"name": "widgets.example.com"}, "spec": spec})
        await stands(world, True)
        one = await world.client.get(APISERVICES, "v1.example.com")
        assert one["spec"]["groupPriorityMinimum"] == 1000 and one["spec"]["versionPriority"] == 100
        await world.client.delete(crds, "widgets.example.com")
        await stands(world, False)

    with_world(tmp_path, body)


def test_requests_reach_the_extension_as_the_caller_and_come_back_whole(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        assert "is not present" in await world.available("False", "ServiceNotFound")
        refused = await world.get(f"{BASE}/nodes")
        assert refused.status == 503 and b"service unavailable" in refused.body
        await world.serve()
        assert await world.available("True", "Passed") == "all checks passed"
        world.extension.seen.clear()
        answer = await world.transport.request(
            "GET",
            f"{BASE}/nodes",
            query=[("limit", "5")],
            headers={"authorization": "Bearer secret", "x-remote-user": "root", "x-custom": "kept"},
        )
        assert answer.status == 200 and orjson.loads(answer.body)["items"][0]["usage"]["cpu"] == "250m"
        method, url, headers = next(each for each in world.extension.seen if "limit=5" in each[1])
        assert (method, url) == ("GET", f"{BASE}/nodes?limit=5")
        told = [(key, value) for key, value in headers if key.startswith("x-remote")]
        assert ("x-remote-user", "jané") in told and ("x-remote-user", "root") not in told
        assert [value for key, value in told if key == "x-remote-group"] == ["dev", "system:masters"]
        assert ("x-remote-uid", "u-1") in told and ("x-remote-extra-example.com%2fteam", "a") in told
        assert dict(headers)["x-custom"] == "kept" and "authorization" not in dict(headers)
        missing = await world.get(f"{BASE}/nodes/none")
        assert missing.status == 404 and b"gone fishing" in missing.body

    with_world(tmp_path, body)


def test_watch_is_passed_on_while_it_comes(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        names = []
        async with world.transport.stream("GET", f"{BASE}/nodes", query=[("watch", "true")]) as stream:
            async for line in stream.lines():
                names.append(orjson.loads(line)["object"]["metadata"]["name"])
                if len(names) == 3:
                    break
        assert names == ["n0", "n1", "n2"]

    with_world(tmp_path, body)


def test_discovery_and_openapi_tell_of_the_extension_and_remember_it_when_it_fails(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        plain = orjson.loads((await world.get("/apis")).body)["groups"]
        assert plain[-1]["name"] == GROUP and plain[-1]["preferredVersion"]["version"] == VERSION
        assert orjson.loads((await world.get(f"/apis/{GROUP}")).body)["versions"][0]["version"] == VERSION
        assert orjson.loads((await world.get(BASE)).body)["resources"][0]["name"] == "nodes"

        async def aggregated() -> Obj:
            items = orjson.loads((await world.get("/apis", accept=_AGGREGATED)).body)["items"]
            found: Obj = next(each for each in items if each["metadata"]["name"] == GROUP)["versions"][0]
            return found

        told = await aggregated()
        assert (
            told["freshness"] == "Current" and told["resources"][0]["responseKind"]["kind"] == "NodeMetrics"
        )
        index = orjson.loads((await world.get("/openapi/v3")).body)["paths"][BASE[1:]]["serverRelativeURL"]
        document = await world.get(index.partition("?")[0])
        assert orjson.loads(document.body)["openapi"] == "3.0.0"
        v2 = orjson.loads((await world.get("/openapi/v2")).body)
        assert f"{BASE}/nodes" in v2["paths"] and "/other" not in v2["paths"]
        assert "m.NodeMetrics" in v2["definitions"] and "m.Unused" not in v2["definitions"]
        assert "io.k8s.api.core.v1.Pod" in v2["definitions"]
        world.extension.failing = True
        world.server._remotes.news.set()
        assert "bad status from" in await world.available("False", "FailedDiscoveryCheck")
        assert (await aggregated())["freshness"] == "Stale"
        await world.client.delete(APISERVICES, f"{VERSION}.{GROUP}")
        assert (await world.get(f"{BASE}/nodes")).status == 404

    with_world(tmp_path, body)


def test_certificate_that_nobody_vouches_for_is_refused_unless_told_to_skip(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        other = base64.b64encode((world.pki / "front-proxy-ca.crt").read_bytes()).decode()
        await world.serve()
        await world.register(caBundle=other)
        assert "certificate verify failed" in await world.available("False", "FailedDiscoveryCheck")
        await world.client.delete(APISERVICES, f"{VERSION}.{GROUP}")
        await world.register(insecureSkipTLSVerify=True)
        await world.available("True", "Passed")

    with_world(tmp_path, body)


def test_group_that_is_served_here_is_never_taken_over(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.serve()
        one = await world.client.get(APISERVICES, "v1.apps")
        one["spec"]["service"] = {"namespace": "default", "name": "metrics", "port": 443}
        one["spec"]["insecureSkipTLSVerify"] = True
        await world.client.update(APISERVICES, one)
        await world.available("False", "ServedLocally", "v1.apps")
        assert orjson.loads((await world.get("/apis/apps/v1")).body)["resources"][0]["kind"]
        assert not world.extension.seen

    with_world(tmp_path, body)


def test_config_map_tells_extensions_whom_to_believe(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        found = await world.client.get(CONFIGMAPS, "extension-apiserver-authentication", "kube-system")
        assert found["data"]["client-ca-file"] == (tmp_path / "ca.crt").read_text()
        assert found["data"]["requestheader-client-ca-file"] == (tmp_path / "front-proxy-ca.crt").read_text()
        assert found["data"]["requestheader-allowed-names"] == '["front-proxy-client"]'
        assert found["data"]["requestheader-extra-headers-prefix"] == '["X-Remote-Extra-"]'

    with_world(tmp_path, body)


async def _over_tls(world: World, body: Callable[[int, ssl.SSLContext], Awaitable[None]]) -> None:
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


def test_websocket_is_relayed_both_ways(tmp_path: Path) -> None:
    from websockets.asyncio.client import connect

    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")

        async def talk(port: int, context: ssl.SSLContext) -> None:
            url = f"wss://127.0.0.1:{port}{BASE}/nodes/n1/talk"
            async with connect(url, ssl=context, subprotocols=["echo.example.com"], proxy=None) as socket:
                assert socket.subprotocol == "echo.example.com" and await socket.recv() == "jané"
                await socket.send(b"abc")
                assert await socket.recv() == b"cba"

        await _over_tls(world, talk)

    with_world(tmp_path, body)


def test_other_upgrades_are_relayed_byte_for_byte(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")

        async def talk(port: int, context: ssl.SSLContext) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            head = [
                f"POST {BASE}/nodes/n1/shell?x=1 HTTP/1.1",
                "Host: api",
                "Connection: Upgrade",
                "Upgrade: SPDY/3.1",
            ]
            head += [
                "X-Stream-Protocol-Version: v4",
                "X-Stream-Protocol-Version: v3",
                "X-Remote-User: mallory",
            ]
            writer.write("\r\n".join([*head, "", ""]).encode() + b"abc")
            answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).lower()
            assert answer.startswith(b"http/1.1 101 ") and b"\r\nupgrade: spdy/3.1\r\n" in answer
            assert b"\r\nx-of-mine: yes\r\n" in answer and b"\r\naudit-id: " in answer
            assert await asyncio.wait_for(reader.readexactly(3), 10) == b"cba"
            writer.write(b"def")
            assert await asyncio.wait_for(reader.readexactly(3), 10) == b"fed"
            writer.close()

        await _over_tls(world, talk)
        method, path, headers = world.extension.seen[-1]
        assert (method, path) == ("POST", f"{BASE}/nodes/n1/shell?x=1")
        assert [value for name, value in headers if name == "x-stream-protocol-version"] == ["v4", "v3"]
        assert [value for name, value in headers if name == "x-remote-user"] == ["jané"]

    with_world(tmp_path, body)


@pytest.mark.kubectl
def test_kubectl_top_nodes_shows_the_extensions_metrics(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        amounts = {"cpu": "1", "memory": "1Gi"}
        await world.client.create(
            NODES, {"metadata": {"name": "n1"}, "status": {"capacity": amounts, "allocatable": amounts}}
        )

        async def top(port: int, context: ssl.SSLContext) -> None:
            flags = (f"--server=https://127.0.0.1:{port}", f"--certificate-authority={world.pki / 'ca.crt'}")
            process = await asyncio.create_subprocess_exec(
                "kubectl",
                "top",
                "nodes",
                "--token=any",
                *flags,
                f"--cache-dir={tmp_path / 'cache'}",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            )
            out, err = await asyncio.wait_for(process.communicate(), 20)
            assert process.returncode == 0, err.decode()
            rows = [line.split() for line in out.decode().splitlines()]
            assert rows[1] == ["n1", "250m", "25%", "128Mi", "12%"]

        await _over_tls(world, top)

    with_world(tmp_path, body)


def test_names_that_hold_line_breaks_reach_no_extension(tmp_path: Path) -> None:
    forged = User("eve\r\nX-Remote-Group: system:masters", ("system:masters",))

    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        world.extension.seen.clear()
        answer = await InProcessTransport(world.server.app, forged).request("GET", f"{BASE}/nodes")
        assert answer.status == 503
        assert not [path for _, path, _ in world.extension.seen if path == f"{BASE}/nodes"]

    with_world(tmp_path, body)


def test_a_path_is_not_decoded_twice_on_its_way(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        # What stands in the scope is decoded once: this is the name "a%2Fb", which no server may take for a path.
        await world.transport.request("GET", f"{BASE}/nodes/a%252Fb")
        paths = [path for _, path, _ in world.extension.seen]
        assert f"{BASE}/nodes/a%2Fb" in paths and f"{BASE}/nodes/a/b" not in paths

    with_world(tmp_path, body)

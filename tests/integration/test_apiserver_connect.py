"""Logs, exec and port-forward through a real server on loopback to a node agent played here."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import orjson
import pytest
from open_guard import open_guard
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.engine.query import parse_query
from apiserver.guard import Guard
from apiserver.http.connect import plan_connect
from apiserver.http.serve import Listener
from apiserver.node_tls import TlsNodeConnector
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.inprocess import InProcessTransport
from machinery.clock import SystemClock
from machinery.errors import BadRequest
from machinery.gvk import NODES, PODS

ADMIN = User("admin", ("system:masters",))


class AsAdmin:
    async def authenticate(self, credentials):
        return ADMIN


def guard(engine) -> Guard:
    made = open_guard(engine)
    made.authenticators = [AsAdmin()]
    return made


def node_status(address):
    host, port = address.split(":")
    return {
        "addresses": [{"type": "InternalIP", "address": host}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": int(port)}},
    }


class Agent:
    """Answers logs over HTTP and everything else over a websocket that echoes on channel 1."""

    def __init__(self):
        self.asked = []

    async def handle(self, socket):
        self.asked.append((socket.request.path, socket.subprotocol))
        async for message in socket:
            await socket.send(b"\x01" + message[1:])
            if message[1:] == b"bye":
                await socket.send(b'\x03{"status":"Success"}')
                return

    def answer(self, connection, request):
        if request.path.startswith("/containerLogs/"):
            self.asked.append((request.path, None))
            if "missing" in request.path:
                return connection.respond(400, "container is waiting to start\n")
            return connection.respond(200, "one\ntwo\n")
        return None


def first_subprotocol(protocol, *args, **options):
    protocol.process_subprotocol = lambda headers: headers.get("Sec-WebSocket-Protocol", "").split(",")[0]
    return ServerConnection(protocol, *args, **options)


@asynccontextmanager
async def cluster():
    clock, rng, backend, agent = SystemClock(), random.Random(3), None, Agent()
    backend = MemoryBackend(clock)
    async with serve(
        agent.handle,
        "127.0.0.1",
        0,
        process_request=agent.answer,
        create_connection=first_subprotocol,
    ) as node:
        server = ApiServer(
            Parts(
                backend,
                clock,
                rng,
                make_store=lambda resource: make_cacher(backend, resource, clock, rng),
                make_guard=guard,
                connector=TlsNodeConnector(None),
                resources_of=resources_of,
            )
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(server.run())
            await server.ready()
            listener = Listener(server.app, [("127.0.0.1", 0)])
            await listener.start()
            client = Client(InProcessTransport(server.app, ADMIN))
            await client.create(NODES, {"metadata": {"name": "n1"}})
            port = node.sockets[0].getsockname()[1]
            status = node_status(f"127.0.0.1:{port}")
            await client.patch(NODES, "n1", {"status": status}, subresource="status")
            await client.create(
                PODS,
                {
                    "metadata": {"name": "p", "namespace": "default"},
                    "spec": {
                        "nodeName": "n1",
                        "containers": [{"name": "c", "image": "x"}, {"name": "missing", "image": "x"}],
                    },
                },
            )
            yield f"127.0.0.1:{listener.ports[0]}", agent, client
            server.stop()
            await listener.stop(1)
            running.cancel()


POD = "/api/v1/namespaces/default/pods/p"


async def fetch(address, path):
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    data = await reader.read()
    writer.close()
    return data


def test_log_is_streamed_from_the_node():
    async def main():
        async with cluster() as (address, agent, _):
            answer = await fetch(address, f"{POD}/log?container=c&tailLines=5&follow=true")
            assert answer.startswith(b"HTTP/1.1 200") and b"one\ntwo\n" in answer
            assert agent.asked[0][0] == "/containerLogs/default/p/c?follow=true&tailLines=5"
            refused = await fetch(address, f"{POD}/log?container=missing")
            assert refused.startswith(b"HTTP/1.1 400") and b"waiting to start" in refused
            unnamed = await fetch(address, f"{POD}/log")
            assert unnamed.startswith(b"HTTP/1.1 400") and b"a container name must be specified" in unnamed
            unknown = await fetch(address, f"{POD}/log?container=zz")
            assert b"container zz is not valid for pod p" in unknown

    asyncio.run(main())


def test_exec_is_relayed_both_ways_with_the_offered_subprotocol():
    async def main():
        async with cluster() as (address, agent, _):
            uri = f"ws://{address}{POD}/exec?container=c&command=sh&command=-c&stdin=true&stdout=true"
            async with connect(uri, subprotocols=["v5.channel.k8s.io"], proxy=None) as socket:
                assert socket.subprotocol == "v5.channel.k8s.io"
                await socket.send(b"\x00hello")
                assert await socket.recv() == b"\x01hello"
                await socket.send(b"\x00bye")
                assert await socket.recv() == b"\x01bye"
                assert (await socket.recv())[:1] == b"\x03"
                await socket.wait_closed()
                assert socket.close_code == 1000
            assert agent.asked == [
                ("/exec/default/p/c?command=sh&command=-c&stdin=true&stdout=true", "v5.channel.k8s.io")
            ]

    asyncio.run(main())


def test_port_forward_and_log_over_websockets():
    async def main():
        async with cluster() as (address, agent, _):
            protocol = "SPDY/3.1+portforward.k8s.io"
            node = {"metadata": {"name": "api"}, "status": node_status(address)}
            # The connector speaks that subprotocol, which the library's own client refuses to offer.
            async with TlsNodeConnector(None).websocket(node, f"{POD}/portforward", (), [protocol]) as socket:
                assert socket.subprotocol == protocol
                await socket.send(b"\x00x")
                assert await socket.receive() == b"\x01x"
            assert agent.asked == [("/portForward/default/p", protocol)]
            uri = f"ws://{address}{POD}/log?container=c"
            async with connect(uri, subprotocols=["binary.k8s.io"], proxy=None) as socket:
                assert await socket.recv() == b"one\ntwo\n"

    asyncio.run(main())


def test_refusals_before_the_upgrade_are_statuses():
    async def main():
        async with cluster() as (address, _, client):

            async def refused(path, **options):
                with pytest.raises(InvalidStatus) as caught:
                    async with connect(f"ws://{address}{path}", proxy=None, **options):
                        pass
                response: Response = caught.value.response
                return response.status_code, orjson.loads(response.body)["message"]

            assert (await refused(f"{POD}/exec?container=c&stdout=true"))[0] == 400
            assert (await refused("/api/v1/namespaces/default/pods/none/exec"))[0] == 404
            code, _ = await refused(f"{POD}/exec?container=c&command=a&stdout=1", subprotocols=["nonsense"])
            assert code == 400
            await client.patch(
                NODES,
                "n1",
                {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}},
                subresource="status",
            )
            code, message = await refused(f"{POD}/exec?container=c&command=a&stdout=1")
            assert code == 500 and "error dialing backend: dial tcp 127.0.0.1:1" in message
            answer = await fetch(address, f"{POD}/exec?container=c&command=a&stdout=1")
            assert answer.startswith(b"HTTP/1.1 400")

    asyncio.run(main())


def test_unscheduled_pod_has_nowhere_to_connect():
    pod = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"containers": [{"name": "c"}]}}
    with pytest.raises(BadRequest, match="does not have a host assigned"):
        plan_connect(pod, "exec", parse_query(b"command=a&stdout=true"))
    assert plan_connect(pod, "log", parse_query(b"")).node == ""

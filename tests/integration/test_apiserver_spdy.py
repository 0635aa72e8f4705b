"""exec, attach and port-forward over SPDY/3.1 on a real socket, to an agent's own streaming code over a simulated runtime."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson
import pytest
from open_guard import open_guard
from spdy_client import V1, V4, ask, spdy
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from apiserver.auth.seams import Decision
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.guard import Guard
from apiserver.http.serve import Listener
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.inprocess import InProcessTransport
from machinery.clock import SystemClock
from machinery.gvk import NODES, PODS
from nodeagent.server.asgi import Query, WebSocket
from nodeagent.server.channels import choose
from nodeagent.server.port_forward import SPDY_PROTOCOL, serve_spdy
from nodeagent.server.sessions import serve_session
from runtime.cri import RuntimeFailure
from runtime.fake_streams import FakeConnection, FakeStream
from standalone.inprocess_nodes import InProcessNodes

POD = "/api/v1/namespaces/default/pods/p"
EXEC = f"{POD}/exec?container=c&command=x&stdout=true"
FORWARD = "portforward.k8s.io"


class Agent:
    """A node agent's server over sessions and connections that a test feeds. `echo` makes exec behave as `cat`."""

    def __init__(self) -> None:
        self.sessions: asyncio.Queue[FakeStream] = asyncio.Queue()
        self.asked: list[tuple[str, Mapping[str, object]]] = []
        self.echo = False
        self.vanishes = False
        self.may: set[str] = set()  # verbs; none of them means all
        self.over = asyncio.Event()  # a session is
        self.log = Log()

    async def app(self, scope, receive, send) -> None:
        socket, query = WebSocket(scope, receive, send), Query(scope)
        self.asked.append((scope["path"], dict(query.pairs)))
        if self.vanishes:
            await socket.accept(socket.offered[0])
            await socket.close()
        elif scope["path"].startswith("/portForward/"):
            assert socket.offered == [SPDY_PROTOCOL]
            await serve_spdy(socket, self._dial)
        else:
            protocol = choose(socket.offered)
            assert protocol is not None
            executes = scope["path"].startswith("/exec/")
            await serve_session(
                socket,
                protocol,
                self._session,
                stdin=query.flag("stdin"),
                wanted=frozenset((1, 2)),
                exit_code_counts=executes,
            )

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[FakeStream]:
        stream = FakeStream(echo=self.echo)
        self.sessions.put_nowait(stream)
        try:
            yield stream
        finally:
            self.over.set()

    async def _dial(self, port: int) -> FakeConnection:
        if port == 81:
            raise RuntimeFailure("PortForwardError", "connection refused")
        return FakeConnection(lambda data: data)


ADMIN = User("admin", ("system:masters",))


class Log:
    """An audit log in memory: (stage, verb, subresource, code)."""

    is_early = True

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str, int]] = []
        self.complete = asyncio.Event()

    def record(self, stage, _, scope, request, code, *__) -> None:
        if request.info.resource == "pods" and request.info.subresource:
            self.told.append((stage, request.info.verb, request.info.subresource, code))
            if stage == "ResponseComplete":
                self.complete.set()


class AsAdmin:
    async def authenticate(self, credentials):
        return ADMIN


class May:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def authorize(self, attributes):
        return Decision(not self._agent.may or attributes.verb in self._agent.may)


def in_cluster(test) -> None:
    """Runs `test(address, agent)` beside an API server with one node and the pod `p` on it."""

    async def main() -> None:
        clock, rng, agent, nodes = SystemClock(), random.Random(3), Agent(), InProcessNodes()
        nodes.apps["n1"] = lambda: agent.app
        backend = MemoryBackend(clock)

        def guard(engine) -> Guard:
            made = open_guard(engine)
            made.authenticators, made.authorizer = [AsAdmin()], May(agent)
            return made

        server = ApiServer(
            Parts(
                backend,
                clock,
                rng,
                make_store=lambda resource: make_cacher(backend, resource, clock, rng),
                make_guard=guard,
                connector=nodes,
                resources_of=resources_of,
                audit=agent.log,
            )
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(server.run())
            await server.ready()
            listener = Listener(server.app, [("127.0.0.1", 0)], tunnels=server.tunnels)
            await listener.start()
            client = Client(InProcessTransport(server.app, ADMIN))
            await client.create(NODES, {"metadata": {"name": "n1"}})
            spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "x"}]}
            await client.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
            try:
                await test(f"127.0.0.1:{listener.ports[0]}", agent)
            finally:
                server.stop()
                await listener.stop(1)
                running.cancel()

    asyncio.run(main())


def test_exec_gives_output_errors_and_the_exit_code():
    async def test(address, agent):
        async with spdy(address, f"{EXEC}&stderr=true", V4, V1) as client:
            assert client.protocol == V4
            error, out, err = await client.open("error", "stdout", "stderr")
            session = await agent.sessions.get()
            session.feed(b"one")
            session.feed(b"two", 2)
            session.feed(b"x" * 1_000_000)
            session.finish(7)
            await client.until(error, out, err)
            assert client.got[out] == b"one" + b"x" * 1_000_000
            assert client.got[err] == b"two"
            status = orjson.loads(client.got[error])
            assert status["reason"] == "NonZeroExitCode"
            assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
        assert agent.asked == [("/exec/default/p/c", {"command": "x", "stdout": "true", "stderr": "true"})]

    in_cluster(test)


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, b""), (7, b"command terminated with non-zero exit code: error executing command, exit code 7")],
)
def test_older_protocols_tell_the_end_as_text(code, text):
    async def test(address, agent):
        async with spdy(address, EXEC, V1) as client:
            error, out = await client.open("error", "stdout")
            (await agent.sessions.get()).finish(code)
            await client.until(error, out)
            assert client.got.get(error, b"") == text

    in_cluster(test)


def test_stdin_is_carried_whole_and_its_end_alone_ends_the_program():
    async def test(address, agent):
        agent.echo = True
        data = random.Random(5).randbytes(3_000_000)
        async with spdy(address, f"{EXEC}&stdin=true", V4) as client:
            out, stdin, error = await client.open("stdout", "stdin", "error")  # in any order
            sending = asyncio.ensure_future(client.send(stdin, data, fin=True))
            await client.until(error, out)
            await sending
            assert hashlib.sha256(client.got[out]).digest() == hashlib.sha256(data).digest()
            assert orjson.loads(client.got[error])["status"] == "Success"
            assert client.gone_away

    in_cluster(test)


def test_nothing_flows_before_every_stream_is_open():
    async def test(address, agent):
        async with spdy(address, EXEC, V4) as client:
            (error,) = await client.open("error")
            session = await agent.sessions.get()
            session.feed(b"early")
            session.finish(0)
            client.session.ping(1)
            await client.flush()
            assert await client.hear()  # the reply, or the ping's echo
            (out,) = await client.open("stdout")
            await client.until(error, out)
            assert client.got[out] == b"early"

    in_cluster(test)


def test_terminal_has_sizes_in_any_pieces_and_no_stream_of_errors():
    async def test(address, agent):
        agent.echo = True
        async with spdy(address, f"{EXEC}&stdin=true&stderr=true&tty=true", V4) as client:
            error, stdin, out, resize = await client.open("error", "stdin", "stdout", "resize")
            await client.send(resize, b'{"Width":80,"Height":24}\n{"Width":')
            await client.send(resize, b'100,"Height":50}')
            await client.send(stdin, b"typed", fin=True)
            session = await agent.sessions.get()
            await client.until(out)
            assert client.got[out] == b"typed"
            assert session.sizes == [(80, 24), (100, 50)]
            await client.until(error, stdin)

    in_cluster(test)


def test_attach_ends_with_the_container_whatever_its_code():
    async def test(address, agent):
        async with spdy(address, f"{POD}/attach?container=c&stdout=true", V4) as client:
            error, out = await client.open("error", "stdout")
            session = await agent.sessions.get()
            session.feed(b"log line\n")
            session.finish(9)
            await client.until(error, out)
            assert client.got[out] == b"log line\n"
            assert orjson.loads(client.got[error])["status"] == "Success"

    in_cluster(test)


def test_client_that_vanishes_ends_its_session_which_the_audit_log_tells_of():
    async def test(address, agent):
        async with spdy(address, EXEC, V4) as client:
            await client.open("error", "stdout")
            await agent.sessions.get()
            assert not agent.over.is_set()
            begun = [("RequestReceived", "create", "exec", 0), ("ResponseStarted", "create", "exec", 101)]
            assert agent.log.told == begun
        await asyncio.wait_for(agent.over.wait(), 5)
        await asyncio.wait_for(agent.log.complete.wait(), 5)
        assert agent.log.told == [*begun, ("ResponseComplete", "create", "exec", 101)]

    in_cluster(test)


def test_agent_that_vanishes_is_no_success():
    async def test(address, agent):
        agent.vanishes = True
        async with spdy(address, EXEC, V4) as client:
            error, out = await client.open("error", "stdout")
            await client.until(error, out)
            status = orjson.loads(client.got[error])
            assert status["status"] == "Failure" and "closed the connection" in status["message"]

    in_cluster(test)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x80\x02\x00\x01\x00\x00\x00\x00",
        b"\x80\x03\x00\x01\x00\xff\xff\xff",
        b"GET\0\0\0\0\1x\x80\x03\x00\x63\0\0\0\0",
    ],
)
def test_breach_of_the_protocol_ends_the_connection(nonsense):
    async def test(address, agent):
        status, _, reader, writer = await ask(address, EXEC, [V4])
        assert status == 101
        writer.write(nonsense)
        assert b"\x80\x03\x00\x07" in await asyncio.wait_for(reader.read(), 10)  # GOAWAY
        writer.close()

    in_cluster(test)


def test_refusals_come_before_the_upgrade():
    async def test(address, agent):
        async def refused(path, *protocols, **options):
            status, headers, reader, writer = await ask(address, path, protocols, **options)
            body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"][0])), 10)
            writer.close()
            return status, headers, body.decode()

        status, headers, body = await refused(EXEC, "v9.channel.k8s.io")
        assert status == 403 and "client supports [v9.channel.k8s.io]" in body
        known = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"]
        assert headers["x-accepted-stream-protocol-versions"] == known
        status, headers, _ = await refused(f"{POD}/portforward", V4)
        assert (status, headers["x-accepted-stream-protocol-versions"]) == (403, [FORWARD])
        for path, protocols, options, says in (
            (EXEC, [], {}, "X-Stream-Protocol-Version is required"),
            (EXEC, [V4], {"upgrade": "h2c"}, "'h2c' is not spoken here"),
            (f"{POD}/exec?command=x", [V4], {}, "at least 1 of stdin, stdout, stderr"),
            (f"{POD}/exec?container=zz&command=x&stdout=1", [V4], {}, "container zz is not valid"),
        ):
            status, _, body = await refused(path, *protocols, **options)
            assert status == 400 and says in orjson.loads(body)["message"]
        status, _, _ = await refused("/api/v1/namespaces/default/pods/none/exec?command=x&stdout=1", V4)
        assert status == 404
        assert agent.asked == []

    in_cluster(test)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, f"{POD}/log") for method in ("DELETE", "POST", "PUT", "PATCH")),
        *((method, EXEC) for method in ("DELETE", "PUT", "PATCH")),
        ("GET", "/api/v1/watch/namespaces/default/pods/p/log"),
    ],
)
def test_method_that_a_session_does_not_have_is_refused(method, path):
    async def test(address, agent):
        agent.may = {"delete", "update", "patch", "watch", "create"}
        reader, writer = await asyncio.open_connection(*address.split(":"))
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        writer.write(f"{head}X-Stream-Protocol-Version: {V4}\r\n\r\n".encode())
        status = int((await asyncio.wait_for(reader.readline(), 10)).split()[1])
        writer.close()
        assert status == 405 and agent.asked == []

    in_cluster(test)


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
def test_websocket_needs_what_spdy_needs(subresource):
    async def test(address, agent):
        async def refused(**headers):
            path = f"ws://{address}{POD}/{subresource}?container=c&command=x&stdout=true"
            with pytest.raises(InvalidStatus) as caught:
                async with connect(path, proxy=None, additional_headers=headers):
                    pass
            return caught.value.response.status_code, orjson.loads(caught.value.response.body)["message"]

        agent.may.add("get")
        code, said = await refused()
        assert code == 403 and f'cannot create resource "pods/{subresource}"' in said
        agent.may = {"create"}
        code, said = await refused()
        assert code == 403 and f'cannot get resource "pods/{subresource}"' in said
        assert agent.asked == []

    in_cluster(test)


def test_connections_of_one_port_forward_are_carried_side_by_side():
    async def test(address, agent):
        data = [random.Random(seed).randbytes(2_000_000) for seed in range(3)]
        async with spdy(address, f"{POD}/portforward", FORWARD) as client:
            assert client.protocol == FORWARD
            pairs = [
                await client.open("error", "data", port="80", requestID=str(number)) for number in range(3)
            ]
            sending = [
                asyncio.ensure_future(client.send(pair[1], piece))
                for pair, piece in zip(pairs, data, strict=True)
            ]
            while any(len(client.got.get(pair[1], b"")) < 2_000_000 for pair in pairs):
                assert await client.hear()
            await asyncio.gather(*sending)
            assert [client.got[pair[1]] for pair in pairs] == data

    in_cluster(test)


def test_refused_port_is_told_on_its_error_stream_and_the_session_goes_on():
    async def test(address, agent):
        async with spdy(address, f"{POD}/portforward", FORWARD) as client:
            error, data = await client.open("error", "data", port="81", requestID="0")
            await client.until(error, data)
            assert client.got[error] == b"error forwarding port 81 to pod: connection refused"
            _, data = await client.open("error", "data", port="80", requestID="1")
            await client.send(data, b"hello")
            while client.got.get(data) != b"hello":
                assert await client.hear()

    in_cluster(test)

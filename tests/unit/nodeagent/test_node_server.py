"""The streaming server, called as an ASGI application in the agent's own process."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import orjson

from client.transport import TransportError
from machinery.gvk import LEASES, NODES
from machinery.spdy.session import DataReceived, SpdySession, StreamReset
from nodeagent.component import NodeAgent
from nodeagent.files_linux import LinuxFiles
from nodeagent.files_memory import MemoryFiles
from nodeagent.network import SimulatedNetwork
from nodeagent.node.machine import Machine
from runtime.fake import ExecResult

PROTOCOLS = ["v5.channel.k8s.io"]


def agent_of(world: Any) -> NodeAgent:
    return NodeAgent(
        config=world.config,
        client=world.api,
        runtime=world.runtime,
        images=world.images,
        clock=world.clock,
        rng=random.Random(3),
        files=MemoryFiles(),
        log_files=LinuxFiles(),
        network=SimulatedNetwork(),
        machine=Machine(cores=2, memory_bytes=4 << 30),
        available_memory=lambda: 2 << 30,
    )


class Call:
    """One ASGI conversation."""

    def __init__(self, app: Any, path: str, query: str = "", protocols: list[str] | None = None) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        scope = {
            "type": "http" if protocols is None else "websocket",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "subprotocols": protocols or [],
            "extensions": {"websocket.http.response": {}},
        }
        if protocols is not None:
            self.inbox.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(app(scope, self.inbox.get, self.sent.put))

    async def body(self) -> tuple[int, bytes]:
        start = await self.sent.get()
        data = b""
        while True:
            part = await self.sent.get()
            data += part.get("body", b"")
            if not part.get("more_body"):
                return start["status"], data

    def send(self, data: bytes) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def messages(self) -> list[bytes]:
        """Until the server closes."""
        found: list[bytes] = []
        while (message := await self.sent.get())["type"] != "websocket.close":
            if message["type"] == "websocket.send":
                found.append(message["bytes"])
        return found


def with_agent(in_world, make_pod, test, **config):
    async def wrapped(world):
        agent = agent_of(world)
        task = asyncio.ensure_future(agent.run())
        try:
            main = {
                "name": "main",
                "image": "web:1",
                "command": ["sh", "-c", "echo one; echo two; sleep infinity"],
                "stdin": True,
            }
            await world.create(make_pod(main))
            await world.until(lambda p: p["status"].get("phase") == "Running" if "status" in p else False)
            await test(world, agent)
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def outer(world):
        await wrapped(world)

    return in_world(lambda world: outer_with_stub(world, outer), agent=False, **config)


async def outer_with_stub(world, outer):
    await outer(world)
    await world.start_agent()  # the fixture ends it


def test_node_registers_and_beats(in_world, make_pod):
    async def test(world, agent):
        node = await world.api.get(NODES, "node-1")
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
        assert node["spec"]["podCIDR"] == "10.244.7.0/24"
        status = node["status"]
        assert status["capacity"]["cpu"] == "2" and status["capacity"]["pods"] == "110"
        assert {c["type"]: c["status"] for c in status["conditions"]} == {
            "MemoryPressure": "False",
            "DiskPressure": "False",
            "PIDPressure": "False",
            "Ready": "True",
        }
        assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250
        first = (await world.api.get(LEASES, "node-1", "kube-node-lease"))["spec"]["renewTime"]
        await world.clock.sleep(25)
        assert (await world.api.get(LEASES, "node-1", "kube-node-lease"))["spec"]["renewTime"] > first
        assert agent.is_ready() is None

    with_agent(in_world, make_pod, test, pod_cidr="10.244.7.0/24")


def test_runtime_trouble_makes_the_node_not_ready(in_world, make_pod):
    async def test(world, agent):
        from runtime.cri import RuntimeCondition

        world.runtime.conditions = (RuntimeCondition("NetworkReady", False, "NetworkNotReady", "no bridge"),)
        await world.clock.sleep(15)
        node = await world.api.get(NODES, "node-1")
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"], ready["message"]) == (
            "False",
            "KubeletNotReady",
            "no bridge",
        )

    with_agent(in_world, make_pod, test)


def test_health_pods_stats_and_metrics_answer(in_world, make_pod):
    async def test(world, agent):
        for path in ("/healthz", "/readyz"):
            assert await Call(agent.app, path).body() == (200, b"ok")
        status, body = await Call(agent.app, "/pods").body()
        assert status == 200 and orjson.loads(body)["items"][0]["metadata"]["name"] == "web"
        _, body = await Call(agent.app, "/stats/summary").body()
        assert orjson.loads(body)["pods"][0]["containers"][0]["memory"]["workingSetBytes"] == 4 << 20
        _, body = await Call(agent.app, "/metrics").body()
        assert b"kubelet_running_pods 1\n" in body
        status, body = await Call(agent.app, "/nothing").body()
        assert status == 404 and orjson.loads(body)["kind"] == "Status"

    with_agent(in_world, make_pod, test)


def test_exec_gives_output_and_exit_code(in_world, make_pod):
    async def test(world, agent):
        world.runtime.on_exec = lambda container, command: ExecResult(3, b"out", b"err")
        call = Call(agent.app, "/exec/default/web/main", "command=ls&stdout=true&stderr=true", PROTOCOLS)
        assert (await call.sent.get())["subprotocol"] == "v5.channel.k8s.io"
        found = await call.messages()
        assert found[:2] == [b"\x01out", b"\x02err"]
        status = orjson.loads(found[2][1:])
        assert found[2][0] == 3
        assert status["reason"] == "NonZeroExitCode"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]

    with_agent(in_world, make_pod, test)


def test_exec_passes_stdin_and_its_end(in_world, make_pod):
    async def test(world, agent):
        call = Call(agent.app, "/exec/default/web/main", "command=cat&stdin=true&stdout=true", PROTOCOLS)
        await call.sent.get()
        call.send(b"\x00hello")
        assert (await call.sent.get())["bytes"] == b"\x01hello"
        call.send(b"\x04" + orjson.dumps({"Width": 80, "Height": 24}))
        call.send(b"\xff\x00")
        assert orjson.loads((await call.messages())[0][1:])["status"] == "Success"

    with_agent(in_world, make_pod, test)


def test_exec_in_an_unknown_container_is_refused_before_the_upgrade(in_world, make_pod):
    async def test(world, agent):
        call = Call(agent.app, "/exec/default/web/other", "command=ls", PROTOCOLS)
        start = await call.sent.get()
        assert start["type"] == "websocket.http.response.start" and start["status"] == 400

    with_agent(in_world, make_pod, test)


def test_attach_ends_when_the_client_leaves(in_world, make_pod):
    async def test(world, agent):
        call = Call(agent.app, "/attach/default/web/main", "stdout=true", PROTOCOLS)
        await call.sent.get()
        call.leave()
        await asyncio.wait_for(call.task, 1)

    with_agent(in_world, make_pod, test)


def test_port_forward_carries_data_over_spdy(in_world, make_pod):
    async def test(world, agent):
        world.runtime.on_connect = lambda sandbox, port: (lambda data: data.upper()) if port == 80 else None
        call = Call(agent.app, "/portForward/default/web", "", ["SPDY/3.1+portforward.k8s.io"])
        await call.sent.get()
        spdy = SpdySession(client=True)
        error = spdy.open_stream({"streamType": "error", "port": "80", "requestID": "0"}, fin=True)
        data = spdy.open_stream({"streamType": "data", "port": "80", "requestID": "0"})
        spdy.send(data, b"hello")
        call.send(spdy.take_output())
        answers: list[Any] = []
        while not any(isinstance(a, DataReceived) and a.data for a in answers):
            answers += spdy.receive((await call.sent.get())["bytes"])
        assert DataReceived(data, b"HELLO", False) in answers
        refused_error = spdy.open_stream({"streamType": "error", "port": "81", "requestID": "1"}, fin=True)
        spdy.open_stream({"streamType": "data", "port": "81", "requestID": "1"})
        call.send(spdy.take_output())
        answers = []
        while not any(isinstance(a, DataReceived) and a.stream == refused_error for a in answers):
            answers += spdy.receive((await call.sent.get())["bytes"])
        text = next(a.data for a in answers if a.stream == refused_error)
        assert b"error forwarding port 81 to pod" in text and error
        call.leave()
        await asyncio.wait_for(call.task, 1)

    with_agent(in_world, make_pod, test)


class SilentPod:
    """A connection that takes nothing, or answers nothing, and remembers its end."""

    def __init__(self, *, takes: bool) -> None:
        self.takes = asyncio.Event()
        if takes:
            self.takes.set()
        self.written = 0
        self.ended = asyncio.Event()
        self.closed = asyncio.Event()

    async def read(self, limit: int = 65536) -> bytes:
        await self.closed.wait()
        return b""

    async def write(self, data: bytes) -> None:
        await self.takes.wait()
        self.written += len(data)

    async def end(self) -> None:
        self.ended.set()

    async def close(self) -> None:
        self.closed.set()


def forwarding(in_world, make_pod, pod_side, test):
    """Runs `test(world, call, spdy, data)` with one forwarded connection, whose pod's side is `pod_side`."""

    async def outer(world, agent):
        async def dial(sandbox_id, port):
            return pod_side

        world.runtime.port_forward = dial
        call = Call(agent.app, "/portForward/default/web", "", ["SPDY/3.1+portforward.k8s.io"])
        await call.sent.get()
        spdy = SpdySession(client=True)
        spdy.open_stream({"streamType": "error", "port": "80"}, fin=True)
        data = spdy.open_stream({"streamType": "data", "port": "80"})
        call.send(spdy.take_output())
        await test(world, call, spdy, data)
        call.leave()
        await asyncio.wait_for(call.task, 1)

    with_agent(in_world, make_pod, outer)


def test_port_forward_tells_the_pod_of_the_clients_end_and_leaves_one_that_says_nothing(in_world, make_pod):
    pod_side = SilentPod(takes=True)

    async def test(world, call, spdy, data):
        spdy.send(data, b"question", fin=True)
        call.send(spdy.take_output())
        await asyncio.wait_for(pod_side.ended.wait(), 1)
        await world.clock.sleep(29)
        assert pod_side.written == 8 and not pod_side.closed.is_set()
        await world.clock.sleep(2)
        assert pod_side.closed.is_set()

    forwarding(in_world, make_pod, pod_side, test)


def test_port_forward_reads_no_more_than_a_pod_takes(in_world, make_pod):
    pod_side = SilentPod(takes=False)

    async def test(world, call, spdy, data):
        for _ in range(30):
            spdy.send(data, b"x" * 1000)
            call.send(spdy.take_output())
        await world.clock.sleep(1)
        assert 15 < call.inbox.qsize() < 25
        pod_side.takes.set()
        await world.clock.sleep(1)
        assert call.inbox.empty() and pod_side.written == 30_000

    forwarding(in_world, make_pod, pod_side, test)


def test_port_forward_without_its_error_stream_takes_little(in_world, make_pod):
    async def test(world, agent):
        call = Call(agent.app, "/portForward/default/web", "", ["SPDY/3.1+portforward.k8s.io"])
        await call.sent.get()
        spdy = SpdySession(client=True)
        data = spdy.open_stream({"streamType": "data", "port": "80", "requestID": "0"})
        for _ in range(30):
            spdy.send(data, b"x" * 1000)
        call.send(spdy.take_output())
        answers: list[Any] = []
        while not answers:
            answers += spdy.receive((await call.sent.get())["bytes"])
        assert answers == [StreamReset(data, 3)]
        call.leave()
        await asyncio.wait_for(call.task, 1)

    with_agent(in_world, make_pod, test)


def test_port_forward_refuses_what_it_cannot_pair_and_forgets_what_is_reset(in_world, make_pod):
    async def test(world, agent):
        call = Call(agent.app, "/portForward/default/web", "", ["SPDY/3.1+portforward.k8s.io"])
        await call.sent.get()
        spdy = SpdySession(client=True)
        for port in ("0", "65536", "x", "²", ""):
            spdy.open_stream({"streamType": "data", "port": port, "requestID": "0"})
        spdy.open_stream({"streamType": "stdin", "port": "80", "requestID": "0"})
        twice = [spdy.open_stream({"streamType": "error", "port": "80", "requestID": "0"}) for _ in range(2)]
        spdy.reset(twice[0])
        again = spdy.open_stream({"streamType": "error", "port": "80", "requestID": "0"})
        call.send(spdy.take_output())
        answers = spdy.receive((await call.sent.get())["bytes"])
        refused = [each.stream for each in answers if isinstance(each, StreamReset)]
        assert refused == [1, 3, 5, 7, 9, 11, twice[1]] and again not in refused
        call.leave()
        await asyncio.wait_for(call.task, 1)

    with_agent(in_world, make_pod, test)


def test_port_forward_lets_others_have_their_turn_while_a_client_opens_and_resets(in_world, make_pod):
    async def test(world, agent):
        call = Call(agent.app, "/portForward/default/web", "", ["SPDY/3.1+portforward.k8s.io"])
        await call.sent.get()
        spdy = SpdySession(client=True)
        for number in range(2000):
            about = {"port": "80", "requestID": str(number)}
            spdy.open_stream({"streamType": "error", **about})
            spdy.reset(spdy.open_stream({"streamType": "data", **about}))
        flood = spdy.take_output()
        alive = len(asyncio.all_tasks())
        call.send(flood)
        most = 0
        while call.sent.empty() or not call.inbox.empty():
            most = max(most, len(asyncio.all_tasks()) - alive)
            await asyncio.sleep(0)
        for _ in range(len(flood) >> 12):
            most = max(most, len(asyncio.all_tasks()) - alive)
            await asyncio.sleep(0)
        assert 0 < most < 1000
        assert len(asyncio.all_tasks()) <= alive
        call.leave()
        await asyncio.wait_for(call.task, 1)

    with_agent(in_world, make_pod, test)


def append(path: str, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def test_logs_are_read_followed_and_end_with_the_container(in_world, make_pod, tmp_path):
    async def test(world, agent):
        container = (await world.runtime.list_containers())[0]
        assert LinuxFiles().kind(container.log_path) == "file"
        assert await Call(agent.app, "/containerLogs/default/web/main").body() == (200, b"one\ntwo\n")
        assert await Call(agent.app, "/containerLogs/default/web/main", "tailLines=1").body() == (
            200,
            b"two\n",
        )
        _, body = await Call(
            agent.app, "/containerLogs/default/web/main", "timestamps=true&limitBytes=40"
        ).body()
        assert len(body) == 40 and body[30:] == b" one\n2026-"
        follow = Call(agent.app, "/containerLogs/default/web/main", "follow=true")
        await asyncio.sleep(0.01)
        append(container.log_path, b"2026-01-01T00:00:09.000000000Z stdout P thr\n")
        append(container.log_path, b"2026-01-01T00:00:09.000000000Z stdout F ee\n")
        await asyncio.sleep(3)
        world.runtime.kill(container.id)
        assert await asyncio.wait_for(follow.body(), 20) == (200, b"one\ntwo\nthree\n")
        await world.until(lambda p: p["status"]["containerStatuses"][0]["restartCount"] == 1)
        status, body = await Call(agent.app, "/containerLogs/default/web/main", "previous=true").body()
        assert (status, body) == (200, b"one\ntwo\nthree\n")
        status, body = await Call(agent.app, "/containerLogs/default/web/other").body()
        assert status == 400
        status, body = await Call(agent.app, "/containerLogs/default/web/main", "tailLines=x").body()
        assert status == 400 and b"tailLines" in body

    from pathlib import PurePosixPath

    with_agent(in_world, make_pod, test, data_dir=PurePosixPath(tmp_path))


def test_log_that_is_followed_ends_when_its_reader_leaves(in_world, make_pod, tmp_path):
    async def test(world, agent):
        (worker,) = agent.pods.workers.values()
        open_files = len(os.listdir("/proc/self/fd"))
        follow = Call(agent.app, "/containerLogs/default/web/main", "follow=true")
        await asyncio.sleep(1)
        assert not follow.task.done() and len(worker.listeners) == 1
        follow.inbox.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(follow.task, 5)
        assert not worker.listeners and len(os.listdir("/proc/self/fd")) == open_files

    from pathlib import PurePosixPath

    with_agent(in_world, make_pod, test, data_dir=PurePosixPath(tmp_path))


def test_agent_waits_for_an_api_that_is_not_there_yet(in_world):
    async def test(world):
        world.api.fail = lambda verb, gvr, name: TransportError("refused")
        agent = agent_of(world)
        task = asyncio.ensure_future(agent.run())
        await world.clock.sleep(5)
        assert agent.is_ready() == "the node is not registered yet"
        world.api.fail = lambda verb, gvr, name: None
        await world.clock.sleep(40)
        assert agent.is_ready() is None
        task.cancel()
        await asyncio.wait([task])
        await world.start_agent()

    in_world(test, agent=False)

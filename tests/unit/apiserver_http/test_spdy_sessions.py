"""Sessions over SPDY in time: who is waited for, how long, and what ends one. Client and agent are queues; time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest

from apiserver.http.command_streams import expected_streams
from apiserver.http.spdy import serve_command, serve_forward
from apiserver.http.tunnel import IDLE_S, Tunnel, until_one_ends
from apiserver.http.watch_stream import Streams
from machinery.spdy.session import DataReceived, SpdySession
from machinery.virtual_loop import run

V4 = "v4.channel.k8s.io"


class Agent:
    """A NodeSocket whose other end is the test."""

    subprotocol = ""

    def __init__(self) -> None:
        self.says: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.heard: list[bytes] = []
        self.gone = False

    async def send(self, data: bytes | str) -> None:
        if self.gone:
            raise OSError("the node closed the connection")
        self.heard.append(data if isinstance(data, bytes) else data.encode())

    async def receive(self) -> bytes | None:
        return await self.says.get()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        return


class Session:
    """A client, an agent and the session between them. `lasted_s` once it is over."""

    def __init__(self) -> None:
        self.client = SpdySession(client=True)
        self.agent = Agent()
        self.streams = Streams()
        self.got: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.reads = asyncio.Event()  # whether the client takes what is sent
        self.reads.set()
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def start(self, serve: Callable[[Tunnel], Coroutine[Any, Any, None]]) -> asyncio.Task[float]:
        async def timed() -> float:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await serve(Tunnel(self._inbox.get, self._take))
            return loop.time() - begun

        return asyncio.ensure_future(timed())

    def command(self, **flags: str) -> asyncio.Task[float]:
        expected = expected_streams(flags, V4)
        return self.start(lambda tunnel: serve_command(tunnel, self.agent, self.streams, V4, expected))

    def push(self) -> None:
        body = self.client.take_output()
        self._inbox.put_nowait({"type": "http.request", "body": body, "more_body": True})

    def leave(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def _take(self, message: Any) -> None:
        await self.reads.wait()
        for event in self.client.receive(message["body"]):
            if isinstance(event, DataReceived):
                self.got[event.stream] = self.got.get(event.stream, b"") + event.data
                if event.fin:
                    self.ended.add(event.stream)


def test_client_that_never_opens_its_streams_is_left_after_half_a_minute():
    async def main():
        session = Session()
        over = session.command(stdout="true")
        error = session.client.open_stream({"streamType": "error"})
        session.push()
        assert await over == 30
        assert orjson.loads(session.got[error])["status"] == "Failure"

    run(main())


def test_client_has_time_to_read_the_end_before_it_is_left():
    async def main():
        session = Session()
        over = session.command(stdout="true")
        error, out = (session.client.open_stream({"streamType": kind}) for kind in ("error", "stdout"))
        session.push()
        session.agent.says.put_nowait(b"\x01done")
        session.agent.says.put_nowait(b'\x03{"status":"Success"}')
        session.agent.says.put_nowait(None)
        await asyncio.sleep(1)
        assert (session.got[out], session.ended) == (b"done", {error, out})
        session.leave()
        assert await over == 1
        late = Session()
        over = late.command()
        late.client.open_stream({"streamType": "error"})
        late.push()
        late.agent.says.put_nowait(None)
        assert await over == 5

    run(main())


def test_input_for_a_command_that_has_ended_is_dropped_and_the_end_still_told():
    async def main():
        session = Session()
        over = session.command(stdin="true")
        error, stdin = (session.client.open_stream({"streamType": kind}) for kind in ("error", "stdin"))
        session.client.send(stdin, b"read")
        session.push()
        await asyncio.sleep(1)
        session.agent.gone = True
        for _ in range(3):
            session.client.send(stdin, b"not read")
            session.push()
        await asyncio.sleep(1)
        session.agent.says.put_nowait(b'\x03{"status":"Success"}')
        session.agent.says.put_nowait(None)
        await asyncio.sleep(1)
        assert session.agent.heard == [b"\x00read"]
        assert orjson.loads(session.got[error]) == {"status": "Success"}
        session.leave()
        await over

    run(main())


@pytest.mark.parametrize("forwards", [True, False])
def test_session_without_a_byte_for_hours_ends_and_one_with_pings_does_not(forwards):
    async def main():
        session = Session()
        if forwards:
            over = session.start(lambda tunnel: serve_forward(tunnel, session.agent, session.streams))
        else:
            over = session.command()
            session.client.open_stream({"streamType": "error"})
        for _ in range(10):
            session.client.ping(1)
            session.push()
            await asyncio.sleep(IDLE_S - 1)
        assert not over.done()
        assert await over == 10 * (IDLE_S - 1) + 1

    run(main())


def test_session_ends_when_the_server_stops():
    async def main():
        session = Session()
        over = session.command(stdout="true")
        await asyncio.sleep(7)
        session.streams.stop()
        assert await over == 7
        assert len(session.streams) == 0

    run(main())


def test_agent_is_not_read_from_while_the_client_takes_nothing():
    async def main():
        session = Session()
        over = session.command(stdout="true")
        for kind in ("error", "stdout"):
            session.client.open_stream({"streamType": kind})
        session.push()
        await asyncio.sleep(1)
        session.reads.clear()
        for _ in range(100):
            session.agent.says.put_nowait(b"\x01" + b"x" * 1000)
        await asyncio.sleep(3600)
        assert session.agent.says.qsize() == 99
        session.reads.set()
        await asyncio.sleep(1)
        assert session.agent.says.empty() and len(session.got[3]) == 100_000
        session.leave()
        await over

    run(main())


def test_stop_of_the_server_ends_a_session_that_is_never_idle():
    async def main():
        streams, written = Streams(), 0

        async def send(message):
            nonlocal written
            written += 1

        async def busy():
            while written < 1000:
                await tunnel.write(b"x")
                await asyncio.sleep(0)

        tunnel = Tunnel(asyncio.Queue().get, send)
        over = asyncio.ensure_future(until_one_ends(streams, busy(), asyncio.sleep(1), tunnel=tunnel))
        for _ in range(10):
            await asyncio.sleep(0)
        streams.stop()
        await over
        assert 0 < written < 20

    run(main())

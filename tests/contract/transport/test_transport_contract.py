"""What every Transport promises, run over loopback HTTP and over the in-process call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
import uvicorn

from client.http1 import HttpTransport
from client.inprocess import InProcessTransport
from client.transport import Transport, TransportError


class EchoApp:
    """A small ASGI application with an answer for every promise. `released` lets /gated go on."""

    def __init__(self) -> None:
        self.disconnects = asyncio.Event()
        self.sent_chunks = 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"]
        if path == "/echo":
            seen = {
                "method": scope["method"],
                "path": path,
                "query": scope["query_string"].decode(),
                "headers": {k.decode(): v.decode() for k, v in scope["headers"]},
                "body": body.decode(),
            }
            await self._answer(send, 200, orjson.dumps(seen), [(b"content-type", b"application/json")])
        elif path == "/refused":
            await self._answer(send, 404, b"nothing here", [(b"retry-after", b"3")])
        elif path == "/warned":
            headers = [(b"warning", b'299 - "first \\"quoted\\""'), (b"warning", b'299 - "second"')]
            await self._answer(send, 200, b"", headers)
        elif path == "/empty":
            await self._answer(send, 204, b"", [])
        elif path == "/big":
            await self._answer(send, 200, b"x" * 5_000_000, [])
        elif path == "/slow":
            await asyncio.sleep(30)
        elif path == "/lines":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for piece in (b"one\ntw", b"o\n", b"\nth", b"ree"):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b""})
        elif path == "/watch":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            self.disconnects.set()
        elif path == "/flood":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(400):
                await send({"type": "http.response.body", "body": b"y" * 65536, "more_body": True})
                self.sent_chunks += 1
            await send({"type": "http.response.body", "body": b""})
        elif path == "/broken":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half\n", "more_body": True})
            raise RuntimeError("the application broke")
        else:
            raise AssertionError(path)

    async def _answer(self, send, status: int, body: bytes, headers) -> None:
        length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers + length})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def over_http() -> AsyncIterator[tuple[Transport, EchoApp]]:
    app = EchoApp()
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="none", loop="asyncio")
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    transport = HttpTransport(f"http://127.0.0.1:{port}")
    try:
        yield transport, app
    finally:
        await transport.close()
        server.should_exit = server.force_exit = True
        await task


@asynccontextmanager
async def in_process() -> AsyncIterator[tuple[Transport, EchoApp]]:
    app = EchoApp()
    transport = InProcessTransport(app, user=None)
    yield transport, app
    await transport.close()


Body = Callable[[Transport, EchoApp], Awaitable[None]]


@pytest.fixture(params=[over_http, in_process], ids=["http1", "inprocess"])
def run(request) -> Callable[[Body], None]:
    def runner(body: Body) -> None:
        async def main() -> None:
            async with asyncio.timeout(20), request.param() as (transport, app):
                await body(transport, app)

        asyncio.run(main())

    return runner


def test_request_arrives_whole(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        response = await transport.request(
            "PUT", "/echo", query=[("a", "1 &"), ("a", "ü")], body=b'{"k":1}', headers={"x-test": "yes"}
        )
        assert response.status == 200
        assert response.headers["content-type"] == "application/json"
        seen = orjson.loads(response.body)
        assert (seen["method"], seen["query"], seen["body"]) == ("PUT", "a=1+%26&a=%C3%BC", '{"k":1}')
        assert seen["headers"]["x-test"] == "yes"
        assert seen["headers"]["content-length"] == "7"

    run(body)


def test_answer_of_any_status_is_returned(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        response = await transport.request("GET", "/refused")
        assert (response.status, response.body, response.headers["retry-after"]) == (
            404,
            b"nothing here",
            "3",
        )
        assert (await transport.request("DELETE", "/empty")).status == 204

    run(body)


def test_warnings_are_told_apart(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        response = await transport.request("GET", "/warned")
        assert tuple(response.warnings) == ('first "quoted"', "second")

    run(body)


def test_big_body_arrives_whole(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        assert len((await transport.request("GET", "/big")).body) == 5_000_000

    run(body)


def test_no_answer_in_time_raises_transport_error(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        with pytest.raises(TransportError, match="no answer within"):
            await transport.request("GET", "/slow", timeout_s=0.05)
        assert (await transport.request("GET", "/echo")).status == 200

    run(body)


def test_many_requests_at_once_all_get_their_own_answer(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        async def ask(i: int) -> None:
            response = await transport.request("POST", "/echo", body=str(i).encode())
            assert orjson.loads(response.body)["body"] == str(i)

        await asyncio.gather(*(ask(i) for i in range(200)))

    run(body)


def test_stream_gives_lines_across_chunks(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        async with transport.stream("GET", "/lines") as stream:
            assert stream.status == 200
            assert [line async for line in stream.lines()] == [b"one", b"two", b"", b"three"]

    run(body)


def test_stream_delivers_before_the_answer_ends_and_leaving_disconnects(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        async with transport.stream("GET", "/watch") as stream:
            async for line in stream.lines():
                assert line == b"first"
                break
        if isinstance(transport, HttpTransport):  # in process, the task is cancelled where it waits
            await asyncio.wait_for(app.disconnects.wait(), 5)
        assert (await transport.request("GET", "/echo")).status == 200

    run(body)


def test_silent_stream_raises_after_its_idle_timeout(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        async with transport.stream("GET", "/watch", idle_timeout_s=0.05) as stream:
            lines = stream.lines()
            assert await anext(lines) == b"first"
            with pytest.raises(TransportError, match="nothing came"):
                await anext(lines)

    run(body)


def test_stream_of_a_refusal_can_be_read(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        async with transport.stream("GET", "/refused") as stream:
            assert stream.status == 404
            assert await stream.read() == b"nothing here"

    run(body)


def test_slow_consumer_holds_the_sender_back(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        async with transport.stream("GET", "/flood") as stream:
            chunks = stream.chunks()
            first = await anext(chunks)
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert app.sent_chunks < 400
            rest = [len(chunk) async for chunk in chunks]
        assert len(first) + sum(rest) == 400 * 65536

    run(body)


def test_answer_that_breaks_off_raises_transport_error(run) -> None:
    async def body(transport: Transport, app: EchoApp) -> None:
        async with transport.stream("GET", "/broken") as stream:
            with pytest.raises(TransportError, match="broke off"):
                await stream.read()

    run(body)

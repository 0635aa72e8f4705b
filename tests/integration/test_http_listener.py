"""The listener on real sockets: what is under way at a stop ends, what hangs is cut, what is slow is let go."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from apiserver.http.reply import Reply, send_reply
from apiserver.http.serve import Listener, plan_connections
from apiserver.http.served import Limits

REQUEST = b"GET /%b HTTP/1.1\r\nHost: api\r\n\r\n"


@asynccontextmanager
async def listening(app, limits=None):
    listener = Listener(app, [("127.0.0.1", 0)], limits=limits)
    await listener.start()
    streams = []

    async def connect():
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        streams.append(writer)
        return reader, writer

    try:
        yield listener, connect
    finally:
        await listener.stop(0.1)
        for writer in streams:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def test_stop_answers_what_is_under_way_and_takes_nothing_new():
    async def main():
        go, begun = asyncio.Event(), asyncio.Event()

        async def app(scope, receive, send):
            begun.set()
            await go.wait()
            await send_reply(send, Reply(200, b"done"), [])

        async with listening(app) as (listener, connect):
            idle, _ = await connect()
            reader, writer = await connect()
            writer.write(REQUEST % b"slow")
            await begun.wait()
            stopping = asyncio.create_task(listener.stop(5))
            assert await idle.read() == b""
            with pytest.raises(OSError, match="onnect"):
                await connect()
            go.set()
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connection: close\r\n" in answer
            assert answer.endswith(b"done")
            await stopping

    asyncio.run(main())


def test_stop_cuts_what_does_not_end():
    async def main():
        ended, begun = [], asyncio.Event()

        async def app(scope, receive, send):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(scope["path"])

        async with listening(app) as (listener, connect):
            reader, writer = await connect()
            writer.write(REQUEST % b"hangs")
            await begun.wait()
            async with asyncio.timeout(3):
                await listener.stop(0.05)
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
        assert ended == ["/hangs"]

    asyncio.run(main())


def test_connection_that_says_nothing_is_closed():
    async def main():
        async def app(scope, receive, send):
            await send_reply(send, Reply(200, b"x"), [])

        quick = Limits(head_s=0.1, request_s=0.1, idle_s=0.1, write_s=0.1, linger_s=0.01)
        async with listening(app, quick) as (_, connect), asyncio.timeout(3):
            silent, _ = await connect()
            dripping, writer = await connect()
            writer.write(b"GET / HT")
            assert await silent.read() == b""
            assert (await dripping.read()).startswith(b"HTTP/1.1 408 ")

    asyncio.run(main())


def test_large_answer_to_a_slow_reader_arrives_whole():
    async def main():
        body = bytes(range(256)) * 40_000

        async def app(scope, receive, send):
            await send_reply(send, Reply(200, body), [])

        async with listening(app) as (_, connect), asyncio.timeout(20):
            reader, writer = await connect()
            writer.write((REQUEST % b"big") * 2)
            for _ in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"content-length: %d\r\n" % len(body) in head
                await asyncio.sleep(0.02)
                assert await reader.readexactly(len(body)) == body

    asyncio.run(main())


def test_many_connections_leave_files_for_the_server_itself():
    assert [plan_connections(files) for files in (1024, 20_000, 1 << 20)] == [768, 15_000, 16_384]

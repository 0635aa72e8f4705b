"""Another server's answer on its way through the API server's proxy."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from http_peer import HOST, Peer

from apiserver.http.body import ClientGone
from apiserver.http.relay import relay_answer, while_there
from apiserver.http.rewriting import Through
from apiserver.http.watch_stream import Streams
from machinery.errors import ServiceUnavailable
from machinery.virtual_loop import run

THROUGH = Through("/proxy", "api", "pod")


class Said:
    """An answer whose pieces are there at once, but for what comes after a `None`, which never comes."""

    status = 200

    def __init__(self, headers, *pieces):
        self.headers = headers
        self._pieces = pieces

    async def chunks(self):
        for piece in self._pieces:
            if piece is None:
                await asyncio.Event().wait()
            yield piece


def test_page_that_unpacks_to_very_much_lets_others_on_the_loop_go_on():
    page = b"<a href='/x'>" * 400_000
    said = Said({"content-type": "text/html", "content-encoding": "gzip"}, gzip.compress(page))
    turns = 0

    async def main():
        nonlocal turns
        out = []

        async def send(message):
            out.append(message.get("body", b""))

        async def others():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(others())
            await relay_answer(said, Streams(), asyncio.Event().wait, send, frozenset(), (), THROUGH)
            waiting.cancel()
        return b"".join(out)

    packed = run(main())
    assert zlib.decompress(packed, 31).count(b"'/proxy/x'") == 400_000
    assert turns >= len(page) // 65536


@pytest.mark.parametrize(("headers", "is_cut_off"), [({"content-length": "9"}, True), ({}, False)])
def test_answer_of_a_length_that_a_stop_cuts_is_not_taken_for_whole(headers, is_cut_off):
    async def main():
        streams = Streams()

        async def app(scope, receive, send):
            await relay_answer(
                Said(headers, b"abc", None), streams, receive, send, frozenset({"content-length"}), ()
            )

        peer = await Peer(app).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        streams.stop()
        await peer.settle()
        assert peer.wire.aborted == is_cut_off
        assert len(peer.answers) == (not is_cut_off)

    run(main())


@pytest.mark.parametrize(("message", "error"), [("http.disconnect", ClientGone), (None, ServiceUnavailable)])
def test_answer_that_takes_long_is_waited_for_while_the_client_and_the_server_are_there(message, error):
    async def main():
        streams, gone = Streams(), asyncio.Event()

        async def receive():
            await gone.wait()
            return {"type": message}

        async with while_there(receive, streams):
            await asyncio.sleep(3600)
        assert not len(streams)

        async def waiting():
            async with while_there(receive, streams):
                await asyncio.Event().wait()

        task = asyncio.ensure_future(waiting())
        await asyncio.sleep(1)
        gone.set() if message else streams.stop()
        with pytest.raises(error):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())

"""What another server says, passed on while it comes: an answer piece by piece, a websocket's messages both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from apiserver.http.reply import Header, Receive, Send, end_stream
from apiserver.http.watch_stream import Streams, serve_stream
from apiserver.nodeconnector import NodeSocket, NodeStream


async def relay_answer(
    answer: NodeStream,
    streams: Streams,
    receive: Receive,
    send: Send,
    dropped: frozenset[str],
    extra: Sequence[Header],
) -> int:
    """The answer's status. Its headers go along but for those `dropped`; `extra` are ours."""
    headers = [
        (key.encode("latin-1"), value.encode("latin-1"))
        for key, value in answer.headers.items()
        if key not in dropped
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, *extra]})

    async def pieces() -> None:
        async for piece in answer.chunks():
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    await serve_stream(receive, streams, None, pieces)
    await end_stream(send)
    return answer.status


async def relay_messages(socket: NodeSocket, streams: Streams, receive: Receive, send: Send) -> None:
    """Until either side closes, or this server stops; then the client's side is closed."""

    async def from_client() -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                await socket.close()
                return
            data: Any = message.get("bytes")
            await socket.send(data if data is not None else message["text"])

    async def from_server() -> None:
        while (data := await socket.receive()) is not None:
            key = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", key: data})

    loop = asyncio.get_running_loop()
    with suppress(TimeoutError):  # the server stops
        async with asyncio.timeout(None) as scope:
            streams.add(scope)
            tasks = [loop.create_task(from_client()), loop.create_task(from_server())]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                streams.discard(scope)
                for task in tasks:
                    task.cancel()
                for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                    # Either side may leave at any moment.
                    if isinstance(outcome, Exception) and not isinstance(outcome, OSError | RuntimeError):
                        raise outcome
    await close_socket(send)


async def close_socket(send: Send) -> None:
    with suppress(RuntimeError, OSError):  # the client closed first
        await send({"type": "websocket.close", "code": 1000})

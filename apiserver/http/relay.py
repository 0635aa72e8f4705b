"""What another server says, passed on while it comes: an answer piece by piece, a websocket's messages both ways, an
upgraded connection byte for byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from apiserver.http.body import ClientGone
from apiserver.http.identify import TOKEN_PROTOCOL, subprotocols_of
from apiserver.http.reply import Header, Receive, Send, end_stream
from apiserver.http.request import Request
from apiserver.http.rewriting import BadLocation, Rewriting, Through, plan_rewriting
from apiserver.http.tunnel import Tunnel, until_one_ends
from apiserver.http.watch_stream import Streams, serve_stream, until_gone
from apiserver.node_http import HttpExchange
from apiserver.nodeconnector import NodeSocket, NodeStream
from machinery.errors import InternalError, ServiceUnavailable

# Between two neighbours, whatever Connection says.
HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def passed_on(request: Request, dropped: frozenset[bytes], prefixes: tuple[bytes, ...]) -> list[Header]:
    """The request's headers for another server: without those `dropped`, those that its Connection names as meant for this
    server alone, and a token among the subprotocols."""
    headers: list[Header] = []
    listed = b",".join(value for name, value in request.raw_headers if name == b"connection")
    ours = {each.strip().lower() for each in listed.split(b",")} | HOP
    for name, value in request.raw_headers:
        if name in dropped or name in ours or name.startswith(prefixes):
            continue
        if name == b"sec-websocket-protocol":
            offered = subprotocols_of([(name, value)])
            value = ", ".join(each for each in offered if not each.startswith(TOKEN_PROTOCOL)).encode(
                "latin-1"
            )
            if not value:
                continue
        headers.append((name, value))
    return headers


@asynccontextmanager
async def while_there(receive: Receive, streams: Streams) -> AsyncIterator[None]:
    """For what may take as long as another server likes. Out of it come ClientGone, when the client leaves, and
    ServiceUnavailable, when this server stops. Nobody else may receive meanwhile."""
    leaving: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(None) as scope:
            leaving = asyncio.get_running_loop().create_task(until_gone(receive, scope))
            streams.add(scope)
            try:
                yield
            finally:
                streams.discard(scope)
    except TimeoutError:
        if leaving is not None and leaving.done():
            raise ClientGone from None
        raise ServiceUnavailable("the server is stopping") from None
    finally:
        if leaving is not None:
            leaving.cancel()
            await asyncio.wait([leaving])


async def relay_answer(
    answer: NodeStream,
    streams: Streams,
    receive: Receive,
    send: Send,
    dropped: frozenset[str],
    extra: Sequence[Header],
    through: Through | None = None,
) -> int:
    """The answer's status. Its headers go along but for those `dropped`; `extra` are ours. With `through`, what it links to is
    rewritten. Raises InternalError, before anything is sent, where it sends to what is no address."""
    try:
        plan = Rewriting(answer.headers) if through is None else plan_rewriting(answer.headers, through)
    except BadLocation as error:
        raise InternalError(str(error)) from error
    headers = [*_headers_of(plan.headers, dropped), *extra]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = plan.body
    whole = False

    async def write(piece: bytes) -> None:
        if piece:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def pieces() -> None:
        nonlocal whole
        async for piece in answer.chunks():
            if body is None:
                await write(piece)
                continue
            for each in body.feed(piece):
                await write(each)
                await asyncio.sleep(0)  # little that is packed may be very much to rewrite
        if body is not None:
            await write(body.rest())
        whole = True

    await serve_stream(receive, streams, None, pieces)
    if (
        whole or "content-length" not in answer.headers
    ):  # a watch or a log may end anywhere; a file that is cut off is told so
        await end_stream(send)
    return answer.status


async def relay_upgrade(
    answer: HttpExchange,
    streams: Streams,
    receive: Receive,
    send: Send,
    dropped: frozenset[str],
    extra: Sequence[Header],
    through: Through | None = None,
) -> int:
    """The answer's status. After a 101 bytes pass both ways until either side closes; any other is passed on as `relay_answer` does."""
    if answer.status != 101:
        return await relay_answer(answer, streams, receive, send, dropped, extra, through)
    tunnel = Tunnel(receive, send)
    protocol = answer.headers.get("upgrade", "").encode("latin-1")
    await tunnel.open(protocol, [*_headers_of(answer.headers, dropped | {"upgrade"}), *extra])

    async def from_client() -> None:
        async for piece in tunnel.pieces():
            await answer.send_raw(piece)

    async def from_server() -> None:
        while piece := await answer.receive_raw():
            await tunnel.write(piece)

    await until_one_ends(streams, from_client(), from_server(), tunnel=tunnel)
    await tunnel.close()
    return 101


def _headers_of(headers: Mapping[str, str], dropped: frozenset[str]) -> list[Header]:
    return [
        (key.encode("latin-1"), value.encode("latin-1"))
        for key, values in headers.items()
        if key not in dropped
        for value in values.split("\n")  # cookies, which came one by one
    ]


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

    await until_one_ends(streams, from_client(), from_server())
    await close_socket(send)


async def close_socket(send: Send) -> None:
    with suppress(RuntimeError, OSError):  # the client closed first
        await send({"type": "websocket.close", "code": 1000})

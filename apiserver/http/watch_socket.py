"""A watch over a websocket, as browsers ask for one: each event is a text frame of its own.

The watch itself does not know: this file puts on a `send` that turns the lines of its HTTP answer into frames. A
refusal before the upgrade is raised and becomes an HTTP answer; the end of the watch closes the socket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from apiserver.http.identify import TOKEN_PROTOCOL
from apiserver.http.reply import Header, Message, Receive, Scope, Send
from apiserver.http.request import Request

Streamer = Callable[[Request, Receive, Send, Sequence[Header]], Awaitable[int]]


def plan_subprotocol(offered: Sequence[str]) -> str | None:
    """The first that is not a token in disguise: a client that offers any closes the socket where none is taken."""
    return next((each for each in offered if not each.startswith(TOKEN_PROTOCOL)), None)


async def watch_over_websocket(
    watching: Streamer, request: Request, scope: Scope, receive: Receive, send: Send
) -> int:
    """Accepts, sends events until the watch ends, and closes. Raises ApiError before it has accepted."""
    subprotocol = plan_subprotocol(scope.get("subprotocols") or ())

    async def framed(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
            return
        for line in message.get("body", b"").splitlines():
            await send({"type": "websocket.send", "text": line.decode()})
        if not message.get("more_body"):
            with suppress(RuntimeError, OSError):  # the client closed first
                await send({"type": "websocket.close", "code": 1000})

    await watching(request, receive, framed, ())
    return 101

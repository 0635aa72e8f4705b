"""Websockets: uvicorn's protocol over a connection that began as HTTP, with what it leaves out, and bounded.

Imported with the first upgrade, as most servers never see one. `scope["extensions"]["tls"]` is set as for HTTP.

Invariants: of what a client sends no more is taken apart than one message the application has not asked for, and nothing while
the client does not read what it was sent (each ping is answered); a message is as long as the path allows, however many
fragments it comes in, and until the application has accepted no longer than anybody's may be; a client that reads nothing
for too long is cut off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request

from client.subprotocols import accept_kubernetes_subprotocols

if TYPE_CHECKING:
    from websockets.frames import Frame

    from apiserver.http.served import Limits

accept_kubernetes_subprotocols()

SESSIONS = (
    "/exec",
    "/attach",
    "/portforward",
    "/log",
)  # with these a path ends where the client is a person, or sends much
SESSION_MESSAGE_BYTES = 32 * 1024 * 1024  # upstream's bound
MESSAGE_BYTES = 64 * 1024  # of clients that have nothing to say
_STEP_BYTES = 4 * 1024  # taken apart at once: it may hold nothing but very small messages


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The application chooses among the offered subprotocols. The library would refuse
    `SPDY/3.1+portforward.k8s.io`, in which a slash stands that RFC 6455 does not allow."""

    def __init__(self, config: Config, state: ServerState, limits: Limits) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._ahead = bytearray()  # what came and was not taken apart yet
        self._fragments: bytearray | None = None  # of a message that is not whole
        self._is_session = False
        self._impatience: asyncio.TimerHandle | None = None

    # What the client sends

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Put over the method, since the base class has made the connection by now and takes no other.
        self.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if getattr(self, "scope", None) is None:
            return
        self._is_session = self.scope["path"].endswith(SESSIONS)
        ssl_object = self.transport.get_extra_info("ssl_object")
        der = ssl_object.getpeercert(True) if ssl_object is not None else None
        if der:
            self.scope["extensions"]["tls"] = {"der": der}

    def data_received(self, data: bytes) -> None:
        self._ahead += data
        self._go_on()

    def _go_on(self) -> None:
        while self._ahead and not self.read_paused and self.writable.is_set() and not self.disconnected:
            step = bytes(self._ahead[:_STEP_BYTES])
            del self._ahead[:_STEP_BYTES]
            super().data_received(step)

    def handle_text(self, event: Frame) -> None:
        super().handle_text(event)
        self._fragments = None if event.fin else bytearray(event.data)
        self.frames = []

    def handle_bytes(self, event: Frame) -> None:
        super().handle_bytes(event)
        self._fragments = None if event.fin else bytearray(event.data)
        self.frames = []

    def handle_cont(self, event: Frame) -> None:
        """Joined at once: fragments may be very many, and of no length."""
        if self._fragments is None:
            return
        self._fragments += event.data
        if event.fin:
            self.frames, self._fragments = [bytes(self._fragments)], None
            self.send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_patient()
        ahead, self._ahead = bytes(self._ahead), bytearray()
        if ahead:  # said before it left
            super().data_received(ahead)
        super().connection_lost(exc)

    async def receive(self) -> Any:
        message = await super().receive()
        self._go_on()
        if not self.writable.is_set() and not self.disconnected:
            self.transport.pause_reading()
        return message

    # What it is sent

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.accept" and self._is_session:
            self.conn.max_message_size = SESSION_MESSAGE_BYTES
        await super().send(message)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()
        patience_s = self._limits.session_s if self._is_session else self._limits.write_s
        self._impatience = self.loop.call_later(patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._be_patient()
        self._go_on()
        if self.writable.is_set() and not self.read_paused:
            self.transport.resume_reading()

    def _be_patient(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None


class WebSockets:
    """All open websockets of one server."""

    def __init__(self, app: Any, limits: Limits) -> None:
        self._limits = limits
        self._config = Config(
            app,
            http=WebSocketProtocol,  # never asked for: HTTP is served elsewhere
            ws=WebSocketProtocol,
            ws_max_size=MESSAGE_BYTES,
            ws_per_message_deflate=False,
            # Who shows a pod's output in a pager reads nothing for a while, pings neither.
            ws_ping_timeout=None,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        self._config.load()
        self._state = ServerState()

    def __len__(self) -> int:
        return len(self._state.connections)

    def take(self, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        protocol = WebSocketProtocol(self._config, self._state, self._limits)
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        protocol.data_received(head)
        if rest:
            protocol.data_received(rest)

    def stop(self) -> set[asyncio.Task[Any]]:
        """Asks each to end; returns what is to be waited for."""
        for connection in list(self._state.connections):
            connection.shutdown()
        return set(self._state.tasks)

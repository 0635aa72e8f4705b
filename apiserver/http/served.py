"""What all connections of a server share: the application, the limits, who is connected; and the sweep that ends what is too slow.

A limit's figure is what one client can cost: docs/security.md lists them beside what was measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiserver.http.reply import Receive, Scope, Send

if TYPE_CHECKING:
    from apiserver.http.protocol import Connection

App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds in all, but for `idle_s`, `write_s` and `session_s`, which are the longest pause."""

    head_bytes: int = 128 * 1024
    headers: int = 1000  # however short
    head_s: float = 32.0
    request_s: float = (
        60.0  # for a body to come, and an answer of known length to be read: upstream's --request-timeout
    )
    idle_s: float = 120.0  # between two requests
    write_s: float = 120.0  # of a client that does not read what it asked for
    session_s: float = 4 * 3600.0  # the same, where a person may sit before it: logs, sessions
    linger_s: float = 1.0  # for a refusal to be read by a client that still sends
    close_s: float = 10.0  # for what is under way at a close
    connections: int = 1 << 30


@dataclass(slots=True, eq=False)
class Served:
    app: App
    loop: asyncio.AbstractEventLoop
    limits: Limits = field(default_factory=Limits)
    # takes over (transport, the request's head as it was sent, what came after it)
    upgrade: Callable[[asyncio.Transport, bytes, bytes], None] | None = None
    # whether this path is another server's: websockets to it are passed on unread, and its answer may take its time
    tunnels: Callable[[str], bool] | None = None
    connections: set[Connection] = field(default_factory=set)
    # how many more became websockets
    upgraded: Callable[[], int] = int
    # what still runs for clients that left
    forsaken: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: bool = False
    lost: int = 0  # connections that ended, or waited for their client to read; until somebody sets it back
    _body: bytes = b""
    _chunk: bytes = b""

    def chunk(self, body: bytes) -> bytes:
        """`body` as a chunk. What one watcher is sent most often goes to the next one too: it is framed once."""
        if not body:
            return b""
        if body is not self._body:
            self._body, self._chunk = body, b"%x\r\n%b\r\n" % (len(body), body)
        return self._chunk

    def sweep(self) -> None:
        """End what is too slow. Looking at all now and then is cheaper than a timer for each request."""
        now = self.loop.time()
        for connection in list(self.connections):
            if connection.deadline <= now or connection.write_deadline <= now:
                connection.expire()

    def has_room(self) -> bool:
        """For one more connection. Where there is none, those that wait for a request the longest are ended, some at once, since
        looking for them is dear."""
        if len(self.connections) + self.upgraded() < self.limits.connections:
            return True
        waiting = sorted((each for each in self.connections if each.is_idle), key=lambda each: each.deadline)
        for connection in waiting[: 1 + len(waiting) // 16]:
            connection.leave()
        return bool(waiting)


class Gone(asyncio.Transport):
    """What a connection holds in place of a transport that is lost."""

    def write(self, data: Any) -> None:
        return

    def writelines(self, pieces: Any) -> None:
        return

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        return

    def abort(self) -> None:
        return


GONE = Gone()

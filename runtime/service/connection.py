"""The agent's end of the spawner's socket: ask and await, hear events.

Every message is given to `on_message` in the order in which it came, before the asker wakes: whoever
keeps a mirror sees an exit after the start that it ends, never before. Must be made and used on one loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

import orjson

from runtime.cri import NotFoundInRuntime, RuntimeFailure
from runtime.spawner.wire import Channel, ConnectionLost, Message

# (verb, message) of what undoes an answer.
Undo = tuple[str, Message]


class SpawnerRefused(RuntimeFailure):
    """The spawner's no. `reason` is NotFound, Conflict, Failed or Unavailable; `answer` is all it said."""

    def __init__(self, reason: str, message: str, answer: Message | None = None) -> None:
        super().__init__(reason, message)
        self.answer = answer or {}


class SpawnerConnection:
    def __init__(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._channel: Channel | None = None
        self._waiting: dict[int, asyncio.Future[tuple[Message, list[int]]]] = {}
        self._late: dict[int, Callable[[Message], Undo]] = {}  # by question whose asker was cancelled
        self._serial = 0

    @property
    def is_open(self) -> bool:
        return self._channel is not None

    def open(self, directory: str) -> None:
        """Connects to the spawner of a state directory. Raises OSError where none listens."""
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{handle}/spawner.sock")
        except OSError:
            sock.close()
            raise
        finally:
            os.close(handle)
        self._channel = Channel(sock, orjson.dumps, orjson.loads)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    async def ask(
        self,
        verb: str,
        message: Message | None = None,
        fds: Sequence[int] = (),
        undo: Callable[[Message], Undo] | None = None,
    ) -> tuple[Message, list[int]]:
        """The answer and descriptors that came with it. `undo`: what is asked for when the asker is cancelled, once it is known
        what was done for nobody. Raises SpawnerRefused, NotFoundInRuntime."""
        channel = self._channel
        if channel is None:
            raise SpawnerRefused("Unavailable", "the node's container supervisor is not reachable")
        self._serial += 1
        serial = self._serial
        future: asyncio.Future[tuple[Message, list[int]]] = asyncio.get_running_loop().create_future()
        self._waiting[serial] = future
        # Of its own: an asker who is cancelled closes its descriptors, and what has not been sent yet may wait.
        copies = tuple(os.dup(fd) for fd in fds)
        channel.queue({"seq": serial, "verb": verb, **(message or {})}, copies, close_fds=True)
        self._flush()
        try:
            answer, handles = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._forsake(*future.result(), undo)
            elif undo is not None and self._channel is channel:
                self._late[serial] = undo
            raise
        finally:
            self._waiting.pop(serial, None)
        if "error" in answer:
            if answer.get("reason") == "NotFound":
                raise NotFoundInRuntime(str(answer["error"]))
            raise SpawnerRefused(str(answer.get("reason", "Failed")), str(answer["error"]), answer)
        return answer, handles

    def close(self) -> None:
        """Lets go; whoever still waits is told so."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(channel.fileno())
        loop.remove_writer(channel.fileno())
        channel.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(
                    SpawnerRefused("Unavailable", "the connection to the node's container supervisor is lost")
                )
        self._waiting.clear()
        self._late.clear()

    def _readable(self) -> None:
        if self._channel is None:
            return
        try:
            messages = self._channel.receive()
        except ConnectionLost:
            self._lost()
            return
        for message, fds in messages:
            self._on_message(message)
            future = self._waiting.get(message.get("seq", 0))
            if future is not None and not future.done():
                future.set_result((message, fds))
            else:
                self._forsake(message, fds, self._late.pop(message.get("seq", 0), None))

    def _forsake(self, answer: Message, fds: Sequence[int], undo: Callable[[Message], Undo] | None) -> None:
        """Nobody waits for this answer any more."""
        for fd in fds:
            os.close(fd)
        if undo is not None and self._channel is not None and "error" not in answer:
            verb, message = undo(answer)
            self._serial += 1
            self._channel.queue({"seq": self._serial, "verb": verb, **message})
            self._flush()

    def _flush(self) -> None:
        channel = self._channel
        if channel is None:
            return
        loop = asyncio.get_running_loop()
        try:
            channel.flush()
        except ConnectionLost:
            self._lost()
            return
        if channel.has_output:
            loop.add_writer(channel.fileno(), self._flush)
        else:
            loop.remove_writer(channel.fileno())

    def _lost(self) -> None:
        self.close()
        self._on_lost()

"""The spawner's socket: agents connect, ask verbs, hear events. Any number of agents, any number of times.

    request   {"seq": N, "verb": ..., ...}      reply   {"seq": N, ...} or {"seq": N, "error": ..., "reason": ...}
    event     {"event": ..., ...}              to connections that said hello with "events": true

A connection that does not read its events is closed rather than buffered without end: it connects again
and lists.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Sequence

from runtime.spawner.execs import Execs
from runtime.spawner.host import Host, Message, Refused, Reply, note
from runtime.spawner.loop import READ, WRITE
from runtime.spawner.shutdown import shut_down
from runtime.spawner.wire import Channel, ConnectionLost

PROTOCOL = 1
MAX_QUEUED = 10_000
Verb = Callable[[Message, list[int], Reply], None]


class Server:
    def __init__(self, host: Host, listener: socket.socket) -> None:
        self._host = host
        self._listener = listener
        self._connections: dict[int, tuple[Channel, bool]] = {}
        execs = Execs(host)
        host.publish = self.publish
        self._verbs: dict[str, Verb] = {
            "set_network": host.set_network,
            "create_sandbox": host.create_sandbox,
            "stop_sandbox": host.stop_sandbox,
            "remove_sandbox": host.remove_sandbox,
            "update_sandbox": host.update_sandbox,
            "socket_in": host.socket_in,
            "create_container": host.create_container,
            "start_container": host.start_container,
            "signal": host.signal,
            "remove_container": host.remove_container,
            "update_container": host.update_container,
            "reopen_log": host.reopen_log,
            "list": host.inventory,
            "exec": execs.exec,
            "kill_exec": execs.kill_exec,
            "attach": execs.attach,
            "close_stdin": execs.close_stdin,
            "shutdown": lambda message, fds, reply: shut_down(host, reply),
        }
        listener.setblocking(False)
        host.loop.add(listener.fileno(), self._on_connect)

    def publish(self, event: Message) -> None:
        for fd, (channel, wants_events) in list(self._connections.items()):
            if wants_events:
                channel.queue(event)
                self._flush(fd, channel)

    def _on_connect(self, _: int) -> None:
        try:
            sock, _address = self._listener.accept()
        except BlockingIOError:
            return
        channel = Channel(sock)
        self._connections[channel.fileno()] = (channel, False)
        self._host.loop.add(channel.fileno(), lambda events: self._on_channel(channel, events))

    def _on_channel(self, channel: Channel, events: int) -> None:
        fd = channel.fileno()
        if self._connections.get(fd, (None,))[0] is not channel:
            return
        if events & WRITE:
            self._flush(fd, channel)
        if not events & ~WRITE:
            return
        try:
            messages = channel.receive()
        except ConnectionLost:
            self._drop(fd, channel)
            return
        for message, fds in messages:
            self._take(channel, message, fds)

    def _take(self, channel: Channel, message: Message, fds: list[int]) -> None:
        serial = message.get("seq")
        fd = channel.fileno()

        def reply(answer: Message, sent: Sequence[int] = ()) -> None:
            if self._connections.get(fd, (None,))[0] is not channel:
                for handle in sent:
                    os.close(handle)
                return
            channel.queue({"seq": serial, **answer}, sent, close_fds=True)
            self._flush(fd, channel)

        if message["verb"] == "hello":
            self._connections[fd] = (channel, bool(message.get("events")))
            reply({"pid": os.getpid(), "protocol": PROTOCOL, "boot_id": self._host.boot_id})
            return
        verb = self._verbs.get(message["verb"])
        try:
            if verb is None:
                raise Refused("Failed", f"unknown verb {message['verb']}")
            verb(message, fds, reply)
        except Refused as refused:
            reply({"error": str(refused), "reason": refused.reason})
        except Exception as failed:  # one bad request must not take the node's containers down
            note(traceback.format_exc())
            reply({"error": f"{type(failed).__name__}: {failed}", "reason": "Failed"})

    def _flush(self, fd: int, channel: Channel) -> None:
        try:
            channel.flush()
        except ConnectionLost:
            self._drop(fd, channel)
            return
        if channel.queued > MAX_QUEUED:
            self._drop(fd, channel)
            return
        self._host.loop.modify(fd, READ | WRITE if channel.has_output else READ)

    def _drop(self, fd: int, channel: Channel) -> None:
        if self._connections.pop(fd, None) is not None:
            self._host.loop.remove(fd)
            channel.close()

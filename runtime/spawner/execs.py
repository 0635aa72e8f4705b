"""Processes run inside a container beside its own, and sessions attached to a container's own.

An exec's stdin, stdout and stderr are the agent's own pipes, passed as descriptors: the bytes never go
through the spawner. With a terminal the spawner passes the master back. The spawner reaps the process
and publishes `exec_exited`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import Any

from runtime.spawner.container import Container, exit_of, read_status
from runtime.spawner.host import Host, Message, Refused, Reply
from runtime.spawner.output import Attacher


class Session:
    """One exec."""

    def __init__(self, serial: str, pid: int, pidfd: int, status: socket.socket) -> None:
        self.id = serial
        self.pid = pid
        self.pidfd = pidfd
        self.status: socket.socket | None = status
        self.terminal: list[int] = []
        self.error = ""
        self.code: int | None = None
        self.is_told = False  # the start was answered


class Execs:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._sessions: dict[str, Session] = {}
        self._serial = 0

    def exec(self, message: Message, fds: list[int], reply: Reply) -> None:
        """fds: stdin, stdout, stderr (none with a terminal); they are closed here in any case."""
        try:
            container = self._running(message["id"])
            process = {**container.spec["process"], **message["process"]}
            stdio = (fds[0], fds[1], fds[2]) if len(fds) == 3 else (-1, -1, -1)
            try:
                pid, pidfd, status = self._host.launcher.exec(container, process, stdio)
            except OSError as refused:
                raise Refused("Failed", refused.strerror or str(refused)) from refused
        finally:
            for fd in fds:
                os.close(fd)
        self._serial += 1
        session = Session(f"{os.getpid()}-{self._serial}", pid, pidfd, status)
        self._sessions[session.id] = session
        self._host.loop.add(status.fileno(), lambda _: self._on_status(session, reply))
        self._host.loop.add(pidfd, lambda _: self._on_exit(session, reply))

    def kill_exec(self, message: Message, fds: list[int], reply: Reply) -> None:
        session = self._sessions.get(message["exec"])
        if session is not None and session.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(session.pidfd, signal.SIGKILL)
        reply({})

    def attach(self, message: Message, fds: list[int], reply: Reply) -> None:
        """fds: pipes to copy stdout and stderr to. The answer carries our end of stdin (or the terminal)."""
        try:
            container = self._running(message["id"])
            assert container.output is not None
        except Refused:
            for fd in fds:
                os.close(fd)
            raise
        container.output.attachers.append(Attacher(dict(zip(("stdout", "stderr"), fds, strict=False))))
        own = container.master if container.master >= 0 else container.stdin
        wanted = own >= 0 and (message.get("stdin") or container.master >= 0)
        reply({"has_stdin": bool(wanted)}, [os.dup(own)] if wanted else [])

    def close_stdin(self, message: Message, fds: list[int], reply: Reply) -> None:
        """End of input for a container's own process (stdin_once)."""
        container = self._host.containers.get(message["id"])
        if container is not None and container.stdin >= 0:
            os.close(container.stdin)
            container.stdin = -1
        reply({})

    def _running(self, container_id: str) -> Container:
        container = self._host.containers.get(container_id)
        if container is None:
            raise Refused("NotFound", f"container {container_id}")
        if not container.is_running or container.pidfd < 0:
            raise Refused("Conflict", f"container {container_id} is not running")
        return container

    def _on_status(self, session: Session, reply: Reply) -> None:
        status = session.status
        if status is None:
            return
        messages, fds, ended = read_status(status)
        session.terminal += fds
        for message in messages:
            session.error = message.get("error", session.error)
        if ended:
            self._host.loop.remove(status.fileno())
            status.close()
            session.status = None
            self._tell(session, reply)

    def _tell(self, session: Session, reply: Reply) -> None:
        if session.is_told:
            return
        session.is_told = True
        answer: dict[str, Any] = {"exec": session.id, "pid": session.pid}
        if session.error:
            answer = {"error": session.error, "reason": "Failed"}
        reply(answer, session.terminal)
        session.terminal = []

    def _on_exit(self, session: Session, reply: Reply) -> None:
        ended = exit_of(session.pidfd) if session.pidfd >= 0 else None
        if ended is None:
            return
        self._on_status(session, reply)
        if session.status is not None:
            self._host.loop.remove(session.status.fileno())
            session.status.close()
            session.status = None
        self._tell(session, reply)
        self._host.loop.remove(session.pidfd)
        os.close(session.pidfd)
        session.pidfd = -1
        del self._sessions[session.id]
        if not session.error:
            self._host.publish({"event": "exec_exited", "exec": session.id, "code": ended[0]})

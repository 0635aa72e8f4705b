"""Messages between agent and spawner: JSON objects with a length in front, file descriptors beside.

    u32 length │ u16 number of descriptors │ JSON

On a stream socket, so a message may be of any size. Descriptors travel with the first byte of their
message (SCM_RIGHTS) and are handed out in order. Non-blocking at both ends: `queue` never waits, `flush`
writes what fits, `receive` gives what is whole.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]
_HEAD = struct.Struct("<IH")
_MAX_FDS = 16
_CHUNK = 1 << 18
_encode = json.JSONEncoder(separators=(",", ":")).encode


def _dumps(message: Message) -> bytes:
    return _encode(message).encode()


class ConnectionLost(Exception):
    """The peer is gone."""


class Channel:
    """One end. Descriptors given to `queue` are closed here once sent if `close_fds`. `dumps` and `loads` are the
    standard library's unless this end has better: the spawner has no other packages."""

    def __init__(
        self,
        sock: socket.socket,
        dumps: Callable[[Message], bytes] | None = None,
        loads: Callable[[bytearray], Any] = json.loads,
    ) -> None:
        self._dumps = dumps or _dumps
        self._loads = loads
        sock.setblocking(False)
        self._sock = sock
        self._in = bytearray()
        self._in_fds: deque[int] = deque()
        self._out: deque[tuple[memoryview, Sequence[int], bool]] = deque()

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_output(self) -> bool:
        return bool(self._out)

    @property
    def queued(self) -> int:
        return len(self._out)

    def queue(self, message: Message, fds: Sequence[int] = (), *, close_fds: bool = False) -> None:
        body = self._dumps(message)
        frame = memoryview(_HEAD.pack(len(body), len(fds)) + body)
        self._out.append((frame, tuple(fds), close_fds))

    def flush(self) -> None:
        """Writes until the socket is full. Raises ConnectionLost."""
        while self._out:
            frame, fds, close_fds = self._out[0]
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            try:
                sent = self._sock.sendmsg([frame], extra)
            except BlockingIOError:
                return
            except OSError as broken:
                raise ConnectionLost(str(broken)) from broken
            if fds and close_fds:
                for fd in fds:
                    os.close(fd)
            if sent == len(frame):
                self._out.popleft()
            else:
                self._out[0] = (frame[sent:], (), False)

    def receive(self) -> list[tuple[Message, list[int]]]:
        """Whole messages that have come. Raises ConnectionLost at the end of the stream."""
        room = socket.CMSG_SPACE(_MAX_FDS * 4)
        while True:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(_CHUNK, room, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                break
            except OSError as broken:
                raise ConnectionLost(str(broken)) from broken
            for level, kind, raw in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self._in_fds.extend(array.array("i", raw[: len(raw) - len(raw) % 4]))
            if not data:
                raise ConnectionLost("closed by the peer")
            self._in += data
            if len(data) < _CHUNK and not ancillary:
                break
        return self._whole()

    def _whole(self) -> list[tuple[Message, list[int]]]:
        messages: list[tuple[Message, list[int]]] = []
        while len(self._in) >= _HEAD.size:
            length, count = _HEAD.unpack_from(self._in)
            end = _HEAD.size + length
            if len(self._in) < end:
                break
            message = self._loads(self._in[_HEAD.size : end])
            del self._in[:end]
            messages.append((message, [self._in_fds.popleft() for _ in range(count)]))
        return messages

    def close(self) -> None:
        for fd in self._in_fds:
            os.close(fd)
        self._in_fds.clear()
        for _, fds, close_fds in self._out:
            if close_fds:
                for fd in fds:
                    os.close(fd)
        self._out.clear()
        self._sock.close()

"""exec and attach as SPDY streams, translated to the channels that the node's agent speaks (v5.channel.k8s.io). Sans-IO.

    client's stream   stdin        stdout, stderr   resize          error
    agent's channel   0 (255: end)      1, 2        4 (a JSON each)   3

The client opens a stream for each of them, in any order, before anything flows. The end of a stream is its FIN, so
stdin can be ended by itself. On the error stream v4 tells a metav1.Status as JSON, the versions before it plain text, and
nothing for success. Window sizes are a sequence of JSON objects on their stream, cut anywhere.
Source: kubelet pkg/cri/streaming/remotecommand; client-go tools/remotecommand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from machinery.spdy.session import (
    REFUSED_STREAM,
    DataReceived,
    SpdyError,
    SpdySession,
    StreamOpened,
    StreamReset,
)

PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
AGENT_PROTOCOL = "v5.channel.k8s.io"
_STDIN, _ERROR, _RESIZE = 0, 3, 4
_CHANNELS = {"stdin": _STDIN, "stdout": 1, "stderr": 2, "error": _ERROR, "resize": _RESIZE}
_END_OF_STDIN = b"\xff\x00"
_MOST_STREAMS = 16  # five are needed
_FRAME_BYTES = 256 * 1024
_MOST_SIZE_BYTES = 1024  # of a window's size
_LOST: Mapping[str, object] = {
    "metadata": {},
    "status": "Failure",
    "message": "error executing command: the node closed the connection before it told how the command ended",
    "reason": "InternalError",
    "code": 500,
}


def expected_streams(flags: Mapping[str, str], protocol: str) -> frozenset[str]:
    """`flags`: what was asked for. A terminal has no stderr, and its size is told from v3 on."""
    wanted = {"error", *(name for name in ("stdin", "stdout", "stderr") if name in flags)}
    if "tty" in flags:
        wanted.discard("stderr")
        if protocol in PROTOCOLS[:2]:
            wanted.add("resize")
    return frozenset(wanted)


class CommandStreams:
    """One session. What both methods leave to be sent to the client is in `take_output`."""

    def __init__(self, protocol: str, expected: frozenset[str]) -> None:
        self._session = SpdySession(most_streams=_MOST_STREAMS)
        self._has_status = protocol == PROTOCOLS[0]
        self._missing = set(expected)
        self._streams: dict[int, int] = {}  # by channel
        self._channels: dict[int, int] = {}  # by stream
        self._size = bytearray()  # of a window, as far as it has come
        self._told = False  # how it ended

    @property
    def is_complete(self) -> bool:
        """Every stream that was asked for is open: output may flow."""
        return not self._missing

    def from_client(self, data: bytes) -> Sequence[bytes]:
        """The messages to the agent. After a breach of the protocol the session is over. Raises SpdyError."""
        messages: list[bytes] = []
        for event in self._session.receive(data):
            if isinstance(event, StreamOpened):
                self._opened(event)
                if event.fin and self._channels.get(event.stream) == _STDIN:
                    messages.append(_END_OF_STDIN)
            elif isinstance(event, DataReceived):
                self._received(event, messages)
            elif isinstance(event, StreamReset) and self._channels.get(event.stream) == _STDIN:
                messages.append(_END_OF_STDIN)
        return messages

    def from_agent(self, message: bytes) -> None:
        channel, data = message[:1], message[1:]
        if not channel:
            return
        if channel[0] == _ERROR:
            self._tell(data)
        elif channel[0] in (1, 2):
            self._write(channel[0], data)

    def end(self) -> None:
        """The agent has closed: every stream ends, and no more may be opened."""
        if not self._told:
            self._tell(orjson.dumps(_LOST))
        for stream in self._streams.values():
            self._session.send(stream, b"", fin=True)
        self._session.go_away()

    def take_output(self) -> bytes:
        return self._session.take_output()

    def _opened(self, event: StreamOpened) -> None:
        kind = event.headers.get("streamtype", "")
        channel = _CHANNELS.get(kind)
        if channel is None or channel in self._streams:
            self._session.reset(event.stream, REFUSED_STREAM)
            return
        self._streams[channel] = event.stream
        self._channels[event.stream] = channel
        self._missing.discard(kind)
        self._session.reply(event.stream)

    def _received(self, event: DataReceived, messages: list[bytes]) -> None:
        channel = self._channels.get(event.stream)
        if channel == _STDIN:
            if event.data:
                messages.append(b"\x00" + event.data)
            if event.fin:
                messages.append(_END_OF_STDIN)
        elif channel == _RESIZE:
            self._size += event.data
            while (end := self._size.find(b"}") + 1) > 0:
                messages.append(b"\x04" + bytes(self._size[:end]).strip())
                del self._size[:end]
            if len(self._size) > _MOST_SIZE_BYTES:
                raise SpdyError("what came on the resize stream is no window's size")

    def _tell(self, status: bytes) -> None:
        self._told = True
        self._write(_ERROR, status if self._has_status else _as_text(status))

    def _write(self, channel: int, data: bytes) -> None:
        stream = self._streams.get(channel)
        if stream is not None:
            for at in range(0, len(data), _FRAME_BYTES):
                self._session.send(stream, data[at : at + _FRAME_BYTES])


def _as_text(status: bytes) -> bytes:
    try:
        told = orjson.loads(status)
        return b"" if told.get("status") == "Success" else str(told.get("message") or "failed").encode()
    except (orjson.JSONDecodeError, AttributeError):
        return status

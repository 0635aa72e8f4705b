"""The channel protocol of exec and attach over WebSocket: messages ↔ (channel, bytes). Pure.

v5.channel.k8s.io, v4.channel.k8s.io, channel.k8s.io (v1) and their base64 forms. The first byte of a message is
its channel; v5 adds 255, whose second byte names a channel that the client has closed. On channel 3 v4 and v5
end with a metav1.Status, v1 with plain text.
Source: KEP-4006; apimachinery remotecommand and apiserver wsstream.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from nodeagent.podspec import Obj

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_MOST_CELLS = 0xFFFF  # what the kernel keeps of a terminal's size
PROTOCOLS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)


@dataclass(frozen=True, slots=True)
class ChannelProtocol:
    name: str

    @property
    def is_base64(self) -> bool:
        return "base64" in self.name

    @property
    def has_status(self) -> bool:
        return self.name.startswith(("v4", "v5"))

    @property
    def can_close_stdin(self) -> bool:
        return self.name.startswith("v5")

    def encode(self, channel: int, data: bytes) -> bytes | str:
        if self.is_base64:
            return str(channel) + base64.b64encode(data).decode()
        return bytes((channel,)) + data

    def decode(self, message: bytes | str) -> tuple[int, bytes] | None:
        """None for what is no message of this protocol."""
        if not message:
            return None
        if self.is_base64:
            try:
                text = message.decode() if isinstance(message, bytes) else message
                return int(text[0]), base64.b64decode(text[1:])
            except (ValueError, binascii.Error):
                return None
        raw = message.encode() if isinstance(message, str) else message
        return raw[0], raw[1:]

    def outcome(self, status: Obj) -> bytes | str:
        """The last message: how it ended."""
        if self.has_status:
            return self.encode(ERROR, orjson.dumps(status))
        return self.encode(ERROR, b"" if status["status"] == "Success" else status["message"].encode())


def choose(offered: Sequence[str]) -> ChannelProtocol | None:
    """The client's first choice that is spoken here; no offer at all means the oldest form."""
    if not offered:
        return ChannelProtocol("")
    return next((ChannelProtocol(name) for name in offered if name in PROTOCOLS), None)


def exit_status(code: int) -> Obj:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: error executing command, exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def error_status(message: str) -> Obj:
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


def window_size(data: bytes) -> tuple[int, int] | None:
    """(columns, rows) of a resize message; None for what no terminal can have."""
    try:
        size = orjson.loads(data)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return (width, height) if 0 <= width <= _MOST_CELLS and 0 <= height <= _MOST_CELLS else None

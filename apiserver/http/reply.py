"""An answer as a value, and how it goes out over ASGI.

Handlers return a Reply; only streams (watch, logs) send for themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from machinery.errors import ApiError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Sequence[Header] = ()
    # Under which an equal body is known, so that it is compressed once; None where it will hardly be asked again.
    cache_key: object = None


def json_reply(value: Any, status: int = 200, headers: Sequence[Header] = ()) -> Reply:
    return Reply(status, orjson.dumps(value), JSON, headers)


def text_reply(text: str, status: int = 200) -> Reply:
    return Reply(status, text.encode(), TEXT)


def error_reply(error: ApiError) -> Reply:
    headers = [(b"retry-after", str(error.retry_after_s).encode())] if error.retry_after_s else []
    return Reply(error.code, orjson.dumps(error.to_status()), JSON, headers)


def warning_headers(warnings: Sequence[str]) -> list[Header]:
    """`Warning: 299 - "text"`, each text once, within what a header may hold."""
    out: list[Header] = []
    for text in dict.fromkeys(warnings):
        clean = "".join(c if c.isprintable() else " " for c in text).replace("\\", "\\\\").replace('"', '\\"')
        out.append((b"warning", b'299 - "' + clean.encode("utf-8", "replace")[:4096] + b'"'))
    return out


_SLICE_BYTES = 256 * 1024


async def send_reply(send: Send, reply: Reply, extra: Sequence[Header]) -> None:
    headers = [*extra, *reply.headers]
    if reply.status != 304:  # whose headers would replace those that the client has kept
        headers += [
            (b"content-type", reply.content_type),
            (b"content-length", str(len(reply.body)).encode()),
        ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = reply.body
    if len(body) <= _SLICE_BYTES:
        await send({"type": "http.response.body", "body": body})
        return
    # A large body as one piece is copied whole, again and again, by TLS and the transport's buffer.
    view = memoryview(body)
    for start in range(0, len(view), _SLICE_BYTES):
        end = start + _SLICE_BYTES
        piece = bytes(view[start:end])
        await send({"type": "http.response.body", "body": piece, "more_body": end < len(view)})


async def start_stream(send: Send, content_type: bytes, extra: Sequence[Header], status: int = 200) -> None:
    headers = [(b"content-type", content_type), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def end_stream(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})

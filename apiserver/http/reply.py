"""An answer as a value, and how it goes out over ASGI.

Handlers return a Reply; only streams (watch, logs) send for themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.http.denial import Denied
from apiserver.storage.store import Piece
from machinery.errors import ApiError, NotFound

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
_UNSNIFFED = ((b"x-content-type-options", b"nosniff"),)


class PageNotFound(NotFound):
    """Nobody serves such a path: answered in plain text."""

    def __init__(self) -> None:
        super().__init__("404 page not found")


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Sequence[Header] = ()
    # A body in pieces, sent one after the other in place of `body`: what is large is neither joined nor copied.
    pieces: Sequence[Piece] = ()

    @property
    def size(self) -> int:
        return len(self.body) if not self.pieces else sum(len(piece.data) for piece in self.pieces)


def json_reply(value: Any, status: int = 200, headers: Sequence[Header] = ()) -> Reply:
    return Reply(status, orjson.dumps(value), JSON, headers)


def text_reply(text: str, status: int = 200) -> Reply:
    return Reply(status, text.encode(), TEXT, _UNSNIFFED)


def error_reply(error: ApiError) -> Reply:
    if isinstance(error, PageNotFound):
        return Reply(404, b"404 page not found\n", TEXT, _UNSNIFFED)
    headers = [(b"retry-after", str(error.retry_after_s).encode())] if error.retry_after_s else []
    if isinstance(error, Denied):
        headers += _UNSNIFFED
    return Reply(error.code, orjson.dumps(error.to_status()), JSON, headers)


def in_yaml(reply: Reply) -> Reply:
    """The same answer for who wants YAML."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(orjson.loads(reply.body), Dumper=dumper, sort_keys=False, allow_unicode=True)
    return Reply(reply.status, text.encode(), b"application/yaml", reply.headers)


def warning_headers(warnings: Sequence[str]) -> list[Header]:
    """`Warning: 299 - "text"`, each text once, within what a header may hold."""
    out: list[Header] = []
    for text in dict.fromkeys(warnings):
        clean = "".join(c if c.isprintable() else " " for c in text).replace("\\", "\\\\").replace('"', '\\"')
        out.append((b"warning", b'299 - "' + clean.encode("utf-8", "replace")[:4096] + b'"'))
    return out


_WORTH_BYTES = 64 * 1024  # a piece of this size is sent by itself, smaller ones together


async def send_reply(send: Send, reply: Reply, extra: Sequence[Header]) -> None:
    headers = [*extra, *reply.headers]
    if any(name == b"cache-control" for name, _ in reply.headers):  # in the place of the one for every answer
        headers = [*(each for each in extra if each[0] != b"cache-control"), *reply.headers]
    if reply.status != 304:  # whose headers would replace those that the client has kept
        headers += [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % reply.size),
        ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if not reply.pieces:
        await _send_body(send, reply.body, last=True)
        return
    small: list[bytes] = []
    for piece in reply.pieces[:-1]:
        small.append(piece.data)
        if len(piece.data) >= _WORTH_BYTES:
            if len(small) > 1:
                await _send_body(send, b"".join(small[:-1]), last=False)
            await _send_body(send, piece.data, last=False)
            small = []
    await _send_body(send, b"".join((*small, reply.pieces[-1].data)), last=True)


async def _send_body(send: Send, body: bytes, *, last: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def start_stream(
    send: Send, content_type: bytes, extra: Sequence[Header], status: int = 200
) -> Callable[[bytes], bool] | None:
    """What writes some of the stream at once, where the connection has such (`Exchange.write`)."""
    headers = [(b"content-type", content_type), *extra]
    message: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(message)
    return message.get("write")


async def end_stream(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})

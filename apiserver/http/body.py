"""Reading a request's body: bounded in size, then JSON, YAML or protobuf into plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.engine.decode import MAX_VALUES, Parsed, parse_json, refuse_many
from apiserver.http.negotiation import body_type
from apiserver.http.reply import Receive
from machinery.errors import BadRequest, TooLarge
from machinery.schema import Schema

LIMIT_BYTES = 3 * 1024 * 1024


class ClientGone(Exception):
    """The client left before its request was whole; nobody is there to answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
    """The whole body. Raises TooLarge past 3 MiB, before reading it where its length is announced."""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and (len(length) > 9 or int(length) > LIMIT_BYTES):
        raise _too_large()
    if length == b"0" or (length is None and b"transfer-encoding" not in headers):
        return b""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > LIMIT_BYTES:
            raise _too_large()
        return body
    whole = bytearray(body)  # not a list: a body may come in very many pieces
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        whole += message.get("body", b"")
        if len(whole) > LIMIT_BYTES:
            raise _too_large()
    return bytes(whole)


def _too_large() -> TooLarge:
    return TooLarge(f"Request entity too large: limit is {LIMIT_BYTES}")


def parse_body(body: bytes, content_type: str, schema: Callable[[], Schema]) -> Parsed | None:
    """None for an empty body. `schema` gives what protobuf is read by.

    Raises BadRequest where it cannot be read, UnsupportedMediaType where nobody can.
    """
    form = body_type(content_type)
    if not body:
        return None
    if form == "json":
        return parse_json(body)
    if form == "yaml":
        return parse_yaml(body)
    return Parsed(parse_protobuf(body, schema))


def parse_yaml(body: bytes) -> Parsed:
    """YAML or JSON text. JSON is tried first: it is what kubectl sends under a YAML type."""
    if body.lstrip()[:1] == b"{":
        try:
            return parse_json(body)
        except BadRequest:
            pass
    from machinery.codec import yaml_

    twice: list[yaml_.Duplicate] = []
    try:
        data = yaml_.load(body, duplicates=twice, max_nodes=2 * MAX_VALUES)
    except yaml_.YamlError as error:
        raise BadRequest(f"error decoding YAML: {error}") from None
    refuse_many(data)
    found = [f'line {each.line}: key "{each.key}" already set in map' for each in twice]
    return Parsed(data, found, body, is_yaml=True)


def parse_protobuf(body: bytes, schema: Callable[[], Schema]) -> Any:
    from machinery.codec import protobuf

    try:
        data = protobuf.decode(body, schema())
    except protobuf.ProtobufError as error:
        raise BadRequest(f"error decoding protobuf: {error}") from None
    if len(body) > MAX_VALUES:
        refuse_many(data)
    return data

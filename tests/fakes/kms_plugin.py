"""A KMS plugin for tests: real keys in memory, and a real gRPC server for them on a unix socket.

`Keys` is what a plugin decides, and stands for one where no socket is wanted (it passes tests/contract/kms as `Plugin` does);
`PluginServer` speaks for it in another implementation's HTTP/2 (h2), so that ours is not tested by itself.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import h2.config
import h2.connection
import h2.events
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apiserver.storage.kms.messages import KeySource, Sealed, Status, read_object, source_fields
from apiserver.storage.kms.plugin import PluginError
from machinery.codec.wire import BYTES, bytes_field, fields, message_field

_INVALID, _UNIMPLEMENTED, _UNAVAILABLE = 3, 12, 14
ANNOTATION = "local-kek.example.org"


class Keys:
    """Implements KeyService. `current` is the key that seals; the others still open."""

    def __init__(self) -> None:
        self._keys: dict[str, AESGCM] = {}
        self.current = ""
        self.version, self.healthz = "v2", "ok"
        self.encrypts_as = ""  # another key than Status says, if set
        self.away = ""  # why nothing is answered
        self.asked: list[str] = []
        self.rotate("key-1")

    def rotate(self, key_id: str) -> None:
        self.know(key_id, os.urandom(32))
        self.current = key_id

    def know(self, key_id: str, key: bytes) -> None:
        self._keys[key_id] = AESGCM(key)

    def lose(self, key_id: str) -> None:
        del self._keys[key_id]

    async def status(self) -> Status:
        self._ask("Status")
        return Status(self.version, self.healthz, self.current)

    async def encrypt(self, uid: str, plaintext: bytes) -> Sealed:
        self._ask("Encrypt")
        key_id = self.encrypts_as or self.current
        key = self._keys.get(key_id) or self._keys[self.current]
        nonce = os.urandom(12)
        return Sealed(nonce + key.encrypt(nonce, plaintext, None), key_id, ((ANNOTATION, b"kek\0"),))

    async def decrypt(self, uid: str, source: KeySource) -> bytes:
        self._ask("Decrypt")
        if source.annotations != ((ANNOTATION, b"kek\0"),) or not uid:
            raise PluginError(_INVALID, "the annotations are not those that were given")
        key = self._keys.get(source.key_id)
        if key is None:
            raise PluginError(_INVALID, f"no key {source.key_id}")
        try:
            return key.decrypt(source.encrypted[:12], source.encrypted[12:], None)
        except InvalidTag as error:
            raise PluginError(_INVALID, "the ciphertext was changed") from error

    async def close(self) -> None:
        return None

    def _ask(self, method: str) -> None:
        self.asked.append(method)
        if self.away:
            raise PluginError(_UNAVAILABLE, self.away)


class PluginServer:
    """A context manager. While it is left, nothing listens."""

    def __init__(self, keys: Keys, path: Path) -> None:
        self._keys = keys
        self._path = path
        self.connections: set[_Connection] = set()

    async def __aenter__(self) -> PluginServer:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: _Connection(self._keys, self.connections), str(self._path)
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for each in list(self.connections):
            each.transport.close()
        await self._server.wait_closed()
        await asyncio.sleep(0)
        if not str(self._path).startswith("\0"):
            self._path.unlink(missing_ok=True)


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, keys: Keys, connections: set[_Connection]) -> None:
        self._keys = keys
        self._all = connections
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._methods: dict[int, str] = {}
        self._bodies: dict[int, bytearray] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._all.add(self)
        self._http.initiate_connection()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._all.discard(self)

    def data_received(self, data: bytes) -> None:
        for event in self._http.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = {_text(name): _text(value) for name, value in event.headers}
                assert headers["content-type"] == "application/grpc" and headers["grpc-timeout"].endswith("m")
                self._methods[event.stream_id] = headers[":path"]
                self._bodies[event.stream_id] = bytearray()
            elif isinstance(event, h2.events.DataReceived):
                self._bodies[event.stream_id] += event.data
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                task = asyncio.get_running_loop().create_task(self._answer(event.stream_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._flush()

    async def _answer(self, number: int) -> None:
        body = bytes(self._bodies.pop(number))
        _, length = struct.unpack(">BI", body[:5])
        assert len(body) == 5 + length
        verbs: dict[str, Callable[[bytes], Awaitable[bytes]]] = {
            "/v2.KeyManagementService/Status": self._status,
            "/v2.KeyManagementService/Encrypt": self._encrypt,
            "/v2.KeyManagementService/Decrypt": self._decrypt,
        }
        begin = [(":status", "200"), ("content-type", "application/grpc")]
        try:
            verb = verbs.get(self._methods.pop(number))
            if verb is None:
                raise PluginError(_UNIMPLEMENTED, "unknown method")
            answer = await verb(body[5:])
        except PluginError as error:
            code = {"InvalidArgument": 3, "Unimplemented": 12, "Unavailable": 14}[error.code]
            words = str(error).partition(" desc = ")[2]
            refusal = [*begin, ("grpc-status", str(code)), ("grpc-message", words)]
            self._http.send_headers(number, refusal, end_stream=True)
        else:
            self._http.send_headers(number, begin)
            self._http.send_data(number, struct.pack(">BI", 0, len(answer)) + answer)
            self._http.send_headers(number, [("grpc-status", "0"), ("grpc-message", "")], end_stream=True)
        self._flush()

    async def _status(self, body: bytes) -> bytes:
        status = await self._keys.status()
        said = (status.version, status.healthz, status.key_id)
        return b"".join(bytes_field(number, text.encode()) for number, text in enumerate(said, 1))

    async def _encrypt(self, body: bytes) -> bytes:
        asked = {number: bytes(raw) for number, _, _, raw in fields(memoryview(body))}
        sealed = await self._keys.encrypt(asked[2].decode(), asked[1])
        entries = b"".join(
            message_field(3, message_field(1, name.encode()) + message_field(2, value))
            for name, value in sealed.annotations
        )
        return bytes_field(1, sealed.ciphertext) + bytes_field(2, sealed.key_id.encode()) + entries

    async def _decrypt(self, body: bytes) -> bytes:
        uid = next(bytes(raw) for number, _, _, raw in fields(memoryview(body)) if number == 2).decode()
        annotations: list[tuple[str, bytes]] = []
        plain: dict[int, bytes] = {}
        for number, kind, _, raw in fields(memoryview(body)):
            assert kind == BYTES
            if number == 4:
                entry = {at: bytes(part) for at, _, _, part in fields(raw)}
                annotations.append((entry[1].decode(), entry[2]))
            else:
                plain[number] = bytes(raw)
        source = KeySource(1, plain[1], plain[3].decode(), tuple(annotations))
        return bytes_field(1, await self._keys.decrypt(uid, source))

    def _flush(self) -> None:
        if data := self._http.data_to_send():
            self.transport.write(data)


def resealed(stored: bytes, prefix: bytes, source: KeySource) -> bytes:
    """The stored value with another source of its data key."""
    data, _ = read_object(stored.removeprefix(prefix))
    return prefix + bytes_field(1, data) + source_fields(source)


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw

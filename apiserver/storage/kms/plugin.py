"""Calls to a KMS plugin: gRPC over its unix socket, each within the configuration's time limit.

One connection, made when it is needed and again when it was lost; a call waits for the plugin to listen, as long as its time
allows. Raises PluginError with gRPC's words, so that whoever knows upstream's messages finds them here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from apiserver.rpc.hpack import call_headers
from apiserver.rpc.http2 import Connection, Lost, RpcError, connect
from apiserver.storage.kms.figures import KmsFigures
from apiserver.storage.kms.messages import (
    BadEnvelope,
    KeySource,
    Sealed,
    Status,
    decrypt_answer,
    decrypt_request,
    encrypt_answer,
    encrypt_request,
    status_answer,
)
from machinery.clock import Clock

T = TypeVar("T")
_SERVICE = "/v2.KeyManagementService/"
_AGAIN_S = 0.05
_DEADLINE, _INTERNAL, _UNAVAILABLE = 4, 13, 14
_CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
    "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip


class PluginError(Exception):
    """The plugin refused, or did not answer."""

    def __init__(self, code: int, message: str) -> None:
        name = _CODES[code] if code < len(_CODES) else f"Code({code})"
        super().__init__(f"rpc error: code = {name} desc = {message}")
        self.code = name


class KeyService(Protocol):
    """What a plugin does. Raises PluginError."""

    async def status(self) -> Status: ...

    async def encrypt(self, uid: str, plaintext: bytes) -> Sealed: ...

    async def decrypt(self, uid: str, source: KeySource) -> bytes: ...

    async def close(self) -> None: ...


class Plugin:
    """Implements KeyService. `endpoint` is unix:///PATH, or unix:///@NAME for an abstract socket."""

    def __init__(self, name: str, endpoint: str, timeout_s: float, clock: Clock, figures: KmsFigures) -> None:
        path = socket_path(endpoint)
        self._name = name
        self._target = f"unix:{path}"
        self._timeout_s = timeout_s
        self._clock = clock
        self._figures = figures
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        more = (("grpc-timeout", f"{max(1, round(timeout_s * 1000))}m"),)
        self._headers = {
            method: call_headers(_SERVICE + method, "localhost", tls=False, more=more)
            for method in ("Status", "Encrypt", "Decrypt")
        }

    async def status(self) -> Status:
        return _read(status_answer, await self._call("Status", b""))

    async def encrypt(self, uid: str, plaintext: bytes) -> Sealed:
        return _read(encrypt_answer, await self._call("Encrypt", encrypt_request(plaintext, uid)))

    async def decrypt(self, uid: str, source: KeySource) -> bytes:
        return _read(decrypt_answer, await self._call("Decrypt", decrypt_request(source, uid)))

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            await asyncio.sleep(0)  # the socket closes in the loop's next turn

    async def _call(self, method: str, request: bytes) -> bytes:
        began_s = self._clock.monotonic()
        code = "OK"
        try:
            return await self._answer(method, request)
        except PluginError as error:
            code = error.code
            raise
        finally:
            took_s = self._clock.monotonic() - began_s
            self._figures.called(self._name, _SERVICE + method, code, took_s)

    async def _answer(self, method: str, request: bytes) -> bytes:
        why = ""
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    try:
                        connection = await self._connected()
                        return await connection.call(self._headers[method], request)
                    except (Lost, OSError) as error:
                        if isinstance(error, Lost) and error.sent:
                            raise PluginError(_UNAVAILABLE, str(error)) from error
                        why = str(error)
                    await self._clock.sleep(_AGAIN_S)
        except RpcError as error:
            raise PluginError(error.code, error.message) from error
        except TimeoutError as error:
            after = f"no answer in {self._timeout_s:g}s" + (f": {why}" if why else "")
            raise PluginError(_DEADLINE, after) from error

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is None or not self._connection.usable:
                self._connection = await connect(self._target, None, "the KMS plugin")
            return self._connection


def socket_path(endpoint: str) -> str:
    """The socket of unix:///PATH; of unix:///@NAME the abstract one. Raises ValueError with upstream's words."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(endpoint)
    if parts.scheme != "unix":
        raise ValueError(f'unsupported scheme "{parts.scheme}" for KMS provider, only unix is supported')
    path = unquote(parts.path)
    return "\0" + path[2:] if path.startswith("/@") else path


def _read(reader: Callable[[bytes], T], message: bytes) -> T:
    try:
        return reader(message)
    except BadEnvelope as error:
        raise PluginError(_INTERNAL, f"the answer cannot be read: {error}") from error

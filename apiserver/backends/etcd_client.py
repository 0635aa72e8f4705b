"""Calls to etcd over gRPC: which server, how long to try, and what a failure means in the seam's words.

A call is tried again, on the next server, as long as it is safe to: reads always, writes while they have surely not
been sent. Once no server has answered for `patience_s` a call fails after one try, so that whoever asks a dead store
is told at once. grpcio carries the bytes (decision 0005); it is imported by `start` and nowhere else.

Raises StoreUnavailable, FutureRevision, and CompactedAway, which knows no number: etcd's answer has none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiserver.backends.backend import FutureRevision, StoreUnavailable
from machinery.clock import Clock

RANGE = "/etcdserverpb.KV/Range"
TXN = "/etcdserverpb.KV/Txn"
COMPACT = "/etcdserverpb.KV/Compact"
WATCH = "/etcdserverpb.Watch/Watch"
STATUS = "/etcdserverpb.Maintenance/Status"

PATIENCE_S = 5.0
_RETRY_S = 0.05
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 10_000),  # etcd refuses more than one in five seconds
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class CompactedAway(Exception):
    """The asked revision is compacted."""


class EtcdAddressError(StoreUnavailable):
    """What was given as etcd's address, or to prove oneself there, cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class EtcdTls:
    """Files: the CA of etcd's certificate, and the certificate and key shown to it (both or neither)."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def read(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Raises EtcdAddressError."""
        if (self.cert is None) != (self.key is None):
            raise EtcdAddressError("a client certificate for etcd needs its key, and a key its certificate")
        try:
            ca, cert, key = (
                path.read_bytes() if path is not None else None for path in (self.ca, self.cert, self.key)
            )
        except OSError as error:
            raise EtcdAddressError(f"cannot read {error.filename}: {error.strerror}") from error
        return ca, key, cert


def parse_server(server: str) -> tuple[str, bool]:
    """`http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH` as (gRPC target, whether TLS). Raises EtcdAddressError."""
    scheme, _, rest = server.partition(":")
    rest = rest.rstrip("/")
    if scheme == "unix" and rest:
        return f"unix:{rest.removeprefix('//')}", False
    host, _, port = rest.removeprefix("//").rpartition(":")
    if scheme not in ("http", "https") or not rest.startswith("//") or not host or not port.isdigit():
        raise EtcdAddressError(
            f"{server!r} is no address of etcd: write http://HOST:PORT, https://HOST:PORT or unix:PATH"
        )
    return f"{host}:{port}", scheme == "https"


class EtcdClient:
    """`start` and `close` on the loop that calls."""

    def __init__(
        self, servers: Sequence[str], clock: Clock, tls: EtcdTls | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        if not servers:
            raise EtcdAddressError("no address of etcd is given")
        self._targets = [parse_server(server) for server in servers]
        self.name = ",".join(servers)
        self._clock = clock
        self._tls = tls or EtcdTls()
        self._patience_s = patience_s
        self._channels: list[Any] = []
        self._current = 0
        self._failing_since: float | None = None
        self._closed = True

    async def start(self) -> None:
        """Connects nothing yet. Raises EtcdAddressError."""
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        try:
            import grpc
        except ImportError as error:
            raise EtcdAddressError("to use etcd, install grpcio: pip install 'kctl[etcd]'") from error
        self._grpc = grpc
        files = self._tls.read()
        for target, secure in self._targets:
            if secure:
                credentials = grpc.ssl_channel_credentials(*files)
                channel = grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
            else:
                channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
            self._channels.append(channel)
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        channels, self._channels = self._channels, []
        for channel in channels:
            await channel.close()

    async def call(self, method: str, request: bytes, *, safe: bool = True) -> bytes:
        """`safe`: asking twice is as good as asking once."""
        began = self._clock.monotonic()
        dead = self._failing_since is not None and began - self._failing_since >= self._patience_s
        timeout_s = min(1.0, self._patience_s) if dead else self._patience_s
        while True:
            if self._closed:
                raise StoreUnavailable("the connection to etcd is closed")
            at = self._current
            try:
                answer: bytes = await self._channels[at].unary_unary(method)(request, timeout=timeout_s)
            except self._grpc.aio.AioRpcError as error:
                now = self._clock.monotonic()
                failure = self._failure(error, at, now, safe)
                if failure is None and (dead or now - began >= timeout_s):
                    failure = StoreUnavailable(f"etcd at {self.name} does not answer: {error.details()}")
                if failure is not None:
                    raise failure from error
                await self._clock.sleep(_RETRY_S)
            except self._grpc.aio.UsageError as error:
                raise StoreUnavailable("the connection to etcd is closed") from error
            else:
                self._failing_since = None
                return answer

    def watch(self, request: bytes) -> WatchCall:
        if self._closed:
            raise StoreUnavailable("the connection to etcd is closed")
        return WatchCall(self, self._current, request)

    def _turn_from(self, at: int, now: float) -> None:
        """The server numbered `at` does not answer: the next call asks another."""
        if self._failing_since is None:
            self._failing_since = now
        if self._current == at:
            self._current = (at + 1) % len(self._targets)

    def _failure(self, error: Any, at: int, now: float, safe: bool) -> Exception | None:
        """What to raise for a failed call to server `at`; None where it should be tried again."""
        code, details = error.code(), error.details() or ""
        codes = self._grpc.StatusCode
        if code == codes.OUT_OF_RANGE:
            return FutureRevision(details) if "future" in details else CompactedAway(details)
        if code in (codes.UNAVAILABLE, codes.DEADLINE_EXCEEDED):
            self._turn_from(at, now)
            late = code == codes.DEADLINE_EXCEEDED
            if not late and (safe or "connect" in details):
                return None
            if safe:
                return StoreUnavailable(f"etcd at {self.name} does not answer")
            return StoreUnavailable(
                f"etcd at {self.name} was lost while it wrote; whether the write was made is not known ({details})"
            )
        if code in (codes.UNAUTHENTICATED, codes.PERMISSION_DENIED):
            return StoreUnavailable(f"etcd at {self.name} refuses this client: {details}")
        return StoreUnavailable(f"etcd at {self.name}: {details}")


class WatchCall:
    """One stream of watch answers. A context manager: leaving it ends the stream."""

    def __init__(self, client: EtcdClient, at: int, request: bytes) -> None:
        self._client = client
        self._at = at
        self._request = request

    async def __aenter__(self) -> WatchCall:
        method = self._client._channels[self._at].stream_stream(WATCH)
        self._call = method(metadata=(("hasleader", "true"),))
        try:
            await self._call.write(self._request)
        except self._errors() as error:
            raise self._lost(error) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._call.cancel()

    async def read(self) -> bytes:
        """The next answer. Raises StoreUnavailable when the stream ends."""
        try:
            answer = await self._call.read()
        except self._errors() as error:
            raise self._lost(error) from error
        if not isinstance(answer, bytes):
            raise self._lost(None)
        return answer

    def _errors(self) -> tuple[type[BaseException], ...]:
        import asyncio

        aio = self._client._grpc.aio
        return (aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError)

    def _lost(self, error: BaseException | None) -> StoreUnavailable:
        client = self._client
        if client._closed:
            return StoreUnavailable("the connection to etcd is closed")
        client._turn_from(self._at, client._clock.monotonic())
        details = error.details() if isinstance(error, client._grpc.aio.AioRpcError) else error
        return StoreUnavailable(f"the watch of etcd at {client.name} ended: {details or 'no reason given'}")

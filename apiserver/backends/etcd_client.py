"""Calls to etcd: which server, how long to try, and what a failure means in the seam's words.

A call is tried again, on the next server, as long as it is safe to: reads always, writes while they have surely not
been sent. Once no server has answered for `patience_s` a call fails after one try, so that whoever asks a dead store
is told at once. All calls share one connection (`apiserver/rpc/`).

Raises StoreUnavailable (OutcomeUnknown for a write), FutureRevision, and CompactedAway, which knows no number: etcd's answer has none.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apiserver.backends.backend import FutureRevision, OutcomeUnknown, StoreUnavailable
from apiserver.rpc.hpack import call_headers
from apiserver.rpc.http2 import Connection, Lost, RpcError, connect
from machinery.clock import Clock

RANGE = "/etcdserverpb.KV/Range"
TXN = "/etcdserverpb.KV/Txn"
COMPACT = "/etcdserverpb.KV/Compact"
WATCH = "/etcdserverpb.Watch/Watch"
STATUS = "/etcdserverpb.Maintenance/Status"
DEFRAGMENT = "/etcdserverpb.Maintenance/Defragment"
ALARM = "/etcdserverpb.Maintenance/Alarm"

PATIENCE_S = 5.0
_RETRY_S = 0.05
# gRPC's status codes
_PERMISSION_DENIED, _RESOURCE_EXHAUSTED, _OUT_OF_RANGE, _UNAVAILABLE, _UNAUTHENTICATED = 7, 8, 11, 14, 16


class CompactedAway(Exception):
    """The asked revision is compacted."""


class EtcdFull(StoreUnavailable):
    """etcd's file has met its quota: it takes no writes until there is room and its alarm is lifted."""


class EtcdAddressError(StoreUnavailable):
    """What was given as etcd's address, or to prove oneself there, cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class EtcdTls:
    """Files: the CA of etcd's certificate, and the certificate and key shown to it (both or neither)."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises EtcdAddressError."""
        if (self.cert is None) != (self.key is None):
            raise EtcdAddressError("a client certificate for etcd needs its key, and a key its certificate")
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except OSError as error:
            files = ", ".join(str(path) for path in (self.ca, self.cert, self.key) if path)
            raise EtcdAddressError(f"cannot use {files}: {error.strerror or error}") from error
        context.set_alpn_protocols(["h2"])
        return context


def parse_server(server: str) -> tuple[str, bool]:
    """`http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH` as (`HOST:PORT` or `unix:PATH`, whether TLS). Raises EtcdAddressError."""
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
        self._context: ssl.SSLContext | None = None
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._current = 0
        self._failing_since: float | None = None
        self._closed = True
        self._headers: dict[str, bytes] = {}

    async def start(self) -> None:
        """Connects nothing yet. Raises EtcdAddressError."""
        if any(secure for _, secure in self._targets):
            self._context = self._tls.context()
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            await asyncio.sleep(0)  # the socket closes in the loop's next turn

    async def call(self, method: str, request: bytes, *, safe: bool = True) -> bytes:
        """`safe`: asking twice is as good as asking once."""
        began = self._clock.monotonic()
        dead = self._failing_since is not None and began - self._failing_since >= self._patience_s
        timeout_s = min(1.0, self._patience_s) if dead else self._patience_s
        while True:
            connection: Connection | None = None
            try:
                async with asyncio.timeout(timeout_s):
                    connection = await self.connection()
                    answer = await connection.call(self.headers(method), request)
            except RpcError as error:
                failure = self._refusal(error)
                if failure is not None:
                    raise failure from error
                why, sent = error.message, True
            except (Lost, OSError, TimeoutError) as error:
                why = str(error) or f"no answer in {timeout_s:g} s"
                sent = connection is not None and not (isinstance(error, Lost) and not error.sent)
            else:
                self._failing_since = None
                return answer
            self.turn_from(connection, why)
            if sent and not safe:
                raise OutcomeUnknown(
                    f"etcd at {self.name} was lost while it wrote; whether the write was made is not known ({why})"
                )
            if dead or self._clock.monotonic() - began >= timeout_s:
                raise StoreUnavailable(f"etcd at {self.name} does not answer: {why}")
            await self._clock.sleep(_RETRY_S)

    @property
    def members(self) -> int:
        """How many servers are named."""
        return len(self._targets)

    @property
    def current(self) -> int:
        """Which of them answers us."""
        return self._current

    def name_of(self, index: int) -> str:
        return self._targets[index][0]

    async def call_member(self, index: int, method: str, request: bytes, timeout_s: float) -> bytes:
        """One try, of one server, on a connection of its own. Raises StoreUnavailable, CompactedAway."""
        self._check_open()
        target, secure = self._targets[index]
        try:
            async with asyncio.timeout(timeout_s):
                connection = await connect(target, self._context if secure else None, "etcd")
                try:
                    return await connection.call(_headers(method, target, secure), request)
                finally:
                    connection.close()
        except RpcError as error:
            unavailable = StoreUnavailable(
                f"etcd at {target}: {error.message or f'gRPC status {error.code}'}"
            )
            raise self._refusal(error) or unavailable from error
        except (Lost, OSError, TimeoutError) as error:
            why = str(error) or f"no answer in {timeout_s:g} s"
            raise StoreUnavailable(f"etcd at {target} does not answer: {why}") from error

    def leave_member(self, index: int) -> None:
        """Calls from now on go to another server, where there is one; those under way end where they began, watches at once."""
        if index == self._current and len(self._targets) > 1:
            self._current = (index + 1) % len(self._targets)
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.retire("we ask another member from now on", watches=True)

    def watch(self, request: bytes) -> WatchCall:
        return WatchCall(self, request)

    async def connection(self) -> Connection:
        """The one in use, or a new one. Raises StoreUnavailable when closed, OSError, Lost."""
        async with self._connecting:
            self._check_open()
            if self._connection is None or not self._connection.usable:
                target, secure = self._targets[self._current]
                self._headers.clear()
                connection = await connect(target, self._context if secure else None, "etcd")
                self._connection = connection
                if self._closed:
                    connection.close()
                self._check_open()
            return self._connection

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the connection to etcd is closed")

    def headers(self, method: str) -> bytes:
        block = self._headers.get(method)
        if block is None:
            target, secure = self._targets[self._current]
            block = self._headers[method] = _headers(method, target, secure)
        return block

    def turn_from(self, connection: Connection | None, why: str) -> None:
        """A server does not answer, or cannot be reached: the next call asks another."""
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
        if connection is not self._connection and connection is not None:
            return  # somebody turned already
        if len(self._targets) > 1:
            self._current = (self._current + 1) % len(self._targets)
            if self._connection is not None:
                self._connection.retire(why)

    def _refusal(self, error: RpcError) -> Exception | None:
        """What to raise for a call that etcd refused; None where it may be tried again."""
        if error.code == _OUT_OF_RANGE:
            if "future" in error.message:
                return FutureRevision(error.message)
            return CompactedAway(error.message)
        if error.code == _UNAVAILABLE:
            return None
        if error.code == _RESOURCE_EXHAUSTED and "space exceeded" in error.message:
            return EtcdFull(
                f"etcd at {self.name} is full: its file has met its quota (quota-backend-bytes), and it takes no writes "
                "until there is room and its alarm is lifted"
            )
        if error.code in (_UNAUTHENTICATED, _PERMISSION_DENIED):
            return StoreUnavailable(f"etcd at {self.name} refuses this client: {error.message}")
        return StoreUnavailable(f"etcd at {self.name}: {error.message or f'gRPC status {error.code}'}")


def _headers(method: str, target: str, secure: bool) -> bytes:
    authority = "localhost" if target.startswith("unix:") else target
    more = (("hasleader", "true"),) if method == WATCH else ()
    return call_headers(method, authority, tls=secure, more=more)


class WatchCall:
    """One stream of watch answers. A context manager: leaving it ends the stream."""

    def __init__(self, client: EtcdClient, request: bytes) -> None:
        self._client = client
        self._request = request
        self._connection: Connection | None = None

    async def __aenter__(self) -> WatchCall:
        try:
            self._connection = await self._client.connection()
            self._stream = self._connection.open(self._client.headers(WATCH), self._request)
        except (Lost, OSError) as error:
            raise self._lost(str(error)) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._connection is not None
        self._connection.cancel(self._stream)

    async def read(self) -> bytes:
        """The next answer. Raises StoreUnavailable when the stream ends."""
        try:
            return await self._stream.read()
        except (RpcError, Lost) as error:
            raise self._lost(str(error) or "no reason given") from error

    def _lost(self, why: str) -> StoreUnavailable:
        self._client.turn_from(self._connection, why)
        return StoreUnavailable(f"the watch of etcd at {self._client.name} ended: {why}")

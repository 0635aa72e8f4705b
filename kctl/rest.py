"""The command line's own HTTP client: one connection, blocking, quick to load.

A command that lives for 50 ms needs no event loop and no pool. Answers of any status arrive here; refusals
leave as `machinery.errors.ApiError`, and a server that does not answer as `Unreachable`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from client.kubeconfig import ClientConfig
from kctl.answers import Strange, decode
from kctl.http1 import Answer, Connection, Disconnected
from machinery.errors import ApiError, from_status

Obj = dict[str, Any]
Query = Sequence[tuple[str, str]]
JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_UNQUOTED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/=")


class Unreachable(Exception):
    """No answer; str() says from where and why."""


class Rest:
    """`on_warning` gets the text of each Warning header; `timeout_s` None waits for ever."""

    def __init__(
        self,
        config: ClientConfig,
        on_warning: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.config = config
        self._address = split_server(config.server)
        self._on_warning = on_warning
        self._timeout_s = timeout_s
        self._connection: Connection | None = None
        self._headers = identity_headers(config)

    def get(self, path: str, query: Query = (), accept: str = JSON) -> Obj:
        return self.request("GET", path, query, accept=accept)

    def request(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Obj | list[Any] | None = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Obj:
        """The decoded answer. Raises ApiError, Unreachable."""
        data = None if body is None else json.dumps(body).encode()
        text = self.raw(method, path, query, data, content_type=content_type, accept=accept)
        try:
            return decode(text)
        except Strange as error:
            raise Unreachable(self._strange(str(error))) from error

    def raw(
        self,
        method: str,
        path: str,
        query: Query = (),
        data: bytes | None = None,
        *,
        content_type: str = JSON,
        accept: str = "*/*",
    ) -> bytes:
        """The answer's bytes, whatever they are."""
        with self._exchange(method, path, query, data, content_type, accept) as answer, self._reading(answer):
            return self._checked(answer).read()

    def lines(self, path: str, query: Query = (), accept: str = JSON) -> Iterator[bytes]:
        """A streamed answer, line by line, as it comes: watches."""
        with self._exchange("GET", path, query, None, JSON, accept) as answer, self._reading(answer):
            yield from self._checked(answer)

    def chunks(self, path: str, query: Query = ()) -> Iterator[bytes]:
        """A streamed answer in the pieces in which it comes: logs."""
        with self._exchange("GET", path, query, None, JSON, "*/*") as answer, self._reading(answer):
            yield from self._checked(answer).chunks()

    @contextmanager
    def _reading(self, answer: Answer) -> Iterator[None]:
        try:
            yield
            if answer.connection is not self._connection:  # another one took its place meanwhile
                answer.connection.close()
        except BrokenPipeError:
            raise  # our own output's
        except OSError as error:
            self.close()
            raise Unreachable(self._explain(error)) from error

    def _exchange(
        self, method: str, path: str, query: Query, data: bytes | None, content_type: str, accept: str
    ) -> Answer:
        target = self._address.base + path + (f"?{encode_query(query)}" if query else "")
        headers = [*self._headers, ("Accept", accept)]
        if data is not None:
            headers.append(("Content-Type", content_type))
        for retry in (True, False):
            # One whose answer is still being read (a watch) stays its reader's, who closes it.
            kept = self._connection is not None and self._connection.free
            try:
                if self._connection is None or not kept:
                    self._connection = self._connect()
                return self._connection.request(method, target, headers, data)
            except OSError as error:
                self.close()
                if kept and retry and isinstance(error, Disconnected):
                    continue  # the server closed an idle connection
                raise Unreachable(self._explain(error)) from error
        raise AssertionError("unreachable")

    def _connect(self) -> Connection:
        address = self._address
        return Connection(
            address.host,
            address.port,
            self.config.ssl_context(),
            server_name=self.config.tls_server_name,
            timeout_s=self._timeout_s,
        )

    def _checked(self, answer: Answer) -> Answer:
        for name, value in answer.headers:
            if name == "warning" and self._on_warning:
                self._on_warning(_warning_text(value))
        if answer.status < 300:
            return answer
        if answer.status < 400:
            place = answer.header("location")[:200]
            raise Unreachable(self._strange(f"a redirection to {place!r}" if place else f"{answer.status}"))
        raise to_error(answer.status, answer.read())

    def _strange(self, what: str) -> str:
        return (
            f"the server at {self.config.server} does not answer as a Kubernetes API server does: it sent {what}. "
            "Is it the right address?"
        )

    def _explain(self, error: Exception) -> str:
        server = self.config.server
        if isinstance(error, ConnectionRefusedError):
            return (
                f"the server at {server} refused the connection: nothing listens there. "
                "Is the cluster up (`kctl status`), and is this the right kubeconfig?"
            )
        if isinstance(error, TimeoutError):
            return f"the server at {server} did not answer in time"
        return f"cannot talk to the server at {server}: {error}"

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Address(NamedTuple):
    """What a server's URL says. `base` is its path, without a slash at the end."""

    scheme: str
    host: str
    port: int
    base: str


def split_server(url: str) -> Address:
    """Raises Unreachable for what is no URL of a server."""
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    place = place.rpartition("@")[2]
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    if scheme not in ("http", "https") or not separator or not host or (port and not port.isdigit()):
        raise Unreachable(f"{url!r} is not a server's address, such as https://127.0.0.1:6443")
    number = int(port) if port else (443 if scheme == "https" else 80)
    return Address(scheme, host, number, (slash + path).rstrip("/"))


def encode_query(query: Query) -> str:
    return "&".join(f"{_quote(name)}={_quote(value)}" for name, value in query)


def _quote(text: str) -> str:
    if _UNQUOTED.issuperset(text):
        return text
    return "".join(
        chr(byte) if byte < 128 and chr(byte) in _UNQUOTED else f"%{byte:02X}" for byte in text.encode()
    )


def identity_headers(config: ClientConfig) -> list[tuple[str, str]]:
    headers = [("User-Agent", "kctl")]
    token = config.token_source()
    if token is not None:
        headers.append(("Authorization", f"Bearer {token()}"))
    if config.impersonate:
        headers.append(("Impersonate-User", config.impersonate))
    return headers + [("Impersonate-Group", group) for group in config.impersonate_groups]


def to_error(status: int, body: bytes) -> ApiError:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        decoded = None
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return from_status(decoded, status)
    return from_status({"message": body.decode(errors="replace").strip()[:2000]}, status)


def _warning_text(header: str) -> str:
    """`299 - "text"` → text."""
    parts = header.split('"')
    return '"'.join(parts[1:-1]).replace('\\"', '"') if len(parts) >= 3 else header

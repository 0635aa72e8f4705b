"""The command line's own HTTP client: one connection, blocking, standard library only.

A command that lives for 50 ms needs no event loop and no pool. Answers of any status arrive here; refusals
leave as `machinery.errors.ApiError`, and a server that does not answer as `Unreachable`.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from client.kubeconfig import ClientConfig
from machinery.errors import ApiError, from_status

Obj = dict[str, Any]
Query = Sequence[tuple[str, str]]
JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Unreachable(Exception):
    """No answer; str() says from where and why."""


class Rest:
    """`on_warning` gets the text of each Warning header; `timeout_s` None waits for ever."""

    def __init__(self, config: ClientConfig, on_warning: Any = None, timeout_s: float | None = None) -> None:
        self.config = config
        self._url = urlsplit(config.server)
        self._on_warning = on_warning
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._headers = _identity_headers(config)

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
        return json.loads(text) if text else {}

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
        with self._exchange(method, path, query, data, content_type, accept) as response:
            return self._checked(response).read()

    def lines(self, path: str, query: Query = (), accept: str = JSON) -> Iterator[bytes]:
        """A streamed answer, line by line, as it comes: watches."""
        with self._exchange("GET", path, query, None, JSON, accept) as response:
            yield from self._checked(response)

    def chunks(self, path: str, query: Query = ()) -> Iterator[bytes]:
        """A streamed answer in the pieces in which it comes: logs."""
        with self._exchange("GET", path, query, None, JSON, "*/*") as response:
            checked = self._checked(response)
            while data := checked.read1(65536):
                yield data

    def _exchange(
        self, method: str, path: str, query: Query, data: bytes | None, content_type: str, accept: str
    ) -> http.client.HTTPResponse:
        target = (self._url.path.rstrip("/") + path) + (f"?{urlencode(query)}" if query else "")
        headers = {**self._headers, "Accept": accept}
        if data is not None:
            headers["Content-Type"] = content_type
        for retry in (True, False):
            kept = self._connection is not None
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.request(method, target, data, headers)
                return self._connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if kept and retry and isinstance(error, (http.client.RemoteDisconnected, ConnectionError)):
                    continue  # the server closed an idle connection
                raise Unreachable(self._explain(error)) from error
        raise AssertionError("unreachable")

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        context = self.config.ssl_context()
        if context is None:
            return http.client.HTTPConnection(host, port or 80, timeout=self._timeout_s)
        if self.config.tls_server_name:
            return _NamedHTTPSConnection(
                host, port or 443, context=context, timeout=self._timeout_s, name=self.config.tls_server_name
            )
        return http.client.HTTPSConnection(host, port or 443, context=context, timeout=self._timeout_s)

    def _checked(self, response: http.client.HTTPResponse) -> http.client.HTTPResponse:
        for warning in response.headers.get_all("Warning") or ():
            if self._on_warning:
                self._on_warning(_warning_text(warning))
        if response.status < 400:
            return response
        raise _to_error(response.status, response.read())

    def _explain(self, error: Exception) -> str:
        server = self.config.server
        if isinstance(error, ConnectionRefusedError):
            return (
                f"the server at {server} refused the connection: nothing listens there. "
                "Is the cluster up (`kctl status`), and is this the right kubeconfig?"
            )
        if isinstance(error, TimeoutError | socket.timeout):
            return f"the server at {server} did not answer in time"
        return f"cannot talk to the server at {server}: {error}"

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _NamedHTTPSConnection(http.client.HTTPSConnection):
    """Checks the server's certificate against another name than the one connected to."""

    def __init__(self, host: str, port: int, *, context: Any, timeout: float | None, name: str) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._tls, self._name = context, name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def _identity_headers(config: ClientConfig) -> Mapping[str, str]:
    headers = {"User-Agent": "kctl"}
    token = config.token_source()
    if token is not None:
        headers["Authorization"] = f"Bearer {token()}"
    if config.impersonate:
        headers["Impersonate-User"] = config.impersonate
    if config.impersonate_groups:
        headers["Impersonate-Group"] = ",".join(config.impersonate_groups)
    return headers


def _to_error(status: int, body: bytes) -> ApiError:
    try:
        decoded = json.loads(body)
    except ValueError:
        decoded = None
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return from_status(decoded, status)
    return from_status({"message": body.decode(errors="replace").strip()[:2000]}, status)


def _warning_text(header: str) -> str:
    """`299 - "text"` → text."""
    parts = header.split('"')
    return '"'.join(parts[1:-1]).replace('\\"', '"') if len(parts) >= 3 else header

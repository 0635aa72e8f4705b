"""HTTP for registries: one request per connection, blocking, on worker threads.

http.client from the standard library, because a download's bytes go socket → hash → file on one thread and
nothing else is needed: what this adds is redirects (the Authorization header never leaves the origin it was
meant for, and https never falls back to http), proxies from the environment, CA files per host, and a way
to cut a connection from another thread. Failures of the line are `LineError`, which callers retry.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from runtime.images.failures import Stopped
from runtime.images.workers import Stop

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 8
_USER_AGENT = "kctl/0.1 (images)"


class LineError(Exception):
    """The other side could not be reached, or the line broke. Worth another try."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    timeout_s: float = 30.0
    ca_files: Mapping[str, str] = field(default_factory=dict)  # host[:port] → PEM file


class Response:
    """Status, headers (lower-case names) and the body as a stream. Valid inside its context."""

    def __init__(self, raw: http.client.HTTPResponse, url: str) -> None:
        self._raw = raw
        self.url = url
        self.status = raw.status
        self.headers = {key.lower(): value for key, value in raw.getheaders()}
        self.challenges = raw.headers.get_all("WWW-Authenticate") or []

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end. Raises LineError where it ends early."""
        try:
            chunk = self._raw.read(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LineError(f"the connection broke while reading {self.url}: {_words(error)}") from error
        if not chunk and self._raw.length:
            raise LineError(f"{self.url} ended {self._raw.length} bytes early")
        return chunk

    def read_all(self, limit: int) -> bytes:
        """The body, cut at `limit` + 1 bytes."""
        parts: list[bytes] = []
        left = limit + 1
        while left > 0 and (chunk := self.read(min(left, 1 << 16))):
            parts.append(chunk)
            left -= len(chunk)
        return b"".join(parts)


class Http:
    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._contexts: dict[str, ssl.SSLContext] = {}

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        stop: Stop,
        body: bytes | None = None,
    ) -> Iterator[Response]:
        """Follows redirects. Raises LineError, or Stopped when `stop` was set."""
        sent = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **headers}
        for _ in range(_MAX_REDIRECTS + 1):
            with self._once(method, url, sent, stop, body) as response:
                target = response.headers.get("location", "")
                if response.status not in _REDIRECTS or not target:
                    yield response
                    return
                sent = _headers_after_redirect(sent, url, urljoin(url, target))
                url = urljoin(url, target)
        raise LineError(f"{url}: more than {_MAX_REDIRECTS} redirects")

    @contextlib.contextmanager
    def _once(
        self, method: str, url: str, headers: Mapping[str, str], stop: Stop, body: bytes | None
    ) -> Iterator[Response]:
        if stop.is_set():
            raise Stopped
        parts = urlsplit(url)
        connection, target, extra = self._connection(parts)

        def cut() -> None:
            sock = connection.sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

        unregister = stop.register(cut)
        try:
            try:
                connection.request(method, target, body=body, headers={**headers, **extra})
                raw = connection.getresponse()
            except (OSError, http.client.HTTPException, ValueError) as error:
                if stop.is_set():
                    raise Stopped from error
                raise LineError(f"{parts.scheme}://{parts.netloc}: {_words(error)}") from error
            try:
                yield Response(raw, url)
            except LineError:
                if stop.is_set():
                    raise Stopped from None
                raise
            finally:
                raw.close()
        finally:
            unregister()
            connection.close()

    def _connection(self, parts: SplitResult) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """A connection to the host or its proxy, the request target, headers for the proxy."""
        host = parts.hostname or ""
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        timeout = self._options.timeout_s
        proxy = _proxy_for(parts)
        if parts.scheme == "https":
            context = self._context(parts.netloc)
            if proxy is None:
                return (
                    http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context),
                    target,
                    {},
                )
            via = http.client.HTTPSConnection(
                proxy.hostname or "", proxy.port, timeout=timeout, context=context
            )
            via.set_tunnel(host, parts.port or 443, _proxy_headers(proxy))
            return via, target, {}
        if parts.scheme != "http":
            raise LineError(f"{parts.scheme!r} is not a scheme for registries")
        if proxy is None:
            return http.client.HTTPConnection(host, parts.port, timeout=timeout), target, {}
        plain = http.client.HTTPConnection(proxy.hostname or "", proxy.port, timeout=timeout)
        return plain, f"http://{parts.netloc}{target}", _proxy_headers(proxy)

    def _context(self, netloc: str) -> ssl.SSLContext:
        ca_file = self._options.ca_files.get(netloc, "")
        if ca_file not in self._contexts:
            try:
                self._contexts[ca_file] = ssl.create_default_context(cafile=ca_file or None)
            except OSError as error:
                raise LineError(f"the CA file {ca_file} for {netloc} cannot be used: {error}") from error
        return self._contexts[ca_file]


def origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _headers_after_redirect(headers: Mapping[str, str], before: str, after: str) -> dict[str, str]:
    if origin(before)[0] == "https" and origin(after)[0] != "https":
        raise LineError(f"{before} redirects from https to {after}: refused")
    if origin(before) == origin(after):
        return dict(headers)
    return {key: value for key, value in headers.items() if key.lower() != "authorization"}


def _proxy_for(parts: SplitResult) -> SplitResult | None:
    url = urllib.request.getproxies_environment().get(parts.scheme)
    if not url or urllib.request.proxy_bypass(parts.netloc):
        return None
    return urlsplit(url if "://" in url else f"http://{url}")


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved ({error.strerror})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__

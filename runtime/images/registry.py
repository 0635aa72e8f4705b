"""One registry address: documents and blobs by the Docker Registry HTTP API v2 (OCI distribution spec).

In go a repository and a tag or digest; out come bytes, or a blob lands in the content store. Answers
challenges (challenge.py), takes up broken downloads with Range, and tries again what may pass: a broken
line, 429 with its Retry-After, 5xx. What stays is `Refused` or `LineError`, which pull.py turns into words.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlsplit

from machinery.clock import Clock
from runtime.cri import Auth, ImageFailure
from runtime.images.challenge import (
    Challenge,
    Credentials,
    basic_header,
    parse_challenges,
    parse_token,
    pick_challenge,
    token_url,
)
from runtime.images.content import ContentStore
from runtime.images.failures import Stopped
from runtime.images.manifest import Descriptor
from runtime.images.transfer import Http, LineError, Response
from runtime.images.workers import Stop, Workers

T = TypeVar("T")

_TRIES = 5
_FIRST_DELAY_S = 0.5
_MAX_DELAY_S = 30.0
_ERROR_BODY_BYTES = 64 << 10
_BASIC_LIFE_S = 300.0
_PIECE_BYTES = 1 << 17  # a read waits until it is full: what a crash loses of a slow download


class Refused(Exception):
    """The registry answered, and the answer is no."""

    def __init__(self, status: int, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def may_pass(self) -> bool:
        return self.status == 429 or self.status >= 500


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to ask: `base_url` has a scheme and no /v2. `auth` is sent nowhere else."""

    base_url: str
    auth: Auth = field(default_factory=Auth)
    tries: int = _TRIES

    @property
    def is_plain(self) -> bool:
        return urlsplit(self.base_url).scheme == "http"


@dataclass(frozen=True, slots=True)
class Document:
    data: bytes
    media_type: str
    digest: str  # what the registry says it is, "" where it does not


class Registry:
    def __init__(
        self,
        endpoint: Endpoint,
        http: Http,
        credentials: Credentials,
        workers: Workers,
        clock: Clock,
        stop: Stop,
    ) -> None:
        self.endpoint = endpoint
        self._http = http
        self._credentials = credentials
        self._workers = workers
        self._clock = clock
        self._stop = stop

    async def document(self, repository: str, target: str, accept: str, limit_bytes: int) -> Document:
        """A manifest or index by tag or digest."""
        path = f"/v2/{repository}/manifests/{quote(target, safe=':')}"

        def fetch() -> Document:
            with self._open(repository, path, {"Accept": accept}) as response:
                data = response.read_all(limit_bytes)
                if len(data) > limit_bytes:
                    raise Refused(200, f"the manifest of {target} is larger than {limit_bytes} bytes")
                headers = response.headers
                return Document(
                    data, headers.get("content-type", ""), headers.get("docker-content-digest", "")
                )

        return await self._retried(fetch)

    async def blob(self, repository: str, blob: Descriptor, content: ContentStore) -> None:
        """Leaves the blob in the content store, verified."""
        await self._retried(lambda: self._fetch_blob(repository, blob, content))

    def _fetch_blob(self, repository: str, blob: Descriptor, content: ContentStore) -> None:
        with content.ingest(blob.digest, blob.size_bytes) as ingest:
            if ingest is None:
                return
            resumed = ingest.offset > 0
            if not ingest.complete or not resumed:
                headers = {"Range": f"bytes={ingest.offset}-"} if resumed else {}
                with self._open(repository, f"/v2/{repository}/blobs/{blob.digest}", headers) as response:
                    if resumed and not _continues_at(response, ingest.offset):
                        ingest.restart()
                        resumed = False
                        if response.status != 200:
                            raise LineError(f"{self.endpoint.base_url} cannot continue a download")
                    while chunk := response.read(_PIECE_BYTES):
                        if self._stop.is_set():
                            raise Stopped
                        ingest.write(chunk)
            if not ingest.complete:
                raise LineError(f"blob {blob.digest} ended after {ingest.offset} of {blob.size_bytes} bytes")
            try:
                ingest.commit()
            except ImageFailure as error:
                if not resumed:
                    raise
                ingest.restart()  # what was left of an earlier try may have been damaged
                raise LineError(str(error)) from error

    @contextlib.contextmanager
    def _open(self, repository: str, path: str, headers: dict[str, str]) -> Iterator[Response]:
        """A successful response (200, 206, 416). Raises Refused, LineError, Stopped."""
        for is_last in (False, True):
            authorization = self._authorization(repository)
            sent = {**headers, **({"Authorization": authorization} if authorization else {})}
            with self._http.request("GET", self.endpoint.base_url + path, sent, self._stop) as response:
                if response.status in (200, 206, 416):
                    yield response
                    return
                if response.status != 401 or is_last:
                    raise _refusal(response, bool(authorization))
                challenge = pick_challenge(parse_challenges(response.challenges))
                if challenge is None:
                    raise _refusal(response, bool(authorization))
            self._credentials.forget(self.endpoint.base_url, repository, self.endpoint.auth)
            self._log_in(challenge, repository)

    def _authorization(self, repository: str) -> str:
        auth = self.endpoint.auth
        if auth.token:
            return f"Bearer {auth.token}"
        return self._credentials.find(self.endpoint.base_url, repository, auth, self._clock.monotonic())

    def _log_in(self, challenge: Challenge, repository: str) -> None:
        auth = self.endpoint.auth
        now = self._clock.monotonic()
        if challenge.scheme == "basic":
            if not auth.username:
                raise Refused(401, "authentication required: the registry asks for a user name and password")
            self._credentials.remember(
                self.endpoint.base_url, repository, auth, basic_header(auth), _BASIC_LIFE_S, now
            )
            return
        url = token_url(challenge, repository, is_registry_plain=self.endpoint.is_plain)
        headers = {"Authorization": basic_header(auth)} if auth.username else {}
        with self._http.request("GET", url, headers, self._stop) as response:
            if response.status != 200:
                raise _refusal(response, bool(auth.username))
            token, life_s = parse_token(response.read_all(1 << 20))
        self._credentials.remember(self.endpoint.base_url, repository, auth, f"Bearer {token}", life_s, now)

    async def _retried(self, work: Callable[[], T]) -> T:
        attempt = 0
        while True:
            try:
                return await self._workers.run("line", work, self._stop)
            except (LineError, Refused) as error:
                delay_s = plan_retry(attempt, error, self.endpoint.tries)
                if delay_s is None:
                    raise
            await self._clock.sleep(delay_s)
            attempt += 1


def plan_retry(attempt: int, error: LineError | Refused, tries: int) -> float | None:
    """How long to wait before trying again, None for giving up. `attempt` counts from 0."""
    if attempt + 1 >= tries:
        return None
    if isinstance(error, Refused) and not error.may_pass:
        return None
    if isinstance(error.__cause__, ConnectionRefusedError | socket.gaierror):
        return None  # nobody is there: whoever asked for the pull backs off and tells why meanwhile
    asked_s = error.retry_after_s if isinstance(error, Refused) else 0.0
    if asked_s > _MAX_DELAY_S:
        return None
    return max(asked_s, min(_FIRST_DELAY_S * 2.0**attempt, _MAX_DELAY_S))


def _continues_at(response: Response, offset: int) -> bool:
    return response.status == 206 and response.headers.get("content-range", "").startswith(f"bytes {offset}-")


def _refusal(response: Response, was_authorized: bool) -> Refused:
    said = _errors_in(response)
    if response.status == 401:
        why = "the login was not accepted" if was_authorized else "authentication required"
        return Refused(401, f"pull access denied, {why}{said}")
    if response.status == 403:
        return Refused(403, f"pull access denied{said}")
    if response.status == 404:
        return Refused(404, f"not found{said}")
    retry_after = response.headers.get("retry-after", "")
    words = "too many requests" if response.status == 429 else f"the registry answered {response.status}"
    return Refused(response.status, words + said, float(retry_after) if retry_after.isdigit() else 0.0)


def _errors_in(response: Response) -> str:
    """`: manifest unknown`, from the API's error body."""
    try:
        errors = json.loads(response.read_all(_ERROR_BODY_BYTES))["errors"]
        words = [str(error.get("message") or error.get("code")) for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError, LineError):
        return ""
    text = ": " + "; ".join(words)[:500]
    return "".join(c if c.isprintable() else " " for c in text) if words else ""

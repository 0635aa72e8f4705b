"""The audit log: one JSON line per request that changed something, was refused, or read a secret.

Lines are audit.k8s.io/v1 Events at level Metadata, stage ResponseComplete. They are gathered and written in batches
by a task of the server, and on its stop; nothing is logged of the bodies.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

import orjson

from apiserver.auth.user import User
from apiserver.http.request_info import RequestInfo
from client.logs import get_logger
from machinery.clock import Clock, rfc3339_micro

log = get_logger("audit")

_FLUSH_EVERY_S = 0.2
_KEPT_LINES = 10_000
_READS = frozenset({"get", "list", "watch"})
_SENSITIVE = frozenset({"secrets", "tokenreviews"})


class Audit(Protocol):
    def record(
        self,
        request_id: str,
        info: RequestInfo,
        uri: str,
        user: User,
        peer: str,
        agent: str,
        code: int,
        started_s: float,
        ended_s: float,
    ) -> None: ...


def is_worth(info: RequestInfo, code: int) -> bool:
    """The policy. Heartbeats of leases would drown everything else."""
    if code in (401, 403):
        return True
    if not info.is_resource:
        return False
    if info.verb in _READS:
        return info.resource in _SENSITIVE
    return info.resource not in ("leases", "events")


class NoAudit:
    def record(self, *_: Any) -> None:
        return


class FileAudit:
    """Appends to `path`; rotated to `path.1` when it passes `limit_bytes`."""

    def __init__(self, path: Path, clock: Clock, limit_bytes: int = 100 * 1024 * 1024) -> None:
        self._path = path
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._lines: list[bytes] = []
        self._failing = False

    def record(
        self,
        request_id: str,
        info: RequestInfo,
        uri: str,
        user: User,
        peer: str,
        agent: str,
        code: int,
        started_s: float,
        ended_s: float,
    ) -> None:
        if not is_worth(info, code):
            return
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": request_id,
            "stage": "ResponseComplete",
            "requestURI": uri,
            "verb": info.verb,
            "user": {"username": user.name, "groups": list(user.groups)},
            "sourceIPs": [peer],
            "userAgent": agent,
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": rfc3339_micro(started_s),
            "stageTimestamp": rfc3339_micro(ended_s),
        }
        if info.is_resource:
            ref = {
                "resource": info.resource,
                "namespace": info.namespace,
                "name": info.name,
                "apiGroup": info.group,
                "apiVersion": info.version,
                "subresource": info.subresource,
            }
            event["objectRef"] = {key: value for key, value in ref.items() if value}
        self._lines.append(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Writes what has gathered. Where that cannot be written it is kept for the next time, up to a bound."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            with self._path.open("ab") as file:
                file.write(b"".join(lines))
                size = file.tell()
            if size > self._limit_bytes:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
        except OSError as error:
            if not self._failing:
                log.error("the audit log cannot be written", path=str(self._path), error=str(error))
            self._failing = True
            self._lines = [*lines, *self._lines][-_KEPT_LINES:]
        else:
            self._failing = False

    async def run(self) -> None:
        """Writes what has gathered, until cancelled; then once more."""
        try:
            while True:
                await self._clock.sleep(_FLUSH_EVERY_S)
                self.flush()
        except asyncio.CancelledError:
            self.flush()
            raise

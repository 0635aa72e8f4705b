"""Where audit events go: a file with rotation, and a webhook in batches. Neither ever holds up a request.

Events are gathered as JSON and handed on by a task of the server, and on its stop. What cannot be written or sent is kept
for the next time up to a bound, and then dropped and counted: the server goes on.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from apiserver.posting import PostFailed, post
from client.logs import get_logger
from client.transport import Transport
from machinery.clock import Clock

log = get_logger("audit")

_FLUSH_EVERY_S = 0.2
_KEPT_LINES = 10_000
_MIB = 1024 * 1024
_DAY_S = 24 * 3600
_TIMEOUT_S = 30.0
_FAREWELL_S = 3.0


class Sink(Protocol):
    def add(self, event: bytes) -> None:
        """One event as JSON, without a newline. Never waits."""
        ...

    async def run(self) -> None:
        """Hands on what gathers, until cancelled; then once more."""
        ...


class LogFile:
    """One line for each event. Past `max_bytes` the file gets its time into its name and a new one is begun; of those,
    `backups` are kept, and none older than `max_age_days` (0: all). A path of "-" is standard output."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        max_bytes: int = 100 * _MIB,
        backups: int = 0,
        max_age_days: int = 0,
    ) -> None:
        self._path = path
        self._clock = clock
        self._max_bytes = max_bytes
        self._backups = backups
        self._max_age_s = max_age_days * _DAY_S
        self._lines: list[bytes] = []
        self._failing = False

    def add(self, event: bytes) -> None:
        self._lines.append(event)

    def flush(self) -> None:
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        data = b"\n".join(lines) + b"\n"
        try:
            self._write(data)
        except OSError as error:
            if not self._failing:
                log.error("the audit log cannot be written", path=str(self._path), error=str(error))
            self._failing = True
            self._lines = [*lines, *self._lines][-_KEPT_LINES:]
        else:
            self._failing = False

    def _write(self, data: bytes) -> None:
        if str(self._path) == "-":
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        with self._path.open("ab") as file:
            file.write(data)
            size = file.tell()
        if self._max_bytes and size > self._max_bytes:
            self._rotate()

    def _rotate(self) -> None:
        now = self._clock.now()
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
        self._path.replace(self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}"))
        old = sorted(self._path.parent.glob(f"{self._path.stem}-[0-9]*{self._path.suffix}"))
        gone = old[: -self._backups] if self._backups else []
        if self._max_age_s:
            gone += [
                each
                for each in old
                if each not in gone and now - _stamped_s(each, self._path) > self._max_age_s
            ]
        for each in gone:
            each.unlink(missing_ok=True)

    async def run(self) -> None:
        try:
            while True:
                await self._clock.sleep(_FLUSH_EVERY_S)
                self.flush()
        except asyncio.CancelledError:
            self.flush()
            raise


def _stamped_s(backup: Path, path: Path) -> float:
    """When it was begun to be kept, by its name; a foreign name is of today."""
    text = backup.name[len(path.stem) + 1 : len(backup.name) - len(path.suffix)]
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H-%M-%S.%f").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("inf")


class Webhook:
    """Sends EventLists: as soon as `batch` events are there, or the oldest has waited `max_wait_s`. At most `buffer`
    wait; what comes on top is dropped and counted."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        rng: random.Random,
        *,
        buffer: int = 10_000,
        batch: int = 400,
        max_wait_s: float = 30.0,
        backoff_s: float = 10.0,
        tries: int = 5,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._buffer = buffer
        self._batch = batch
        self._max_wait_s = max_wait_s
        self._backoff_s = backoff_s
        self._tries = tries
        self._events: list[bytes] = []  # those under way among them
        self._first = asyncio.Event()
        self._full = asyncio.Event()
        self.dropped = 0

    def add(self, event: bytes) -> None:
        if len(self._events) >= self._buffer:
            if not self.dropped:
                log.error("the audit webhook is too slow: events are dropped", waiting=len(self._events))
            self.dropped += 1
            return
        self._events.append(event)
        self._first.set()
        if len(self._events) >= self._batch:
            self._full.set()

    async def run(self) -> None:
        try:
            while True:
                await self._first.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._max_wait_s):
                        await self._full.wait()
                await self._send(self._tries)
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    while self._events:
                        await self._send(1)
            self.dropped += len(self._events)
            await self._transport.close()
            raise

    async def _send(self, tries: int) -> None:
        """A batch of the oldest. Where this is cancelled, they are still there."""
        events = self._events[: self._batch]
        body = (
            b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
            + b",".join(events)
            + b"]}"
        )
        try:
            await post(
                self._transport,
                body,
                self._clock,
                self._rng,
                tries=tries,
                pause_s=self._backoff_s,
                timeout_s=_TIMEOUT_S,
            )
        except PostFailed as error:
            self.dropped += len(events)
            log.error("audit events could not be sent", events=len(events), error=str(error))
        del self._events[: len(events)]
        if not self._events:
            self._first.clear()
        if len(self._events) < self._batch:
            self._full.clear()

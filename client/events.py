"""Events about objects: recorded at once, written in the background, never in the way.

`recorder.event(obj, "Normal", "Created", "Created container web")` only queues. `run()` writes:
equal events become one with a count, many similar ones (equal but for the message) become one
combined event, and an object that floods is cut off by a token bucket per source and object.

Lost on purpose: events beyond the queue, and events whose namespace is going away.

Source: client-go's event correlator (10 similar in 10 minutes, burst 25, one per 5 minutes).
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from client.client import Client, Obj
from client.logs import get_logger
from client.transport import TransportError
from machinery.clock import Clock, rfc3339
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.gvk import EVENTS

EventType = Literal["Normal", "Warning"]
T = TypeVar("T")

_MAX_QUEUED = 1000
_MAX_TRIES = 12
_RETRY_S = 10.0
_SIMILAR_MAX = 10
_SIMILAR_WINDOW_S = 600.0
_BURST = 25.0
_REFILL_PER_S = 1.0 / 300.0
_CACHE = 4096

log = get_logger("client.events")


@dataclass(slots=True)
class _Similar:
    """Distinct messages seen for one (object, type, reason) within the window."""

    messages: dict[str, None] = field(default_factory=dict)
    last_at: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class _Written:
    """The event as it stands on the server."""

    name: str
    count: int


class EventRecorder:
    def __init__(
        self, client: Client, clock: Clock, rng: random.Random, component: str, host: str = ""
    ) -> None:
        self.dropped = 0
        self._client = client
        self._clock = clock
        self._rng = rng
        self._component = component
        self._source = {"component": component, **({"host": host} if host else {})}
        self._instance = host or component
        self._queue: deque[Obj] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()
        self._written: OrderedDict[tuple[str, ...], _Written] = OrderedDict()

    def event(
        self, obj: Obj, type: EventType, reason: str, message: str, *, field_path: str = "", action: str = ""
    ) -> None:
        """Queues an event about `obj`, which needs kind, apiVersion and metadata. Never blocks."""
        if len(self._queue) >= _MAX_QUEUED:
            self.dropped += 1
            return
        meta = obj["metadata"]
        involved = {
            "kind": obj.get("kind", ""),
            "apiVersion": obj.get("apiVersion", ""),
            "name": meta["name"],
        }
        for key in ("namespace", "uid", "resourceVersion"):
            if meta.get(key):
                involved[key] = meta[key]
        if field_path:
            involved["fieldPath"] = field_path
        stamp = rfc3339(self._clock.now())
        event: Obj = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": "", "namespace": meta.get("namespace") or "default"},
            "involvedObject": involved,
            "reason": reason,
            "message": message[:1024],
            "source": self._source,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "type": type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }
        if action:
            event["action"] = action
        self._queue.append(event)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            while not self._queue:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            event = self._queue.popleft()
            if not self._admits(event):
                self.dropped += 1
                continue
            await self._write(self._combined(event))

    async def drained(self) -> None:
        """Returns once all that was recorded so far is written or dropped."""
        await self._idle.wait()

    def _admits(self, event: Obj) -> bool:
        """The token bucket of this source and object."""
        now = self._clock.monotonic()
        key = _object_key(event)
        bucket = _remember(self._buckets, key, lambda: _Bucket(_BURST, now))
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.at) * _REFILL_PER_S)
        bucket.at = now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def _combined(self, event: Obj) -> Obj:
        """The event itself, or what stands for many that differ in the message only."""
        now = self._clock.monotonic()
        similar = _remember(self._similar, (*_object_key(event), event["type"], event["reason"]), _Similar)
        if now - similar.last_at > _SIMILAR_WINDOW_S:
            similar.messages.clear()
        similar.last_at = now
        similar.messages[event["message"]] = None
        if len(similar.messages) >= _SIMILAR_MAX:
            similar.messages.pop(next(iter(similar.messages)))
            event["message"] = f"(combined from similar events): {event['message']}"
        return event

    async def _write(self, event: Obj) -> None:
        combined = event["message"].startswith("(combined from similar events): ")
        message = "" if combined else event["message"]
        key = (*_object_key(event), event["type"], event["reason"], message, str(combined))
        for attempt in range(_MAX_TRIES):
            try:
                await self._create_or_count(event, key)
                return
            except ApiError as error:
                if error.code < 500 and error.code != 429:
                    log.info("an event was refused", reason=event["reason"], why=error.message)
                    return
                why = error.message
            except TransportError as error:
                why = str(error)
            if attempt + 1 < _MAX_TRIES:
                log.info("an event could not be written, trying again", reason=event["reason"], why=why)
                await self._clock.sleep(_RETRY_S * (self._rng.random() if attempt == 0 else 1.0))
        self.dropped += 1
        log.warning("an event was given up", reason=event["reason"])

    async def _create_or_count(self, event: Obj, key: tuple[str, ...]) -> None:
        namespace = event["metadata"]["namespace"]
        written = self._written.get(key)
        if written is not None:
            patch = {
                "count": written.count + 1,
                "lastTimestamp": event["lastTimestamp"],
                "message": event["message"],
            }
            try:
                await self._client.patch(EVENTS, written.name, patch, namespace, type="strategic")
            except NotFound:  # it outlived its time on the server: begin anew
                del self._written[key]
            else:
                written.count += 1
                return
        while True:
            # Upstream names an event by the object and nanoseconds; a virtual clock stands still
            # while many are made, so the last digits are chance.
            stamp = int(self._clock.now() * 1e6) * 1000 + self._rng.randrange(1000)
            name = f"{event['involvedObject']['name']}.{stamp:x}"
            event["metadata"]["name"] = name
            try:
                await self._client.create(EVENTS, event, namespace)
            except AlreadyExists:
                continue
            break
        _remember(self._written, key, lambda: _Written(name, 1))


def _object_key(event: Obj) -> tuple[str, ...]:
    involved = event["involvedObject"]
    return tuple(involved.get(k, "") for k in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath"))


def _remember(cache: OrderedDict[tuple[str, ...], T], key: tuple[str, ...], make: Callable[[], T]) -> T:
    """The entry of `key`, made if absent; the least recently used entry goes when the cache is full."""
    entry = cache.get(key)
    if entry is None:
        entry = cache[key] = make()
        if len(cache) > _CACHE:
            cache.popitem(last=False)
    else:
        cache.move_to_end(key)
    return entry

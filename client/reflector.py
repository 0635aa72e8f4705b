"""Keeps a store equal to a collection on the server: list, then watch, for ever.

Comes in: a Client and the collection's coordinates. Goes out: calls on a `Sink`. The list comes
over the watch itself (sendInitialEvents) where the server can; else in pages. A watch that ends is
resumed from the last resourceVersion seen; a revision that is compacted (410) means a new list.

Invariants: between two `replaced` the sink sees every event once and in order; `replaced` is called
only with a whole, consistent collection. Never gives up: failures back off on the Clock.

Source: client-go's reflector, KEP-3157 (watch-list), KEP-956 (bookmarks).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Protocol

from client.client import Client, Obj, WatchEvent
from client.logs import get_logger
from client.transport import TransportError
from machinery.clock import Clock
from machinery.errors import (
    ApiError,
    BadRequest,
    Expired,
    Gone,
    InternalError,
    Invalid,
    ServiceUnavailable,
    TooManyRequests,
)
from machinery.gvk import GVR, Key, key_of

_INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_PAGE = 500
# The server closes a watch after 5 to 10 minutes, each watch at its own moment.
_MIN_WATCH_S = 300.0
_FIRST_WAIT_S = 0.2
_MAX_WAIT_S = 10.0
_QUIET_S = 120.0  # without failure for so long, the next failure waits the first wait again

log = get_logger("client.reflector")


class Sink(Protocol):
    """Where the collection goes."""

    def replaced(self, objects: dict[Key, Obj], resource_version: str) -> None: ...

    def upserted(self, obj: Obj) -> None: ...

    def removed(self, obj: Obj) -> None: ...


class Reflector:
    """`failures` counts, for metrics, how often a list or watch had to be tried again."""

    def __init__(
        self,
        client: Client,
        gvr: GVR,
        sink: Sink,
        clock: Clock,
        rng: random.Random,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> None:
        self.failures = 0
        self.resource_version = ""  # of the last thing seen; "" means a list is due
        self._client = client
        self._gvr = gvr
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._metadata_only = metadata_only
        self._can_stream_lists = True
        self._wait_s = _FIRST_WAIT_S
        self._last_failure_at = float("-inf")

    async def run(self) -> None:
        while True:
            try:
                await self._pass()
            except (Expired, Gone):
                if not self.resource_version:  # even a fresh list is refused: do not spin
                    await self._back_off("the server calls a fresh list expired")
                self.resource_version = ""
            except ApiError as error:
                if not isinstance(error, TooManyRequests | InternalError | ServiceUnavailable):
                    self.resource_version = ""  # it may be what was refused; a new list is always right
                await self._back_off(error.message)
            except TransportError as error:
                await self._back_off(str(error))

    async def _pass(self) -> None:
        """One list, if due, and one watch until the server ends it."""
        if not self.resource_version:
            if self._can_stream_lists:
                try:
                    await self._stream_list_and_watch()
                    return
                except (Invalid, BadRequest) as refusal:
                    log.info(
                        "lists cannot be streamed, paging instead", gvr=str(self._gvr), why=refusal.message
                    )
                    self._can_stream_lists = False
            await self._page_list()
        started = self._clock.monotonic()
        rv_before = self.resource_version
        async with self._client.watch(
            self._gvr,
            self._namespace,
            resource_version=self.resource_version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_s=self._watch_s(),
            metadata_only=self._metadata_only,
        ) as events:
            await self._follow(events)
        if self._clock.monotonic() - started < 1.0 and self.resource_version == rv_before:
            await self._back_off("the watch ended at once, without an event")

    async def _stream_list_and_watch(self) -> None:
        async with self._client.watch(
            self._gvr,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            send_initial_events=True,
            timeout_s=self._watch_s(),
            metadata_only=self._metadata_only,
        ) as events:
            objects: dict[Key, Obj] = {}
            async for event in events:
                if event.type == "BOOKMARK":
                    meta = event.object["metadata"]
                    if (meta.get("annotations") or {}).get(_INITIAL_EVENTS_END) == "true":
                        self._sink.replaced(objects, meta["resourceVersion"])
                        self.resource_version = meta["resourceVersion"]
                        break
                elif event.type == "DELETED":
                    objects.pop(key_of(event.object), None)
                else:
                    objects[key_of(event.object)] = event.object
            else:
                raise TransportError("the watch ended before the initial events did")
            await self._follow(events)

    async def _page_list(self) -> None:
        objects: dict[Key, Obj] = {}
        continue_ = ""
        while True:
            page = await self._client.list(
                self._gvr,
                self._namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                limit=_PAGE,
                continue_=continue_,
                metadata_only=self._metadata_only,
            )
            for obj in page.get("items") or ():
                obj.setdefault("apiVersion", self._gvr.api_version)
                if self._gvr.kind:
                    obj.setdefault("kind", self._gvr.kind)
                objects[key_of(obj)] = obj
            continue_ = page["metadata"].get("continue", "")
            if not continue_:
                break
        self._sink.replaced(objects, page["metadata"]["resourceVersion"])
        self.resource_version = page["metadata"]["resourceVersion"]

    async def _follow(self, events: AsyncIterator[WatchEvent]) -> None:
        async for kind, obj in events:
            if kind in ("ADDED", "MODIFIED"):
                self._sink.upserted(obj)
            elif kind == "DELETED":
                self._sink.removed(obj)
            self.resource_version = obj["metadata"]["resourceVersion"]

    def _watch_s(self) -> float:
        return _MIN_WATCH_S * (1.0 + self._rng.random())

    async def _back_off(self, why: str) -> None:
        self.failures += 1
        now = self._clock.monotonic()
        if now - self._last_failure_at > _QUIET_S:
            self._wait_s = _FIRST_WAIT_S
        self._last_failure_at = now
        log.info("list or watch failed, trying again", gvr=str(self._gvr), why=why, wait_s=self._wait_s)
        await self._clock.sleep(self._wait_s * (1.0 + self._rng.random()))
        self._wait_s = min(self._wait_s * 2.0, _MAX_WAIT_S)

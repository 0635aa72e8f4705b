"""A watch on the wire: one JSON line per event, as many lines in one write as are ready.

Stored bytes go out as they are; only a Table or metadata-only watch decodes. The lines of a batch are made once for all who get it,
and go straight to the connection where that takes them. The stream ends at its
timeout, when the client leaves, or when the server stops; a watcher that fell behind gets an ERROR event (410)
and has to list again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import orjson

from apiserver.engine.catalog import Served
from apiserver.engine.engine import Call
from apiserver.engine.revisions import WatchOptions
from apiserver.engine.watch import Batches, watch
from apiserver.http.negotiation import Accepted
from apiserver.http.reply import Header, Receive, Send, end_stream, start_stream
from apiserver.http.table import partial_of, table_of
from apiserver.storage.store import Batch, Delivering, Entry, StoreEvent
from machinery.errors import ApiError, Expired

Frames = Callable[[Sequence[StoreEvent]], bytes]

_HEAD = {
    "ADDED": b'{"type":"ADDED","object":',
    "MODIFIED": b'{"type":"MODIFIED","object":',
    "DELETED": b'{"type":"DELETED","object":',
    "BOOKMARK": b'{"type":"BOOKMARK","object":',
}
_TAIL = b"}\n"
INITIAL_END = {"k8s.io/initial-events-end": "true"}


def frames_for(
    served: Served, options: WatchOptions, shape: Accepted, include: str, now: Callable[[], float]
) -> Frames:
    """The function that turns a batch of events into the bytes of their lines."""
    resource = served.resource
    first = True
    # What others say of tables makes no difference, and may be any text: renderings live as long as their event.
    rows = include if shape.shape == "Table" else ""
    kept_as = f"{resource.gvr.api_version} {shape.shape} {shape.version} {rows}"

    def bookmark(event: StoreEvent) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(event.revision)}
        if event.initial_end:
            meta["annotations"] = INITIAL_END
        if shape.shape == "Table":
            nothing = {"kind": resource.kind, "apiVersion": resource.gvr.api_version, "metadata": meta}
            at = {"resourceVersion": meta["resourceVersion"]}
            table = table_of(resource.columns, [nothing], now(), shape.version, include, at, headers=False)
            return orjson.dumps(table)
        if shape.shape != "object":
            return orjson.dumps(
                {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": f"meta.k8s.io/{shape.version}",
                    "metadata": meta,
                }
            )
        return orjson.dumps({"kind": resource.kind, "apiVersion": resource.gvr.api_version, "metadata": meta})

    def render(event: StoreEvent) -> bytes:
        nonlocal first
        entry = event.entry
        assert entry is not None
        if shape.shape == "object":
            return entry.data
        if first and shape.shape == "Table":
            first = False
            return rendered(event, entry, headers=True)
        # Watchers of the same change share what was made of it.
        known = event.renderings.get(kept_as)
        if known is None:
            known = event.renderings[kept_as] = fitted(rendered(event, entry, headers=False))
        return known

    def rendered(event: StoreEvent, entry: Entry, *, headers: bool) -> bytes:
        obj = served.load(entry)
        if shape.shape == "Table":
            metadata = {"resourceVersion": str(entry.revision)}
            return orjson.dumps(
                table_of(resource.columns, [obj], now(), shape.version, include, metadata, headers=headers)
            )
        return orjson.dumps(partial_of(obj, shape.version))

    def frames(batch: Sequence[StoreEvent]) -> bytes:
        if not isinstance(batch, Batch) or (first and shape.shape == "Table"):
            return lines(batch)
        # Watchers that are told the same at once share its bytes.
        known = batch.renderings.get(kept_as)
        if known is None:
            known = batch.renderings[kept_as] = lines(batch)
        return known

    def lines(batch: Sequence[StoreEvent]) -> bytes:
        if len(batch) == 1 and batch[0].type != "BOOKMARK":
            return b"%b%b}\n" % (_HEAD[batch[0].type], render(batch[0]))
        parts: list[bytes] = []
        for event in batch:
            if event.type == "BOOKMARK":
                if event.initial_end and not options.initial_end:
                    continue
                parts += (_HEAD["BOOKMARK"], bookmark(event), _TAIL)
            else:
                parts += (_HEAD[event.type], render(event), _TAIL)
        return b"".join(parts)

    return frames


def fitted(data: bytes) -> bytes:
    """The same in no more memory than it needs: orjson leaves its answers in the buffer they were made in, some times as large."""
    return bytes(memoryview(data))


def error_frame(error: ApiError) -> bytes:
    return b'{"type":"ERROR","object":' + orjson.dumps(error.to_status()) + _TAIL


class Streams:
    """The open streams of one server, so that a stop can end them in order. Owns nothing else."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Timeout, None] = {}  # in the order of their opening
        self._stopping = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, scope: asyncio.Timeout) -> None:
        self._open[scope] = None
        if self._stopping:
            end_now(scope)

    def discard(self, scope: asyncio.Timeout) -> None:
        self._open.pop(scope, None)

    def stop(self) -> None:
        """Every open stream ends as if its time were up."""
        self._stopping = True
        for scope in list(self._open):
            end_now(scope)


def end_now(scope: asyncio.Timeout) -> None:
    if not scope.expired():
        scope.reschedule(asyncio.get_running_loop().time())


async def until_gone(receive: Receive, scope: asyncio.Timeout) -> None:
    """End `scope` when the client disconnects."""
    while True:
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            if not scope.expired():
                end_now(scope)
            return


async def serve_stream(
    receive: Receive,
    streams: Streams,
    timeout_s: float | None,
    body: Callable[[], Awaitable[object]],
) -> None:
    """Run the awaitable `body()` until it ends, its time is up, the client leaves or the server stops."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s) as scope:
            streams.add(scope)
            leaving = loop.create_task(until_gone(receive, scope))
            try:
                await body()
            finally:
                leaving.cancel()
                streams.discard(scope)
    except TimeoutError:
        return


def _write(frames: Frames, write: Callable[[bytes], bool], batch: Sequence[StoreEvent]) -> bool:
    return write(frames(batch))


async def stream_watch(
    call: Call,
    options: WatchOptions,
    shape: Accepted,
    include: str,
    now: Callable[[], float],
    timeout_s: float,
    receive: Receive,
    send: Send,
    streams: Streams,
    extra: Sequence[Header],
) -> None:
    """Answer a watch. Errors before the first byte are raised; a revision that is gone is told in the stream."""
    frames = frames_for(call.served, options, shape, include, now)
    content_type = b"application/json"
    started = False

    async def tell(batch: Sequence[StoreEvent]) -> None:
        await send({"type": "http.response.body", "body": frames(batch), "more_body": True})

    async def pump(batches: Batches, write: Callable[[bytes], bool] | None) -> None:
        """Nothing of what was told is held while the next is waited for, nor the next while the client takes nothing: its
        events are then best left where all share them."""
        direct = write is not None and isinstance(batches, Delivering)
        async for batch in batches:
            await tell(batch)
            del batch
            if not direct:
                continue
            await tell(())
            assert write is not None and isinstance(batches, Delivering)
            # The chain has seen the stream begin: what follows needs it no more.
            batches.deliver_to(partial(_write, frames, write), partial(write, b""))

    async def run() -> None:
        nonlocal started
        try:
            async with watch(call, options) as batches:
                write = await start_stream(send, content_type, extra)
                started = True
                await pump(batches, write)
        except Expired as error:
            if not started:
                await start_stream(send, content_type, extra)
                started = True
            await send({"type": "http.response.body", "body": error_frame(error), "more_body": True})
        except ApiError as error:
            if not started:
                raise
            await send({"type": "http.response.body", "body": error_frame(error), "more_body": True})

    await serve_stream(receive, streams, timeout_s, run)
    if not started:
        await start_stream(send, content_type, extra)
    await end_stream(send)

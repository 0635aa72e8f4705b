"""GET with watch=true: changes of one resource, as the store tells them, from where the caller says.

This file decides where a watch begins and how it ends; frames are made in `http/watch_stream.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from apiserver.backends.backend import Compacted, FutureRevision
from apiserver.engine.engine import Call
from apiserver.engine.revisions import WatchOptions, refuse_future, refuse_old
from apiserver.engine.selection import selection
from apiserver.storage.store import StoreEvent

Batches = AsyncIterator[Sequence[StoreEvent]]


@asynccontextmanager
async def watch(call: Call, options: WatchOptions) -> AsyncIterator[Batches]:
    """Batches of events. Raises Expired, Timeout or BadRequest on entry, Expired while iterating."""
    store = call.served.store
    predicate = selection(call.served, options.label_selector, options.field_selector, "")
    name = call.name or selected_name(options.field_selector)
    if options.from_revision and options.initial:
        try:
            await store.list(call.namespace, min_revision=options.from_revision, limit=1)
        except FutureRevision as error:
            raise refuse_future(options.from_revision, await store.revision()) from error
    start = options.from_revision
    if not options.initial and not start:
        start = await store.revision()
    try:
        async with store.watch(
            call.namespace,
            from_revision=start,
            predicate=predicate,
            name=name,
            send_initial=options.initial,
            bookmarks=options.bookmarks,
        ) as batches:
            # What it raises in the midst of the stream comes back to here.
            yield batches
    except Compacted as error:
        raise refuse_old(start, error.oldest) from error
    except FutureRevision as error:
        raise refuse_future(start, await store.revision()) from error


def selected_name(field_selector: str) -> str:
    """The name in `metadata.name=web`, which most single-object watches send: the store can look it up."""
    for requirement in field_selector.split(","):
        key, _, value = requirement.partition("=")
        if key == "metadata.name" and value and not value.startswith("="):
            return value
        if key == "metadata.name" and value.startswith("="):
            return value[1:]
    return ""

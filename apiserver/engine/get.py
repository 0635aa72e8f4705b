"""GET of one object: the stored bytes, as new as the caller asks."""

from __future__ import annotations

from apiserver.backends.backend import Compacted, FutureRevision
from apiserver.engine.engine import Call
from apiserver.engine.revisions import ListOptions, refuse_future, refuse_old
from apiserver.engine.write import refuse_missing
from apiserver.storage.store import Entry


async def get(call: Call, options: ListOptions | None = None) -> Entry:
    """resourceVersion=N waits for N; with resourceVersionMatch=Exact it reads the object as of N."""
    store = call.served.store
    revision = options.exact if options is not None else 0
    try:
        if options is not None and options.at_least:
            await store.list(call.namespace, min_revision=options.at_least, limit=1)
        entry = await store.get(call.namespace, call.name, revision=revision)
    except Compacted as error:
        raise refuse_old(revision, error.oldest) from error
    except FutureRevision as error:
        raise refuse_future(
            revision or (options.at_least if options else 0), await store.revision()
        ) from error
    if entry is None:
        raise refuse_missing(call)
    return entry

"""GET of a collection: entries by selector, page and revision; the whole of it straight from memory."""

from __future__ import annotations

from apiserver.backends.backend import Compacted, FutureRevision
from apiserver.engine.catalog import Served
from apiserver.engine.engine import Call
from apiserver.engine.revisions import ListOptions, encode_token, refuse_future, refuse_old, refuse_token
from apiserver.engine.selection import selection
from apiserver.storage.store import ListResult, Piece

_END = b"]}"


async def list_entries(call: Call, options: ListOptions) -> ListResult:
    """The selected entries. Raises Expired (old revision or token), Timeout (future revision), BadRequest."""
    store = call.served.store
    predicate = selection(call.served, options.label_selector, options.field_selector, call.name)
    try:
        return await store.list(
            call.namespace,
            predicate=predicate,
            start_key=options.start_key,
            limit=options.limit,
            revision=options.exact,
            min_revision=options.at_least,
        )
    except Compacted as error:
        if options.start_key:
            raise refuse_token(options.start_key) from error
        raise refuse_old(options.exact, error.oldest) from error
    except FutureRevision as error:
        raise refuse_future(options.exact or options.at_least, await store.revision()) from error


async def list_pieces(call: Call, options: ListOptions) -> list[Piece]:
    """The List object as JSON, in pieces. The whole of a namespace or of the cluster consists of pieces that are kept."""
    served = call.served
    whole = not (
        options.label_selector
        or options.field_selector
        or options.limit
        or options.exact
        or options.at_least > 0
        or options.start_key
        or call.name
    )
    if whole:
        pieces, revision = await served.store.list_pieces(call.namespace, newest=not options.at_least)
        return [Piece(b"%b%d%b" % (served.list_head, revision, served.list_end)), *pieces, Piece(_END)]
    result = await list_entries(call, options)
    items = b",".join([entry.data for entry in result.entries])
    head = (served.list_head, str(result.revision).encode(), page_end(served, result))
    return [Piece(b"".join((*head, items, _END)))]


def page_end(served: Served, result: ListResult) -> bytes:
    """What follows the revision's digits: closing quote, continue, remainingItemCount, and where the items begin."""
    if not result.next_key:
        return served.list_end
    token = encode_token(result.revision, result.next_key).encode()
    if result.remaining is None:
        return b'","continue":"%b"},"items":[' % token
    return b'","continue":"%b","remainingItemCount":%d},"items":[' % (token, result.remaining)

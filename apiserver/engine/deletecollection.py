"""DELETE on a collection: every selected object, each by the rules of a delete of its own."""

from __future__ import annotations

from dataclasses import replace

import orjson

from apiserver.engine.delete import delete
from apiserver.engine.delete_options import DeleteOptions
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.list import list_entries, page_end
from apiserver.engine.revisions import ListOptions
from machinery.errors import NotFound


async def delete_collection(
    engine: Engine, call: Call, selection: ListOptions, options: DeleteOptions
) -> Written:
    """Answers with the list of what was there. An object that went meanwhile is no error."""
    result = await list_entries(call, selection)
    for entry in result.entries:
        each = replace(call, namespace=entry.namespace, name=entry.name)
        try:
            await delete(engine, each, options, entry=entry)
        except NotFound:
            continue
    served = call.served
    body = b"%b%d%b" % (served.list_head, result.revision, page_end(served, result))
    body += b",".join(entry.data for entry in result.entries) + b"]}"
    return Written(200, body, orjson.loads(body))

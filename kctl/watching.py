"""Following one object until something holds: read it, then watch it from there; no polling."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

from kctl.failure import Failure
from kctl.rest import Unreachable
from kctl.selection import Found
from kctl.session import Session
from machinery.errors import Expired, Gone, NotFound

Obj = dict[str, Any]


def states(session: Session, found: Found, deadline: float | None) -> Iterator[Obj | None]:
    """The object now and after every change; None while it is absent. Ends at `deadline` (time.monotonic())."""
    collection = found.info.gvr.path(found.namespace)
    fields = ("fieldSelector", f"metadata.name={found.name}")
    while True:
        answer = session.rest.get(collection, [fields])
        items = answer["items"]
        typed = {"apiVersion": found.info.gvr.api_version, "kind": found.info.gvr.kind}
        yield {**typed, **items[0]} if items else None
        version = answer["metadata"]["resourceVersion"]
        with contextlib.suppress(Expired, Gone, Unreachable):
            yield from _watch(session, collection, fields, version, deadline)
        if deadline is not None and time.monotonic() >= deadline:
            return


def _watch(
    session: Session, collection: str, fields: tuple[str, str], version: str, deadline: float | None
) -> Iterator[Obj | None]:
    query = [fields, ("watch", "true"), ("resourceVersion", version)]
    if deadline is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            return
        query.append(("timeoutSeconds", str(max(1, round(left)))))
    for line in session.rest.lines(collection, query):
        event = json.loads(line)
        if event["type"] == "ERROR":
            raise Expired(event["object"].get("message", "the watch ended"))
        if event["type"] != "BOOKMARK":
            yield None if event["type"] == "DELETED" else event["object"]


def deadline_after(timeout_s: float) -> float | None:
    """0 means no limit; kubectl's negative means a week."""
    if timeout_s == 0:
        return None
    return time.monotonic() + (timeout_s if timeout_s > 0 else 7 * 24 * 3600)


def read(session: Session, found: Found) -> Obj:
    try:
        return session.rest.get(found.path)
    except NotFound as error:
        raise Failure(f"{found} was deleted") from error

"""What a deletion may say, in its body or its query: read with the kind's own types, and judged as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.resource import Obj
from apiserver.engine.bodies import DELETE_OPTIONS, body
from apiserver.engine.query import Query
from apiserver.engine.revisions import parse_int
from machinery.errors import BadRequest, invalid


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    grace_s: int | None = None
    policy: str = ""
    uid: str = ""
    revision: str = ""
    dry_run: bool = False


def parse_delete(said: Any, query: Query) -> DeleteOptions:
    """Of a body as plain data, or of query parameters where it says nothing. Raises BadRequest, Invalid."""
    form = body(DELETE_OPTIONS)
    if said is not None and not isinstance(said, dict):
        raise BadRequest("the body of a delete must be a DeleteOptions object")
    kind = (said or {}).get("kind") or form.kind
    if kind != form.kind:
        raise BadRequest(f"the body of a delete must be a DeleteOptions object, not a {kind}")
    read, _ = form.codec().decode({**said, "kind": kind} if said else _of_query(query))
    if not read.get("dryRun"):
        read["dryRun"] = query.values_of("dryRun")
    causes = form.validate(read)
    if causes:
        raise invalid("meta.k8s.io", form.kind, "", causes)
    policy = read.get("propagationPolicy") or ""
    if read.get("orphanDependents") is not None:
        policy = "Orphan" if read["orphanDependents"] else "Background"
    on = read.get("preconditions") or {}
    return DeleteOptions(
        read.get("gracePeriodSeconds"),
        policy,
        on.get("uid") or "",
        on.get("resourceVersion") or "",
        bool(read["dryRun"]),
    )


def _of_query(query: Query) -> Obj:
    """The same fields, as text there."""
    said: Obj = {}
    for key in ("gracePeriodSeconds", "propagationPolicy", "orphanDependents"):
        if key in query:
            said[key] = query[key]
    if "gracePeriodSeconds" in said:
        said["gracePeriodSeconds"] = parse_int(query, "gracePeriodSeconds")
    if "orphanDependents" in said:
        said["orphanDependents"] = query.flag("orphanDependents")
    return said

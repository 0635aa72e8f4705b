"""Patches that a verb sends; and what they would make of an object, where nothing may be sent.

`--dry-run=client` shows the object as the patch would leave it, worked out here.
"""

from __future__ import annotations

from typing import Any

from kctl.flags import Options
from kctl.selection import Found, dry_run_query
from kctl.session import Session

Obj = dict[str, Any]
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"


def send_patch(
    options: Options,
    session: Session,
    found: Found,
    patch: Any,
    content_type: str,
    *,
    manager: str = "",
    subresource: str = "",
) -> Obj:
    """The object afterwards. `found` was read before. Raises ApiError."""
    if options.dry_run == "client":
        return preview(found, patch, content_type)
    query = [("fieldManager", manager)] if manager else []
    path = found.info.gvr.path(found.namespace, found.name, subresource)
    query += dry_run_query(options)
    return session.rest.request("PATCH", path, query, patch, content_type=content_type)


def preview(found: Found, patch: Any, content_type: str) -> Obj:
    """Raises ApiError for a patch that cannot be applied."""
    from kctl.kinds import schema_of
    from machinery.objects import deep_copy
    from machinery.patch import json_patch, merge, strategic

    obj: Obj = deep_copy(found.obj or {})
    if content_type == JSON:
        return dict(json_patch.apply(obj, patch))
    schema = schema_of(found.info.gvr) if content_type == STRATEGIC else None
    if schema is None:
        return dict(merge.apply(obj, patch))
    return dict(strategic.apply(obj, patch, schema))

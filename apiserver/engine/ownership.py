"""managedFields: who owns which field of an object, kept on every write, and server-side apply on top of it.

The merge itself is `machinery.patch.apply`; this file says when it runs, for whom, and with which schema.
Source: Kubernetes, "Server-Side Apply".
"""

from __future__ import annotations

from api.resource import Obj, Resource
from machinery.errors import BadRequest
from machinery.patch import PatchError
from machinery.patch import apply as structured


def track_create(resource: Resource, obj: Obj, manager: str, subresource: str, now: float) -> None:
    """`obj` is complete and about to be stored; managedFields it came with are where tracking starts."""
    structured.update_managed_fields(
        None,
        obj,
        manager=manager,
        api_version=resource.gvr.api_version,
        now=now,
        schema=resource.schema(),
        subresource=subresource,
    )


def track_update(
    resource: Resource, obj: Obj, old: Obj, manager: str, operation: str, subresource: str, now: float
) -> None:
    """What of `obj` differs from `old` is the manager's from now on."""
    structured.update_managed_fields(
        old,
        obj,
        manager=manager,
        api_version=resource.gvr.api_version,
        now=now,
        schema=resource.schema(),
        operation=operation,
        subresource=subresource,
    )


def apply(
    resource: Resource,
    live: Obj | None,
    applied: Obj,
    *,
    manager: str,
    force: bool,
    subresource: str,
    now: float,
) -> Obj:
    """The object after a server-side apply, managedFields included. Raises Conflict, BadRequest."""
    try:
        return structured.apply(
            live,
            applied,
            manager=manager,
            api_version=resource.gvr.api_version,
            now=now,
            schema=resource.schema(),
            force=force,
            subresource=subresource,
        )
    except PatchError as error:
        raise BadRequest(f"failed to create typed patch object: {error}") from error

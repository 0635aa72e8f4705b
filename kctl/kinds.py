"""Schemas for merging on this side: a built-in kind's from `api/`; a custom kind has none, and is merged as plain JSON."""

from __future__ import annotations

from machinery.gvk import GVR
from machinery.schema import Schema


def schema_of(gvr: GVR) -> Schema | None:
    """None for kinds that are not built in. Imports the kind's types: only for verbs that merge."""
    from api import registry

    for resource in registry.load():
        if (
            resource.gvr.group == gvr.group
            and resource.gvr.version == gvr.version
            and resource.gvr.resource == gvr.resource
        ):
            return resource.schema()
    return None

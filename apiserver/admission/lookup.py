"""How admission plugins look at other objects: by name, from memory, as dicts that all who ask share: never change one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.storage.store import Entry, Store
from machinery.errors import Cause, Forbidden

__all__ = ["Lookup", "Plugin", "forbidden", "is_resource", "lookup_in", "name_of", "nothing"]

# (namespace, name) → the object, None where there is none
Lookup = Callable[[str, str], Awaitable[Obj | None]]

_REMEMBERED = 256


def lookup_in(store: Store) -> Lookup:
    """What is looked up again is decoded again only once it was written: every pod asks for its namespace."""
    read: dict[str, tuple[Entry, Obj]] = {}

    async def look_up(namespace: str, name: str) -> Obj | None:
        entry = await store.get(namespace, name)
        if entry is None:
            return None
        known = read.get(entry.key)
        if known is None or known[0] is not entry:
            if known is None and len(read) >= _REMEMBERED:
                del read[next(iter(read))]
            known = read[entry.key] = (entry, orjson.loads(entry.data))
        return known[1]

    return look_up


async def nothing(namespace: str, name: str) -> Obj | None:
    """Of a kind that is not served."""
    return None


def forbidden(request: AdmissionRequest, why: str, causes: tuple[Cause, ...] = ()) -> Forbidden:
    """`pods "web" is forbidden: WHY`, as upstream words it."""
    gvr = request.resource.gvr
    resource = f"{gvr.resource}.{gvr.group}" if gvr.group else gvr.resource
    name = request.name or name_of(request.obj or request.old or {})
    named = f' "{name}"' if name else ""
    return Forbidden(
        f"{resource}{named} is forbidden: {why}", group=gvr.group, kind=gvr.resource, name=name, causes=causes
    )


def name_of(obj: Obj) -> str:
    metadata = obj.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "")


def is_resource(request: AdmissionRequest, group: str, plural: str) -> bool:
    gvr = request.resource.gvr
    return gvr.resource == plural and gvr.group == group

"""Bringing an update into the form in which objects of built-in kinds are kept (`api/normal.py`), as far as it changes anything.

What an update leaves as it was is in its form already, or was stored by a server that kept what was sent: then it stays so until a write
touches it. So only the parts of an object (spec, status, data ...) that differ are walked, and in the old object too, so that a
form alone is never a difference. Metadata is the server's own and has nothing that is always there.
"""

from __future__ import annotations

from collections.abc import Iterable

from api.resource import Obj, Resource


def differing(obj: Obj, old: Obj) -> list[str]:
    """The parts that are not the same in both."""
    return [key for key in {**old, **obj} if key != "metadata" and obj.get(key) != old.get(key)]


def complete_parts(resource: Resource, obj: Obj, parts: Iterable[str]) -> None:
    """In place."""
    if resource.custom or not parts:
        return
    taken = {key: obj[key] for key in parts if key in obj}
    resource.codec().complete(taken)
    for key in parts:
        if key in taken:
            obj[key] = taken[key]
        else:
            obj.pop(key, None)

"""What the creator of an object owns: every field of it, but for the nodes that each object of its kind has anyway.

Objects are born in families: the pods of a ReplicaSet differ in their names and in nothing that anybody owns. So what
comes out for a part of an object is remembered by that part's JSON, for some hundreds of parts, and shared like all sets:
whoever changes a managedFields entry makes a new one.
"""

from __future__ import annotations

import threading
from typing import Any

import orjson

from machinery.patch.apply import comparing, sets
from machinery.patch.apply.sets import FieldSet
from machinery.patch.apply.unowned import without_unowned
from machinery.schema import Schema

Obj = dict[str, Any]

_REMEMBERED = 256
_LARGEST_BYTES = 16 * 1024
# (the schema's identity, key, the value's JSON) → (the schema, which lives as long as this does; the fields)
_changing = threading.Lock()  # large objects are tracked on a thread of their own
_known: dict[tuple[int, str, bytes], tuple[Schema | None, FieldSet]] = {}


def fields_of_new(owned: Obj, schema: Schema | None) -> FieldSet:
    """The fields of a new object's owned part."""
    out: FieldSet = {}
    for key, value in owned.items():
        text = orjson.dumps(value)
        if len(text) > _LARGEST_BYTES:
            out.update(_added(key, value, schema))
            continue
        at = (id(schema), key, text)
        known = _known.get(at)
        if known is None:
            known = (schema, _added(key, value, schema))
            with _changing:
                if len(_known) >= _REMEMBERED:
                    del _known[next(iter(_known))]
                _known[at] = known
        out.update(known[1])
    return out


def _added(key: str, value: Any, schema: Schema | None) -> FieldSet:
    found = comparing.compare({}, {key: value}, schema)
    return without_unowned(sets.union(found.added, found.modified))

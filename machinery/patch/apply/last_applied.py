"""From client-side to server-side apply: kubectl's own annotation, as long as it is there.

kubectl used to keep what it applied in an annotation, and its fields were owned by an `Update`. When the manager named
`kubectl` now applies on the server, fields that still hold what the annotation says are its own, whoever owns them: no
conflict. The annotation is kept up to date, so that one may go back. Another manager opts out of both.

Source: apimachinery managedfields/internal/{lastappliedmanager,lastappliedupdater}.go.
"""

from __future__ import annotations

from typing import Any

import orjson

from machinery.patch.apply import comparing, sets, typed, unowned
from machinery.patch.apply.sets import FieldSet
from machinery.schema import Schema

Obj = dict[str, Any]
MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MAX_BYTES = 256 * 1024


def said(obj: Obj) -> str:
    return str(((obj.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION) or "")


def excused(live: Obj, schema: Schema | None) -> FieldSet:
    """The fields that the annotation holds and that the live object still has as it says."""
    try:
        last = orjson.loads(said(live) or "{}")
        if not isinstance(last, dict):
            return sets.EMPTY
        last = unowned.owned_part(last)
        fields = typed.field_set(last, schema)
    except ValueError:  # no JSON, or lists that cannot be told apart
        return sets.EMPTY
    change = comparing.compare(last, unowned.owned_part(live), schema)
    differing = sets.union(sets.union(change.modified, change.added), change.removed)
    return sets.difference(fields, differing)


def updated(obj: Obj, config: Obj) -> Obj:
    """`obj` with the annotation of `config`, where it has one; without it where that would be too long."""
    if not said(obj):
        return obj
    meta = config.get("metadata") or {}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != ANNOTATION}
    kept = {key: value for key, value in meta.items() if key not in ("annotations", "managedFields")}
    if annotations:
        kept["annotations"] = annotations
    text = orjson.dumps({**config, "metadata": kept}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    held = {**obj["metadata"]["annotations"], ANNOTATION: text}
    if sum(len(key) + len(value) for key, value in held.items()) > MAX_BYTES:
        del held[ANNOTATION]
    return {**obj, "metadata": {**obj["metadata"], "annotations": held}}

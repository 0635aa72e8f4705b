"""What belongs to nobody: identity, what the server alone writes, and `metadata` as such.

Source: apimachinery managedfields/internal/stripmeta.go.
"""

from __future__ import annotations

from typing import Any

from machinery.patch.apply import sets
from machinery.patch.apply.sets import FieldSet

Obj = dict[str, Any]

_UNOWNED_META = frozenset(
    (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    )
)


_UNOWNED: FieldSet = {
    "f:apiVersion": sets.LEAF,
    "f:kind": sets.LEAF,
    "f:metadata": {".": sets.LEAF} | {f"f:{name}": sets.LEAF for name in _UNOWNED_META},
}


def without_unowned(fields: FieldSet) -> FieldSet:
    """The fields without what nobody owns, `metadata` as such among it."""
    return sets.difference(fields, _UNOWNED)


def owned_part(obj: Obj) -> Obj:
    """The object without what nobody owns."""
    out = {key: value for key, value in obj.items() if key != "apiVersion" and key != "kind"}
    meta = obj.get("metadata")
    if meta is not None:
        kept = {key: value for key, value in meta.items() if key not in _UNOWNED_META}
        if kept:
            out["metadata"] = kept
        else:
            del out["metadata"]
    return out

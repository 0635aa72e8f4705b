"""Owned fields after their schema changed: what is below a value that is one field now is that field.

A custom resource's definition may make a map or a list atomic that was granular when somebody came to own parts of it.
Whoever owned a part owns the whole then; nothing is to be done the other way. Built-in types do not change.

Source: structured-merge-diff typed/reconcile_schema.go.
"""

from __future__ import annotations

from machinery.patch.apply.sets import LEAF, FieldSet
from machinery.patch.apply.typed import child_of, form_of
from machinery.schema import Schema


def reconcile(fields: FieldSet, schema: Schema | None) -> FieldSet:
    """The set in terms of the schema; the same object where nothing changes."""
    if schema is None or schema.kind == "any":
        return fields
    out: FieldSet | None = None
    for element, node in fields.items():
        if not node or element == ".":
            continue
        child = child_of(schema, element[2:]) if element.startswith("f:") else schema.items
        if child is None:
            continue
        made = LEAF if form_of({}, child) == "leaf" and _holds_more(child) else reconcile(node, child)
        if made is not node:
            if out is None:
                out = fields.copy()
            out[element] = made
    return fields if out is None else out


def _holds_more(schema: Schema) -> bool:
    """Whether a value may be a container at all: a scalar's set is left alone, whatever it holds."""
    return schema.kind in ("object", "map", "list", "any")

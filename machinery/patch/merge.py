"""JSON Merge Patch (RFC 7386): objects merge, null deletes, everything else replaces."""

from __future__ import annotations

from typing import Any

from machinery.objects import deep_copy
from machinery.patch.json_patch import json_equal


def apply(target: Any, patch: Any) -> Any:
    """The target after the patch. Untouched parts are shared with `target`: treat both as frozen."""
    if not isinstance(patch, dict):
        return deep_copy(patch)
    out: dict[str, Any] = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            out[key] = apply(out.get(key), value)
        else:
            out[key] = deep_copy(value)
    return out


def diff(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The patch that makes `new` of `old`, provided `new` holds no null; {} when they are equal."""
    out: dict[str, Any] = {}
    for key in old:
        if key not in new:
            out[key] = None
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := diff(before, value):
                out[key] = inner
        elif key not in old or not json_equal(before, value):
            out[key] = deep_copy(value)
    return out


def three_way(original: dict[str, Any], modified: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
    """Client-side apply for kinds without merge keys: what `modified` sets and `current` lacks, and the
    removal of what `original` had and `modified` no longer has.

    Source: apimachinery pkg/util/jsonmergepatch.
    """
    deletions = _only_nulls(diff(original, modified))
    out: dict[str, Any] = apply(deletions, _without_nulls(diff(current, modified)))
    return out


def _only_nulls(patch: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in patch.items():
        if value is None:
            out[key] = None
        elif isinstance(value, dict) and (inner := _only_nulls(value)):
            out[key] = inner
    return out


def _without_nulls(patch: dict[str, Any]) -> dict[str, Any]:
    """A map that holds nothing but nulls goes as well; one that was empty is meant."""
    out: dict[str, Any] = {}
    for key, value in patch.items():
        if isinstance(value, dict) and value:
            if inner := _without_nulls(value):
                out[key] = inner
        elif value is not None:
            out[key] = value
    return out

"""LabelSelector objects over labels. A missing selector selects nothing, an empty one everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.plugins.node_affinity import matches_expression

Obj = dict[str, Any]


def selects(selector: Obj | None, labels: Mapping[str, str]) -> bool:
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(matches_expression(e, labels) for e in selector.get("matchExpressions") or ())


def with_match_keys(selector: Obj | None, keys: list[str], labels: Mapping[str, str]) -> Obj | None:
    """The selector narrowed to pods that agree with `labels` on `keys` (matchLabelKeys)."""
    values = {key: labels[key] for key in keys if key in labels}
    if selector is None or not values:
        return selector
    return {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **values}}

"""matchLabelKeys and mismatchLabelKeys: a new pod's own labels, written into the selectors that name their keys.

Source: KEP-3633 (pod affinity), KEP-3243 (topology spread).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Obj = dict[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _terms(spec: Obj) -> Iterator[Obj]:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        for each in affinity.get(_PREFERRED) or ():
            yield each.get("podAffinityTerm") or {}
        yield from affinity.get(_REQUIRED) or ()
    yield from spec.get("topologySpreadConstraints") or ()


def merge_label_keys(spec: Obj, labels: Mapping[str, str]) -> None:
    """Changes `spec` in place. A selector that is absent selects nothing, and stays so."""
    for term in _terms(spec):
        selector = term.get("labelSelector")
        if selector is None:
            continue
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            for key in term.get(field) or ():
                if key in labels:
                    wanted = {"key": key, "operator": operator, "values": [labels[key]]}
                    selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), wanted]

"""Whether a toleration bears a taint: read by every plugin that looks at taints.

Source: Kubernetes "Taints and Tolerations".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Obj = dict[str, Any]


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """An empty effect matches every effect; an empty key with Exists every taint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    if not toleration.get("key"):
        return False
    asked, there = toleration.get("value") or "", taint.get("value") or ""
    if operator in ("Lt", "Gt"):
        return _compares(there, operator, asked)
    return bool(asked == there)


def _compares(there: str, operator: str, asked: str) -> bool:
    """Numeric tolerations: the taint's value is less (Lt) or more (Gt) than the toleration's."""
    try:
        return int(there) < int(asked) if operator == "Lt" else int(there) > int(asked)
    except ValueError:
        return False


def find_untolerated(
    taints: Iterable[Obj], tolerations: Sequence[Obj], effects: frozenset[str]
) -> Obj | None:
    """The first taint with one of `effects` that nothing tolerates."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None

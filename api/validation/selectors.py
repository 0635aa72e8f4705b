"""Label selectors of objects that may have had odd values in them before values were looked at."""

from __future__ import annotations

from typing import Any

from api.validation.scheduling import validate_selector
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

__all__ = ["has_odd_values", "validate_selector"]


def has_odd_values(selector: Obj | None) -> bool:
    """Whether expressions of an old selector have values that no label can have."""
    return any(".values[" in cause.field for cause in validate_label_selector(selector, ""))

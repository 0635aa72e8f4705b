"""What is wrong with a field, in upstream's words: builders of `errors.Cause`.

The message of a cause is field.Error's body (`Invalid value: "x": must be ...`), its field the path; a
path is a plain string such as `spec.containers[0].name`.

Source: apimachinery util/validation/field.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from machinery.errors import Cause

# In place of a value that is too large to be told.
OMITTED = object()


def quote(text: str) -> str:
    """Go's %q for ordinary text."""
    return json.dumps(text, ensure_ascii=False)


def show(value: Any) -> str:
    """A value as field.Error prints it: strings quoted, numbers and booleans plain, the rest as JSON."""
    if isinstance(value, str):
        return quote(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.translate(_ESCAPED) if isinstance(value, (dict, list)) else text


# As in JSON that may stand in HTML, which is what field.Error makes of structures.
_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def invalid_value(path: str, value: Any, detail: str) -> Cause:
    if value is OMITTED:
        return Cause("FieldValueInvalid", f"Invalid value: {detail}", path)
    return Cause("FieldValueInvalid", f"Invalid value: {show(value)}: {detail}", path)


def type_invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", f"Invalid value: {show(value)}: {detail}", path)


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", path)


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", path)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    names = ", ".join(quote(name) for name in supported)
    detail = f": supported values: {names}" if names else ""
    return Cause("FieldValueNotSupported", f"Unsupported value: {show(value)}{detail}", path)


def duplicate(path: str, value: Any) -> Cause:
    if value is OMITTED:
        return Cause("FieldValueDuplicate", "Duplicate value", path)
    return Cause("FieldValueDuplicate", f"Duplicate value: {show(value)}", path)


def not_found_value(path: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {show(value)}", path)


def too_long(path: str, limit_bytes: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit_bytes} bytes", path)


def too_many(path: str, actual: int, limit: int) -> Cause:
    noun = "item" if limit == 1 else "items"
    return Cause("FieldValueTooMany", f"Too many: {actual}: must have at most {limit} {noun}", path)


def wrong_kind(obj: Mapping[str, Any], kinds: Collection[str], api_versions: Collection[str]) -> list[Cause]:
    """Nothing for a document of one of the kinds, in one of the versions."""
    said, kind = obj.get("apiVersion"), obj.get("kind")
    if kind in kinds and said in api_versions:
        return []
    return [not_supported("apiVersion", f"{said} {kind}", api_versions)]


def immutable(path: str, value: Any) -> Cause:
    return invalid_value(path, value, "field is immutable")

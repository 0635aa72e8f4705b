"""Judges the values of custom resources by the JSON schema of their version, all errors at once.

Works on the schema as it was written, not on the pruning tree, because junctors (anyOf, oneOf, allOf, not) hold
fragments that say nothing about structure. Messages are those a Kubernetes API server gives.

CEL rules (x-kubernetes-validations) come after this, in `rules.py`.
"""

from __future__ import annotations

import math
from typing import Any

from api.apiextensions.v1.formats import is_format
from api.validation.errors import Errors
from machinery import names, patterns
from machinery.errors import Cause

Json = dict[str, Any]


def validate_value(errors: Errors, value: Any, schema: Json, path: str) -> None:
    """Everything that is wrong with `value` and what lies in it."""
    if value is None:
        if schema.get("nullable") or not schema.get("type"):
            return
        _wrong_type(errors, value, schema["type"], path)
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            _wrong_type(errors, value, "integer,string", path)
            return
    elif schema.get("type") and not _has_type(value, schema["type"]):
        _wrong_type(errors, value, schema["type"], path)
        return
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        errors.not_supported(path, value, [_plain(each) for each in schema["enum"]])
    match value:
        case bool():
            pass
        case str():
            _validate_string(errors, value, schema, path)
        case int() | float():
            _validate_number(errors, value, schema, path)
        case list():
            _validate_list(errors, value, schema, path)
        case dict():
            _validate_object(errors, value, schema, path)
    _validate_junctors(errors, value, schema, path)


def _wrong_type(errors: Errors, value: Any, wanted: str, path: str) -> None:
    actual = _type_of(value)
    errors.type_invalid(path, actual, f'{path} in body must be of type {wanted}: "{actual}"')


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _has_type(value: Any, wanted: str) -> bool:
    actual = _type_of(value)
    if wanted == "number":
        return actual in ("number", "integer")
    if wanted == "integer" and actual == "number":
        return float(value).is_integer()
    return actual == wanted


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: True is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _validate_string(errors: Errors, value: str, schema: Json, path: str) -> None:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        errors.too_long(path, longest)
    if shortest is not None and len(value) < shortest:
        errors.invalid(path, value, f"{path} in body should be at least {shortest} chars long")
    pattern = schema.get("pattern")
    if pattern and not patterns.finds(pattern, value):
        errors.invalid(path, value, f"{path} in body should match '{pattern}'")
    format_ = schema.get("format")
    if format_ and not is_format(format_, value):
        errors.invalid(path, value, f'{path} in body must be of type {format_}: "{value}"')


def _validate_number(errors: Errors, value: float, schema: Json, path: str) -> None:
    most, least, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if most is not None:
        if schema.get("exclusiveMaximum"):
            if value >= most:
                errors.invalid(path, value, f"{path} in body should be less than {_number(most)}")
        elif value > most:
            errors.invalid(path, value, f"{path} in body should be less than or equal to {_number(most)}")
    if least is not None:
        if schema.get("exclusiveMinimum"):
            if value <= least:
                errors.invalid(path, value, f"{path} in body should be greater than {_number(least)}")
        elif value < least:
            errors.invalid(path, value, f"{path} in body should be greater than or equal to {_number(least)}")
    if step:
        ratio = value / step
        if math.isinf(ratio) or not math.isclose(ratio, round(ratio), rel_tol=1e-12, abs_tol=1e-12):
            errors.invalid(path, value, f"{path} in body should be a multiple of {_number(step)}")
    ranges = {"int32": 2**31, "int64": 2**63}
    bound = ranges.get(schema.get("format", ""))
    if bound is not None and not -bound <= value < bound:
        format_ = schema["format"]
        errors.invalid(path, value, f"Checked value must be of type integer with format {format_} in {path}")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _validate_list(errors: Errors, value: list[Any], schema: Json, path: str) -> None:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        errors.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        errors.invalid(path, len(value), f"{path} in body should have at least {least} items")
    items = schema.get("items")
    if isinstance(items, dict):
        for index, item in enumerate(value):
            validate_value(errors, item, items, f"{path}[{index}]")
    match schema.get("x-kubernetes-list-type"):
        case "set":
            _validate_distinct(errors, value, path)
        case "map":
            keys = schema.get("x-kubernetes-list-map-keys") or ()
            identities = [
                {key: item[key] for key in keys if key in item} if isinstance(item, dict) else item
                for item in value
            ]
            _validate_distinct(errors, identities, path)


def _validate_distinct(errors: Errors, values: list[Any], path: str) -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        key = _frozen(value)
        if key in seen:
            errors.duplicate(f"{path}[{index}]", value)
        seen.add(key)


def _frozen(value: Any) -> str:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _validate_object(errors: Errors, value: Json, schema: Json, path: str) -> None:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        errors.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        errors.invalid(path, value, f"{path} in body should have at least {least} properties")
    for name in schema.get("required") or ():
        if name not in value:
            errors.required(_child(path, name))
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    for name, item in value.items():
        if name in properties:
            validate_value(errors, item, properties[name], _child(path, name))
        elif isinstance(additional, dict):
            validate_value(errors, item, additional, _child(path, name))
    if schema.get("x-kubernetes-embedded-resource"):
        _validate_embedded(errors, value, path)


def _validate_embedded(errors: Errors, value: Json, path: str) -> None:
    """An object within an object says what it is, and its metadata is like any other's."""
    for name in ("apiVersion", "kind"):
        if not value.get(name):
            errors.required(_child(path, name), "must not be empty")
    metadata = value.get("metadata")
    if metadata is None:
        return
    at = _child(path, "metadata")
    if not isinstance(metadata, dict):
        _wrong_type(errors, metadata, "object", at)
        return
    called = metadata.get("name")
    if isinstance(called, str) and called:
        errors.invalid_each(f"{at}.name", called, names.path_segment(called))
    for key, judge in (("labels", names.labels), ("annotations", names.annotations)):
        said = metadata.get(key)
        if isinstance(said, dict) and all(isinstance(each, str) for each in said.values()):
            errors.causes += judge(said, f"{at}.{key}")
        elif said is not None:
            _wrong_type(errors, said, "object of strings", f"{at}.{key}")


def _child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _validate_junctors(errors: Errors, value: Any, schema: Json, path: str) -> None:
    shown = path or "<nil>"
    for branch in schema.get("allOf") or ():
        found = _errors_of(value, branch, path)
        if found:
            errors.causes += found
            errors.invalid(path, value, f'"{shown}" must validate all the schemas (allOf)')
    if schema.get("anyOf"):
        results = [_errors_of(value, branch, path) for branch in schema["anyOf"]]
        if all(results):
            errors.invalid(path, value, f'"{shown}" must validate at least one schema (anyOf)')
            errors.causes += _fewest(results)
    if schema.get("oneOf"):
        results = [_errors_of(value, branch, path) for branch in schema["oneOf"]]
        good = sum(not each for each in results)
        if good != 1:
            extra = "Found none valid" if good == 0 else f"Found {good} valid alternatives"
            errors.invalid(path, value, f'"{shown}" must validate one and only one schema (oneOf). {extra}')
            if good == 0:
                errors.causes += _fewest(results)
    if isinstance(schema.get("not"), dict) and not _errors_of(value, schema["not"], path):
        errors.invalid(path, value, f'"{shown}" must not validate the schema (not)')


def _fewest(results: list[list[Cause]]) -> list[Cause]:
    """The errors of the branch that came nearest."""
    return min(results, key=lambda each: len(each))


def _errors_of(value: Any, schema: Json, path: str) -> list[Cause]:
    errors = Errors()
    validate_value(errors, value, schema, path)
    return errors.causes

"""Judges the values of custom resources by the JSON schema of their version, all errors at once.

Works on the schema as it was written, not on the pruning tree, because junctors (anyOf, oneOf, allOf, not) hold
fragments that say nothing about structure. Messages are those a Kubernetes API server gives.

CEL rules (x-kubernetes-validations) come after this, in `rules.py`.
"""

from __future__ import annotations

import math
from typing import Any

import orjson

from api.apiextensions.v1.choices import is_among
from api.apiextensions.v1.formats import is_format, is_known
from api.validation.errors import EnoughErrors, Errors
from machinery import names, patterns
from machinery.errors import Cause

Json = dict[str, Any]

NOWHERE = "<nil>"  # of errors that upstream gives no place, though their words may name one


_JUNCTORS = frozenset(("anyOf", "oneOf", "allOf", "not"))


class _Nothing:
    """Of a value that has no past: it is new, or stands where old and new cannot be told to be the same."""


NEW = _Nothing()


def validate_value(errors: Errors, value: Any, schema: Json, path: str, was: Any = NEW) -> None:
    """Everything that is wrong with `value` and what lies in it, by the schema's own words.

    What stands as it `was` is forgiven: a schema may have become stricter.
    """
    if was is not NEW and stands(value, was):
        return
    if value is not None:
        _validate_type(errors, value, schema, path)
        if not _JUNCTORS.isdisjoint(schema):
            _validate_junctors(errors, value, schema, path, was)
    elif schema.get("type") and not schema.get("nullable"):
        _wrong_type(errors, value, schema["type"], path)
    match value:
        case str():
            _validate_string(errors, value, schema, path)
        case int() | float() if not isinstance(value, bool):
            _validate_number(errors, value, schema, path)
        case list():
            _validate_list(errors, value, schema, path, was)
    if schema.get("enum") is not None and not is_among(value, schema["enum"]):
        errors.not_supported(path, value, [_plain(each) for each in schema["enum"]])
    if isinstance(value, dict):
        _validate_object(errors, value, schema, path, was)


def _validate_type(errors: Errors, value: Any, schema: Json, path: str) -> None:
    kind = schema.get("type") or ""
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not (isinstance(value, (int, str)) or _has_type(value, "integer")):
            _wrong_type(errors, value, "integer,string", path)
        return
    format_ = schema.get("format") or ""
    if kind == "string" and format_ and is_known(format_, kind):
        # What has a format is judged by it alone; lists slip through.
        if not isinstance(value, (str, list)):
            errors.type_invalid(
                path, _FORMATS.get(type(value), ""), _of_type(path, format_, _FORMATS.get(type(value), ""))
            )
        return
    if kind and not _has_type(value, kind):
        _wrong_type(errors, value, kind, path)


_FORMATS: dict[type, str] = {int: "int64", float: "double"}


def _of_type(path: str, wanted: str, shown: str) -> str:
    return f'{path} in body must be of type {wanted}: "{shown}"'


def stands(value: Any, was: Any) -> bool:
    """True is not 1, whatever Python says."""
    return bool(value == was) and (value is was or _frozen(value) == _frozen(was))


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
            return "integer" if -_MAX_INT64 - 1 <= value <= _MAX_INT64 else "number"
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
        return float(value).is_integer() and abs(value) <= _MAX_EXACT
    return actual == wanted


_MAX_INT64, _MAX_EXACT = 2**63 - 1, 2**53 - 1


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _validate_string(errors: Errors, value: str, schema: Json, path: str) -> None:
    """Of its length and pattern only the first that is wrong is told."""
    longest, shortest, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if longest is not None and len(value) > longest:
        errors.too_long(path, longest)
    elif shortest is not None and len(value) < shortest:
        errors.invalid(path, value, f"{path} in body should be at least {shortest} chars long")
    elif pattern and not patterns.finds(pattern, value):
        errors.invalid(path, value, f"{path} in body should match '{pattern}'")
    format_ = schema.get("format")
    if format_ and schema.get("type") in (None, "", "string") and not is_format(format_, value):
        errors.type_invalid(path, value, _of_type(path, format_, value))


def _validate_number(errors: Errors, value: float, schema: Json, path: str) -> None:
    _validate_range(errors, value, schema, path)
    most, least, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if step:
        ratio = value / step
        if math.isinf(ratio) or not math.isclose(ratio, round(ratio), rel_tol=1e-12, abs_tol=1e-12):
            errors.invalid(path, value, f"{path} in body should be a multiple of {_number(step)}")
    if least is not None:
        if schema.get("exclusiveMinimum"):
            if value <= least:
                errors.invalid(path, value, f"{path} in body should be greater than {_number(least)}")
        elif value < least:
            errors.invalid(path, value, f"{path} in body should be greater than or equal to {_number(least)}")
    if most is not None:
        if schema.get("exclusiveMaximum"):
            if value >= most:
                errors.invalid(path, value, f"{path} in body should be less than {_number(most)}")
        elif value > most:
            errors.invalid(path, value, f"{path} in body should be less than or equal to {_number(most)}")


def _validate_range(errors: Errors, value: float, schema: Json, path: str) -> None:
    """Whole numbers fit into what they are kept in."""
    if schema.get("type") != "integer":
        return
    format_ = schema.get("format") or ""
    bound = 2**31 if format_ == "int32" else 2**63
    if float(value).is_integer() and -bound <= value < bound:
        return
    said = f" with format {format_}" if format_ in ("int32", "int64") else " (default format)"
    errors.invalid(NOWHERE, "", f"Checked value must be of type integer{said} in {path}")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _validate_list(errors: Errors, value: list[Any], schema: Json, path: str, was: Any) -> None:
    items = schema.get("items")
    if isinstance(items, dict):
        known = _by_keys(was, schema) if isinstance(was, list) else {}
        for index, item in enumerate(value):
            before = known.get(_frozen(_keys_of(item, schema)), NEW) if known else NEW
            validate_value(errors, item, items, f"{path}[{index}]", before)
    most, least = schema.get("maxItems"), schema.get("minItems")
    if least is not None and len(value) < least:
        errors.invalid(path, len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        errors.too_many(path, len(value), most)


def _keys_of(item: Any, schema: Json) -> Any:
    """What tells an item of a list of type map from the others."""
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return {key: item[key] for key in keys if key in item} if isinstance(item, dict) else {}


def _by_keys(items: list[Any], schema: Json) -> dict[str, Any]:
    if schema.get("x-kubernetes-list-type") != "map":
        return {}
    out: dict[str, Any] = {}
    for item in items:
        out.setdefault(_frozen(_keys_of(item, schema)), item)
    return out


def validate_lists(errors: Errors, value: Any, schema: Json, path: str) -> None:
    """Lists that are sets or maps hold nothing twice, wherever they are."""
    if isinstance(value, list):
        match schema.get("x-kubernetes-list-type"):
            case "set":
                _validate_distinct(errors, value, path)
            case "map":
                _validate_keys(errors, value, schema, path)
        if isinstance(schema.get("items"), dict):
            for index, item in enumerate(value):
                validate_lists(errors, item, schema["items"], f"{path}[{index}]")
    elif isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, item in value.items():
            if not isinstance(item, (dict, list)):
                continue
            if name in properties:
                validate_lists(errors, item, properties[name], _child(path, name))
            elif isinstance(additional, dict):
                validate_lists(errors, item, additional, f"{path}[{name}]")


def _validate_keys(errors: Errors, value: list[Any], schema: Json, path: str) -> None:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            message = "must be an object for an array of list-type map"
            errors.invalid(f"{path}[{index}]", item, message)
            return
    _validate_distinct(errors, [_keys_of(item, schema) for item in value], path)


def _validate_distinct(errors: Errors, values: list[Any], path: str) -> None:
    """Told once of each value, at its second place."""
    times: dict[str, int] = {}
    for index, value in enumerate(values):
        key = _frozen(value)
        times[key] = times.get(key, 0) + 1
        if times[key] == 2:
            errors.duplicate(f"{path}[{index}]", value)


def _frozen(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _validate_object(errors: Errors, value: Json, schema: Json, path: str, was: Any) -> None:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if least is not None and len(value) < least:
        errors.invalid(path, len(value), f"{path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        errors.too_many(path, len(value), most)
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    before = was if isinstance(was, dict) else {}
    for name, item in value.items():
        if name in properties:
            validate_value(errors, item, properties[name], _child(path, name), before.get(name, NEW))
        elif isinstance(additional, dict):
            validate_value(errors, item, additional, _child(path, name), before.get(name, NEW))
    for name in schema.get("required") or ():
        if name not in value:
            errors.required(_child(path, name))


def _validate_envelope(errors: Errors, value: Json, path: str) -> None:
    """An object within an object says what it is, and its metadata is like any other's."""
    for name in ("apiVersion", "kind"):
        if name not in value:
            errors.required(_child(path, name))
    for name, said in value.items():
        at = _child(path, name)
        if name in ("apiVersion", "kind"):
            if not isinstance(said, str):
                errors.invalid(at, said, "must be a string")
            elif not said:
                errors.invalid(at, said, "must not be empty")
            elif name == "apiVersion" and said.count("/") > 1:
                errors.invalid(at, said, f"unexpected GroupVersion string: {said}")
            elif name == "kind" and (wrong := names.dns1035_label(said.lower())):
                message = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
                errors.invalid(at, said, message)
        elif name == "metadata" and isinstance(said, dict):
            _validate_metadata(errors, said, at)
        elif name == "metadata":
            wanted = "json: cannot unmarshal {} into Go value of type v1.ObjectMeta"
            errors.invalid(at, said, wanted.format(_type_of(said)))


def _validate_metadata(errors: Errors, metadata: Json, path: str) -> None:
    for field in ("generateName", "name"):
        called = metadata.get(field)
        if isinstance(called, str) and called:
            errors.invalid_each(f"{path}.{field}", called, names.path_segment(called))
    for key, judge in (("labels", names.labels), ("annotations", names.annotations)):
        said = metadata.get(key)
        if isinstance(said, dict) and all(isinstance(each, str) for each in said.values()):
            errors.causes += judge(said, f"{path}.{key}")
        elif said is not None:
            wanted = f"json: cannot unmarshal into Go struct field ObjectMeta.{key} of type map[string]string"
            errors.invalid(f"{path}.{key}", said, wanted)


def validate_embedded(errors: Errors, value: Any, schema: Json, path: str) -> None:
    """Objects within objects, wherever the schema says that they are."""
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            validate_embedded(errors, item, schema["items"], f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if schema.get("x-kubernetes-embedded-resource"):
        _validate_envelope(errors, value, path)
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, item in value.items():
        if not isinstance(item, (dict, list)):
            continue
        if name in properties:
            validate_embedded(errors, item, properties[name], _child(path, name))
        elif isinstance(additional, dict):
            validate_embedded(errors, item, additional, f"{path}[{name}]")


def _child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _validate_junctors(errors: Errors, value: Any, schema: Json, path: str, was: Any) -> None:
    """Which of the branches hold; what is wrong with the nearest is told as well."""

    def refuse(why: str) -> None:
        errors.invalid(NOWHERE, "", f'"{path}" must {why}')

    if branches := schema.get("anyOf"):
        found = [_errors_of(value, branch, path, was) for branch in branches]
        if all(found):
            refuse("validate at least one schema (anyOf)")
            errors.causes += _nearest(branches, found, value)
    if branches := schema.get("oneOf"):
        found = [_errors_of(value, branch, path, was) for branch in branches]
        good = sum(not each for each in found)
        if good == 0:
            refuse("validate one and only one schema (oneOf). Found none valid")
            errors.causes += _nearest(branches, found, value)
        elif good > 1:
            refuse(f"validate one and only one schema (oneOf). Found {good} valid alternatives")
    if branches := schema.get("allOf"):
        found = [_errors_of(value, branch, path, was) for branch in branches]
        for each in found:
            errors.causes += each
        if any(found):
            refuse(f"validate all the schemas (allOf){'. None validated' if all(found) else ''}")
    if isinstance(schema.get("not"), dict) and not _errors_of(value, schema["not"], path, was):
        refuse("not validate the schema (not)")


def _nearest(branches: list[Json], found: list[list[Cause]], value: Any) -> list[Cause]:
    """The errors of the first of the branches that speak of most of the value."""
    return max(zip(branches, found, strict=True), key=lambda pair: _reach(pair[0], value))[1]


def _reach(schema: Json, value: Any) -> int:
    if isinstance(value, dict):
        below = (schema.get("properties") or {}).items()
        return sum(1 + _reach(child, value[name]) for name, child in below if name in value)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return sum(1 + _reach(schema["items"], item) for item in value)
    return 0


def _errors_of(value: Any, schema: Json, path: str, was: Any) -> list[Cause]:
    """Of a branch, which may have more errors than are told: others may hold."""
    errors = Errors()
    try:
        validate_value(errors, value, schema, path, was)
    except EnoughErrors as enough:
        return list(enough.causes)
    return errors.causes

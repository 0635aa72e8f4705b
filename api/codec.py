"""Turns what a client sent into a clean object of a kind, or says everything that is wrong with it.

Two paths over one Schema, equal in their results:
* fast: a pydantic-core validator made from the Schema once, which checks and copies the whole object in a few
  microseconds, and converts quantities and times on the way. It knows only "good" and "not good".
* slow (`_Reader`), taken when the fast one says "not good": walks the object in Python, drops nulls, prunes and
  collects unknown fields, and names every mismatch with its path, in the words a Go server uses.

Nulls mean "absent", as for a Go server: a null field is dropped (but where nulls are what such a server writes; `normal.py`
drops those), a null list item or map value becomes the type's empty value. Nothing is ever defaulted or validated beyond types here; a wrong enum value is validation's.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from api.normal import Normaliser, born
from machinery.clock import ZERO_TIME_S, rfc3339, rfc3339_micro
from machinery.errors import MAX_CAUSES, BadRequest, Cause
from machinery.quantity import canonical
from machinery.schema import Schema

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

Obj = dict[str, Any]

_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
# Go reads hours of one digit, and a comma before the fraction.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d{1,2}:\d\d:\d\d)([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_MICRO_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d{1,2}:\d\d:\d\d)([.,]\d{6})(Z|[+-]\d\d:\d\d)", re.ASCII)
_ZERO_TIMES = frozenset({rfc3339(ZERO_TIME_S), rfc3339_micro(ZERO_TIME_S)})
_CANONICAL_TIME = re.compile(
    r"(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII
)


class TypedCodec:
    """The Codec of a kind whose Schema is complete. The validator is made at first use."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._validator: SchemaValidator | None = None
        self._normaliser = Normaliser(schema)

    def decode(self, raw: Any) -> tuple[Obj, list[str]]:
        if self._validator is None:
            self._validator = _compile(self._schema)
        try:
            obj: Obj = self._validator.validate_python(raw)
        except ValueError:
            return self._decode_slowly(raw)
        return obj, []

    def repair(self, raw: Obj) -> Obj:
        return self.decode(raw)[0]

    def forget(self, obj: Obj) -> None:
        self._normaliser.forget(obj)

    def complete(self, obj: Obj) -> None:
        self._normaliser.complete(obj)

    def _decode_slowly(self, raw: Any) -> tuple[Obj, list[str]]:
        reader = _Reader(self._schema)
        obj = reader.read(raw, self._schema, "", "", "")
        if reader.mismatches:
            several = reader.mismatches[:MAX_CAUSES] if len(reader.mismatches) > 1 else ()
            raise BadRequest(reader.message(raw), causes=several)
        return obj, reader.unknown


def read_time(value: str) -> str:
    """metav1.Time: whole seconds in UTC. ValueError where it is no RFC 3339 time."""
    if len(value) == 20 and _CANONICAL_TIME.fullmatch(value):
        return value
    return _parse_time(value, _TIME).isoformat()[:19] + "Z"


def read_micro_time(value: str) -> str:
    """metav1.MicroTime: with six digits of the second, no more and no fewer."""
    return _parse_time(value, _MICRO_TIME).isoformat(timespec="microseconds")[:26] + "Z"


def _parse_time(value: str, shape: re.Pattern[str]) -> datetime:
    found = shape.fullmatch(value)
    if found is None:
        raise ValueError("no time of this form")
    date, clock, fraction, zone = found.groups()
    if zone == "Z":
        ahead_s = 0
    else:
        hours, minutes = int(zone[1:3]), int(zone[4:])
        if hours > 24 or minutes > 59:
            raise ValueError("time zone out of range")
        ahead_s = (hours * 60 + minutes) * (-60 if zone[0] == "-" else 60)
    said = datetime.fromisoformat(f"{date}T{clock:0>8}" + (fraction or "").replace(",", ".")[:7] + "Z")
    try:
        return said - timedelta(seconds=ahead_s)
    except OverflowError as error:
        raise ValueError("beyond the years 1 to 9999") from error


class _ZeroTimeError(ValueError):
    """The first moment of the year 1, which to a Go server says that there is no time: as good as null."""


def _unless_zero(read: Callable[[str], str]) -> Callable[[str], str]:
    def convert(value: str) -> str:
        text = read(value)
        if text in _ZERO_TIMES:
            raise _ZeroTimeError(text)
        return text

    return convert


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def read_bytes(value: str) -> str:
    """Base64, checked and kept as it is but for line breaks, which encoders like to add."""
    text = value.replace("\n", "").replace("\r", "")
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        place = next((index for index, char in enumerate(text) if char not in _BASE64), len(text) // 4 * 4)
        raise ValueError(f"illegal base64 data at input byte {place}") from error
    return text


_STRINGS: dict[str, Callable[[str], str]] = {
    "date-time": _unless_zero(read_time),
    "micro-time": _unless_zero(read_micro_time),
    "byte": read_bytes,
}


# --- the fast path -----------------------------------------------------------------------------------------


def _compile(schema: Schema) -> SchemaValidator:
    from pydantic_core import SchemaValidator, core_schema

    made: dict[str, Any] = {}
    under_way: set[str] = set()
    recursive: set[str] = set()
    definitions: list[Any] = []

    def build(node: Schema) -> Any:
        match node.kind:
            case "object":
                return build_object(node)
            case "map":
                assert node.values is not None
                return core_schema.dict_schema(core_schema.str_schema(strict=True), build(node.values))
            case "list":
                assert node.items is not None
                return core_schema.list_schema(build(node.items), strict=True)
            case "string":
                return build_string(node)
            case "integer":
                low, high = _RANGES.get(node.format, (None, None))
                return core_schema.int_schema(strict=True, ge=low, le=high)
            case "number":
                return core_schema.no_info_plain_validator_function(_fast_number)
            case "boolean":
                return core_schema.bool_schema(strict=True)
            case _:
                return build_any(node)

    def build_object(node: Schema) -> Any:
        """A type is written out wherever it is used, which saves the guard against recursion;
        only one that refers to itself becomes a definition."""
        if node.preserve_unknown:
            return core_schema.dict_schema(strict=True)
        if node.name in made:
            return made[node.name]
        if node.name in under_way:
            recursive.add(node.name)
            return core_schema.definition_reference_schema(node.name)
        under_way.add(node.name)
        nulls = _null_from_birth(node)
        fields = {
            name: core_schema.typed_dict_field(
                core_schema.nullable_schema(build(child)) if name in nulls else build(child), required=False
            )
            for name, child in node.fields.items()
        }
        under_way.discard(node.name)
        built: Any = core_schema.typed_dict_schema(
            fields,
            extra_behavior="forbid",
            strict=True,
            ref=node.name if node.name in recursive else None,
        )
        if node.name in recursive:
            definitions.append(built)
            built = core_schema.definition_reference_schema(node.name)
        made[node.name] = built
        return built

    def build_string(node: Schema) -> Any:
        if node.int_or_string:
            low, high = _RANGES["int32"]
            number = core_schema.int_schema(strict=True, ge=low, le=high)
            return core_schema.union_schema(
                [core_schema.str_schema(strict=True), number], mode="left_to_right"
            )
        if node.format == "quantity":
            return core_schema.no_info_plain_validator_function(_fast_quantity)
        text = core_schema.str_schema(strict=True)
        convert = _STRINGS.get(node.format)
        return core_schema.no_info_after_validator_function(convert, text) if convert else text

    def build_any(node: Schema) -> Any:
        if node.items is None:
            return core_schema.any_schema()
        other = {
            "schema-or-bool": core_schema.bool_schema(strict=True),
            "schema-or-array": core_schema.list_schema(build(node.items), strict=True),
            "schema-or-strings": core_schema.list_schema(core_schema.str_schema(strict=True), strict=True),
        }[node.format]
        return core_schema.union_schema([build(node.items), other], mode="left_to_right")

    root = build(schema)
    return SchemaValidator(core_schema.definitions_schema(root, definitions))


def _null_from_birth(node: Schema) -> frozenset[str]:
    """Fields that upstream writes as nulls: clients send them back, and that is no reason to read slowly."""
    return frozenset(name for name, zero in born(node).items() if zero is None)


def _fast_quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("not a quantity")
    return canonical(value)


def _fast_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("not a number")
    return value


# --- the slow path -----------------------------------------------------------------------------------------


class _Reader:
    """One walk over one object; `unknown` and `mismatches` tell what it met."""

    def __init__(self, schema: Schema) -> None:
        self.unknown: list[str] = []
        self.mismatches: list[Cause] = []
        self._root = schema

    def message(self, raw: Any) -> str:
        """`Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal ...`."""
        text = "; ".join(cause.message for cause in self.mismatches[:MAX_CAUSES])
        if not self._root.gvks:
            return text
        _, version, kind = self._root.gvks[0]
        sent = raw.get("kind", kind) if isinstance(raw, dict) else kind
        return f'{sent} in version "{version}" cannot be handled as a {kind}: {text}'

    def read(self, value: Any, node: Schema, path: str, owner: str, field: str) -> Any:
        """`path` has indices (spec.containers[0].name); `owner` is the Go struct and `field` its path without."""
        match node.kind:
            case "object":
                if not isinstance(value, dict):
                    return self._mismatch(value, node, path, owner, field)
                return value if node.preserve_unknown else self._read_object(value, node, path, field)
            case "map":
                if not isinstance(value, dict) or node.values is None:
                    return self._mismatch(value, node, path, owner, field)
                return {
                    key: self._item(item, node.values, f"{path}[{key}]", owner, field)
                    for key, item in value.items()
                }
            case "list":
                if not isinstance(value, list) or node.items is None:
                    return self._mismatch(value, node, path, owner, field)
                return [
                    self._item(item, node.items, f"{path}[{index}]", owner, field)
                    for index, item in enumerate(value)
                ]
            case "any":
                return self._read_any(value, node, path, owner, field)
            case _:
                return self._read_scalar(value, node, path, owner, field)

    def _read_object(self, value: Obj, node: Schema, path: str, field: str) -> Obj:
        out: Obj = {}
        owner = node.name.rpartition(".")[2]
        for name, item in value.items():
            child = node.fields.get(name)
            child_path = f"{path}.{name}" if path else name
            if child is None:
                self.unknown.append(child_path)
            else:
                inner = f"{field}.{name}" if field else name
                read = None if item is None else self.read(item, child, child_path, owner, inner)
                if read is not None or child.format == "json" or name in _null_from_birth(node):
                    out[name] = read
        return out

    def _item(self, value: Any, node: Schema, path: str, owner: str, field: str) -> Any:
        if value is None and node.kind != "any":
            return _empty(node)
        return self.read(value, node, path, owner, field)

    def _read_any(self, value: Any, node: Schema, path: str, owner: str, field: str) -> Any:
        if node.items is None:
            return value
        if isinstance(value, dict):
            return self.read(value, node.items, path, owner, field)
        if node.format == "schema-or-bool" and isinstance(value, bool):
            return value
        if node.format == "schema-or-array" and isinstance(value, list):
            return self.read(value, Schema("list", items=node.items), path, owner, field)
        if node.format == "schema-or-strings" and isinstance(value, list):
            return self.read(value, Schema("list", items=Schema("string")), path, owner, field)
        return self._mismatch(value, node, path, owner, field)

    def _read_scalar(self, value: Any, node: Schema, path: str, owner: str, field: str) -> Any:
        if _fits(value, node):
            try:
                if node.format == "quantity":
                    return canonical(value)
                convert = _STRINGS.get(node.format)
                return convert(value) if convert else value
            except _ZeroTimeError:
                return None
            except ValueError as error:
                return self._refuse(path, f"{_why_malformed(value, node, error)}")
        return self._mismatch(value, node, path, owner, field)

    def _mismatch(self, value: Any, node: Schema, path: str, owner: str, field: str) -> Any:
        place = f"Go struct field {owner}.{field}" if owner else "Go value"
        what = f"json: cannot unmarshal {_json_kind(value, node)} into {place} of type {_go_type(node)}"
        return self._refuse(path, what)

    def _refuse(self, path: str, message: str) -> Any:
        self.mismatches.append(Cause("FieldValueTypeInvalid", message, path))
        return None


def _fits(value: Any, node: Schema) -> bool:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    match node.kind:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            low, high = _RANGES.get(node.format, _RANGES["int64"])
            return is_int and low <= value <= high
        case "number":
            return is_int or isinstance(value, float)
    if node.int_or_string:
        return isinstance(value, str) or (is_int and -(2**31) <= value < 2**31)
    if node.format == "quantity":
        return isinstance(value, (str, float)) or is_int
    return isinstance(value, str)


def _why_malformed(value: Any, node: Schema, error: ValueError) -> str:
    if node.format in ("date-time", "micro-time"):
        layout = (
            "2006-01-02T15:04:05Z07:00" if node.format == "date-time" else "2006-01-02T15:04:05.000000Z07:00"
        )
        return f'parsing time "{value}" as "{layout}": cannot parse "{value}" as a time'
    return str(error)


def _json_kind(value: Any, node: Schema) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
        case int() | float() if node.kind == "integer":
            return f"number {value}"
        case int() | float():
            return "number"
    return "null"


def _go_type(node: Schema) -> str:
    match node.kind:
        case "integer":
            return node.format or "int64"
        case "boolean":
            return "bool"
        case "number":
            return "float64"
        case "list":
            return f"[]{_go_type(node.items)}" if node.items else "[]interface {}"
        case "map":
            return f"map[string]{_go_type(node.values)}" if node.values else "map[string]interface {}"
    if node.name:
        package, _, name = node.name.rpartition(".")
        return f"{package.rpartition('.')[2]}.{name}"
    return {"byte": "[]uint8"}.get(node.format, "string")


def _empty(node: Schema) -> Any:
    """What a Go server makes of a null where a value must stand."""
    return {"object": {}, "map": {}, "list": [], "integer": 0, "number": 0, "boolean": False}.get(
        node.kind, "0" if node.format == "quantity" else ""
    )

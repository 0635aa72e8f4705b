"""Kubernetes' protobuf bodies, decoded by a Schema tree into the same dict that JSON would give.

kubectl's generators and client-go's typed clients send their requests in this form. A body is `k8s\\0`, then
a runtime.Unknown that names apiVersion and kind and holds the object's own message. `Schema.proto` gives the
field numbers; `proto_inline` the messages that JSON flattens; `format` the types with a form of their own:

    date-time, micro-time (seconds, nanos)   quantity (text)   int-or-string (type, int, text)
    duration (nanoseconds)   byte   raw-extension, fields-v1, json (JSON in bytes)
    schema-or-bool, schema-or-array, schema-or-strings (of CustomResourceDefinitions)

Unknown field numbers are skipped, as protobuf wants. Zero values that Go's JSON would leave out are left out
(`Schema.pointers`). Nesting is bounded.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import orjson

from machinery.clock import ZERO_TIME_S, rfc3339, rfc3339_of_micros
from machinery.codec.json_ import MAX_DEPTH as MAX_JSON_DEPTH
from machinery.codec.json_ import is_deeper
from machinery.codec.wire import BYTES, FIXED32, FIXED64, VARINT, ProtobufError, fields, signed, varint
from machinery.durations import format_duration
from machinery.schema import Schema

__all__ = ["MAGIC", "ProtobufError", "decode", "decode_message", "envelope"]

MAGIC = b"k8s\x00"
MAX_DEPTH = 100
Obj = dict[str, Any]
_ABSENT = object()

# A message's fields by number: (name, schema), or ("", schema) for one that JSON flattens.
_Table = dict[int, tuple[str, Schema]]
_tables: dict[Schema, _Table] = {}


def envelope(body: bytes) -> tuple[str, str, memoryview]:
    """(apiVersion, kind, the object's message) of a body. Raises ProtobufError."""
    if body[:4] != MAGIC:
        raise ProtobufError(
            "provided data does not appear to be a protobuf message, expected prefix k8s\\x00"
        )
    api_version = kind = ""
    raw = memoryview(b"")
    for number, wire, _, data in fields(memoryview(body)[4:]):
        if wire != BYTES:
            continue
        if number == 1:
            for inner, inner_wire, _, text in fields(data):
                if inner_wire == BYTES and inner == 1:
                    api_version = _text(text)
                elif inner_wire == BYTES and inner == 2:
                    kind = _text(text)
        elif number == 2:
            raw = data
        elif number == 3 and data:
            raise ProtobufError(f"unknown content encoding {_text(data)!r}")
    return api_version, kind, raw


def decode(body: bytes, schema: Schema) -> Obj:
    """The object in a body, with its apiVersion and kind. Raises ProtobufError."""
    api_version, kind, raw = envelope(body)
    out: Obj = {}
    if api_version:
        out["apiVersion"] = api_version
    if kind:
        out["kind"] = kind
    out.update(decode_message(raw, schema))
    if is_deeper(out, MAX_JSON_DEPTH):
        raise ProtobufError(f"object is nested deeper than {MAX_JSON_DEPTH} levels")
    return out


def decode_message(data: bytes | memoryview, schema: Schema) -> Obj:
    """One message by the schema of an object."""
    return _message(memoryview(data), schema, 0)


def _table(schema: Schema) -> _Table:
    table = _tables.get(schema)
    if table is None:
        table = {child.proto: (name, child) for name, child in schema.fields.items() if child.proto}
        table.update({number: ("", part) for number, part in schema.proto_inline.items()})
        _tables[schema] = table
    return table


def _message(data: memoryview, schema: Schema, depth: int) -> Obj:
    if depth > MAX_DEPTH:
        raise ProtobufError(f"message is nested deeper than {MAX_DEPTH} levels")
    table = _table(schema)
    out: Obj = {}
    for number, wire, value, payload in fields(data):
        found = table.get(number)
        if found is None:
            continue
        name, child = found
        if not name:
            _expect(wire, BYTES, schema.name)
            out.update(_message(payload, child, depth + 1))
        elif child.kind == "list" and child.items is not None:
            _list_field(out, name, child.items, wire, value, payload, depth)
        elif child.kind == "map" and child.values is not None:
            _expect(wire, BYTES, name)
            key, item = _entry(payload, child.values, depth)
            out.setdefault(name, {})[key] = item
        else:
            decoded = _value(child, wire, value, payload, depth)
            if decoded is not _ABSENT and not _is_silent(name, child, decoded, schema):
                out[name] = decoded
    return out


def _is_silent(name: str, schema: Schema, value: Any, parent: Schema) -> bool:
    """A zero that JSON would leave out."""
    kind = type(value)
    if value or value is None or kind is dict or kind is list or schema.kind == "any":
        return False
    return name not in parent.always and name not in parent.pointers


def _expect(wire: int, wanted: int, where: str) -> None:
    if wire != wanted:
        raise ProtobufError(f"wrong wireType = {wire} for field {where}")


def _list_field(
    out: Obj, name: str, items: Schema, wire: int, value: int, payload: memoryview, depth: int
) -> None:
    into = out.setdefault(name, [])
    if wire == BYTES and items.kind in ("integer", "boolean") and not items.int_or_string:
        position = 0
        while position < len(payload):
            number, position = varint(payload, position)
            into.append(bool(number) if items.kind == "boolean" else signed(number))
        return
    decoded = _value(items, wire, value, payload, depth)
    into.append({} if decoded is _ABSENT else decoded)


def _entry(data: memoryview, values: Schema, depth: int) -> tuple[str, Any]:
    """One pair of a map."""
    key = ""
    item: Any = _ABSENT
    for number, wire, value, payload in fields(data):
        if number == 1:
            key = _text(payload) if wire == BYTES else str(signed(value))
        elif number == 2:
            item = _value(values, wire, value, payload, depth + 1)
    if item is _ABSENT:
        item = _zero(values)
    return key, item


def _zero(schema: Schema) -> Any:
    match schema.kind:
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case "list":
            return []
        case "object" | "map" | "any":
            return {}
        case _:
            return "0" if schema.format == "quantity" else ""


def _value(schema: Schema, wire: int, value: int, payload: memoryview, depth: int) -> Any:
    special = _SPECIAL.get(schema.format)
    if special is None and schema.int_or_string:
        special = _int_or_string
    if special is not None:
        _expect(wire, BYTES, schema.format)
        return special(payload, schema, depth)
    match schema.kind:
        case "string":
            _expect(wire, BYTES, "string")
            return _text(payload)
        case "integer":
            _expect(wire, VARINT, "integer")
            return signed(value)
        case "boolean":
            _expect(wire, VARINT, "boolean")
            return bool(value)
        case "number":
            return _number(wire, value, payload)
        case "object":
            _expect(wire, BYTES, schema.name or "message")
            return _message(payload, schema, depth + 1)
        case "list" if schema.items is not None:  # a list as a message of its own, in maps and lists
            _expect(wire, BYTES, "list")
            out: Obj = {}
            for number, inner_wire, inner_value, inner in fields(payload):
                if number == 1:
                    _list_field(out, "items", schema.items, inner_wire, inner_value, inner, depth + 1)
            return out.get("items", [])
        case _:
            _expect(wire, BYTES, schema.kind)
            return _raw_json(payload, schema, depth)


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise ProtobufError(f"string is not UTF-8: {error.reason}") from error


def _number(wire: int, value: int, payload: memoryview) -> float | int:
    if wire == FIXED64:
        number: float = struct.unpack("<d", payload)[0]
    elif wire == FIXED32:
        number = struct.unpack("<f", payload)[0]
    else:
        return signed(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _numbers(data: memoryview) -> dict[int, int]:
    """The integer fields of a small message."""
    return {number: signed(value) for number, wire, value, _ in fields(data) if wire == VARINT}


def _bytes_of(data: memoryview, wanted: int) -> memoryview | None:
    found = None
    for number, wire, _, payload in fields(data):
        if number == wanted and wire == BYTES:
            found = payload
    return found


# Types with a form of their own


def _time(data: memoryview, schema: Schema, depth: int) -> Any:
    """Go's zero time is an empty message, and null in JSON. Fractions of a second are none of a Time's."""
    seconds = _numbers(data).get(1, 0) if data else ZERO_TIME_S
    return _ABSENT if seconds == ZERO_TIME_S else _in_range(seconds, rfc3339, seconds)


def _micro_time(data: memoryview, schema: Schema, depth: int) -> Any:
    """Nanoseconds lose what is below a microsecond, then count on from the second: back where they are negative."""
    numbers = _numbers(data) if data else {1: ZERO_TIME_S}
    seconds, nanos = numbers.get(1, 0), numbers.get(2, 0)
    epoch_us = seconds * 10**6 + (nanos // 1000 if nanos >= 0 else -(-nanos // 1000))
    return _ABSENT if epoch_us == ZERO_TIME_S * 10**6 else _in_range(epoch_us, rfc3339_of_micros, seconds)


def _in_range(moment: int, written: Callable[[int], str], seconds: int) -> str:
    try:
        return written(moment)
    except (ValueError, OverflowError, OSError) as error:
        raise ProtobufError(f"time out of range: {seconds}") from error


def _quantity(data: memoryview, schema: Schema, depth: int) -> Any:
    text = _bytes_of(data, 1)
    return _text(text) if text else "0"


def _int_or_string(data: memoryview, schema: Schema, depth: int) -> Any:
    numbers = _numbers(data)
    if numbers.get(1, 0) == 1:
        text = _bytes_of(data, 3)
        return _text(text) if text is not None else ""
    return numbers.get(2, 0)


def _duration(data: memoryview, schema: Schema, depth: int) -> Any:
    return format_duration(_numbers(data).get(1, 0) / 1e9)


def _byte(data: memoryview, schema: Schema, depth: int) -> Any:
    return base64.b64encode(data).decode()


def _raw_json(data: memoryview, schema: Schema, depth: int) -> Any:
    raw = _bytes_of(data, 1)
    if not raw:
        return _ABSENT
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ProtobufError(f"a field that must hold JSON does not: {error}") from error


def _parts(
    data: memoryview, schema: Schema, depth: int
) -> tuple[int | None, list[memoryview], list[memoryview]]:
    """(number 1 as an integer, number 1 as messages, number 2) of the unions below."""
    flag: int | None = None
    first: list[memoryview] = []
    second: list[memoryview] = []
    for number, wire, value, payload in fields(data):
        if number == 1 and wire == VARINT:
            flag = value
        elif number == 1:
            first.append(payload)
        elif number == 2:
            second.append(payload)
    return flag, first, second


def _schema_or_bool(data: memoryview, schema: Schema, depth: int) -> Any:
    flag, _, second = _parts(data, schema, depth)
    if second and schema.items is not None:
        return _message(second[0], schema.items, depth + 1)
    return bool(flag)


def _schema_or_array(data: memoryview, schema: Schema, depth: int) -> Any:
    _, first, second = _parts(data, schema, depth)
    if schema.items is None:
        return _ABSENT
    if second:
        return [_message(part, schema.items, depth + 1) for part in second]
    return _message(first[0], schema.items, depth + 1) if first else _ABSENT


def _schema_or_strings(data: memoryview, schema: Schema, depth: int) -> Any:
    _, first, second = _parts(data, schema, depth)
    if first and schema.items is not None:
        return _message(first[0], schema.items, depth + 1)
    return [_text(part) for part in second]


_SPECIAL = {
    "date-time": _time,
    "micro-time": _micro_time,
    "quantity": _quantity,
    "int-or-string": _int_or_string,
    "duration": _duration,
    "byte": _byte,
    "raw-extension": _raw_json,
    "fields-v1": _raw_json,
    "json": _raw_json,
    "schema-or-bool": _schema_or_bool,
    "schema-or-array": _schema_or_array,
    "schema-or-strings": _schema_or_strings,
}

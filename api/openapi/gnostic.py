"""An OpenAPI 2.0 document in gnostic's protobuf form, which is what kubectl asks for at /openapi/v2.

Only the messages that `document_v2` makes are known: paths, operations, parameters, responses, schemas, extensions.
Source: gnostic's OpenAPIv2.proto (field numbers). Media type application/com.github.proto-openapi.spec.v2@v1.0+protobuf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import pack
from typing import Any

import orjson

Json = Mapping[str, Any]

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

_SCHEMA_TEXT = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_SCHEMA_INT = {
    "maxLength": 11,
    "minLength": 12,
    "maxItems": 14,
    "minItems": 15,
    "maxProperties": 17,
    "minProperties": 18,
}
_SCHEMA_DOUBLE = {"multipleOf": 6, "maximum": 7, "minimum": 9}
_SCHEMA_BOOL = {"exclusiveMaximum": 8, "exclusiveMinimum": 10, "uniqueItems": 16}
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def encode(document: Json) -> bytes:
    info = document["info"]
    return b"".join(
        (
            _text(1, document["swagger"]),
            _message(2, _text(1, info["title"]) + _text(2, info["version"])),
            _message(8, b"".join(_named(2, k, _path_item(v)) for k, v in document["paths"].items())),
            _message(9, b"".join(_named(1, k, _schema(v)) for k, v in document["definitions"].items())),
        )
    )


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _message(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode()) if value else b""


def _texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(_message(number, value.encode()) for value in values)


def _flag(number: int, value: bool) -> bytes:
    return _varint(number << 3) + b"\x01" if value else b""


def _named(number: int, name: str, value: bytes) -> bytes:
    """A pair {name = 1, value = 2}, as gnostic writes maps."""
    return _message(number, _message(1, name.encode()) + _message(2, value))


def _any(value: Any) -> bytes:
    """Any {yaml = 2}: JSON is YAML."""
    return _text(2, orjson.dumps(value).decode())


def _extensions(number: int, source: Json) -> bytes:
    return b"".join(_named(number, k, _any(v)) for k, v in source.items() if k.startswith("x-"))


def _path_item(item: Json) -> bytes:
    out = b"".join(
        _message(number, _operation(item[method])) for method, number in _METHODS.items() if method in item
    )
    return out + b"".join(_message(9, _parameter(each)) for each in item.get("parameters") or ())


def _operation(operation: Json) -> bytes:
    responses = b"".join(
        _named(1, code, _message(1, _response(answer))) for code, answer in operation["responses"].items()
    )
    return b"".join(
        (
            _texts(1, operation["tags"]),
            _text(3, operation["description"]),
            _text(5, operation["operationId"]),
            _texts(6, operation["produces"]),
            _texts(7, operation["consumes"]),
            b"".join(_message(8, _parameter(each)) for each in operation["parameters"]),
            _message(9, responses),
            _extensions(13, operation),
        )
    )


def _response(answer: Json) -> bytes:
    out = _text(1, answer["description"])
    return out + _message(2, _message(1, _schema(answer["schema"]))) if "schema" in answer else out


def _parameter(parameter: Json) -> bytes:
    """ParametersItem {parameter = 1 {body = 1 | non_body = 2 {query = 3 | path = 4}}}."""
    where, name = parameter["in"], parameter["name"]
    required, description = parameter.get("required", False), parameter.get("description", "")
    if where == "body":
        body = _text(1, description) + _text(2, name) + _text(3, "body") + _flag(4, required)
        return _message(1, _message(1, body + _message(5, _schema(parameter["schema"]))))
    common = _flag(1, required) + _text(2, where) + _text(3, description) + _text(4, name)
    if where == "query":
        return _message(1, _message(2, _message(3, common + _text(6, parameter["type"]))))
    return _message(1, _message(2, _message(4, common + _text(5, parameter["type"]))))


def _schema(schema: Json) -> bytes:
    out = [_text(number, schema[word]) for word, number in _SCHEMA_TEXT.items() if word in schema]
    if "default" in schema:
        out.append(_message(5, _any(schema["default"])))
    out += [
        _varint(number << 3 | 1) + pack("<d", float(schema[word]))
        for word, number in _SCHEMA_DOUBLE.items()
        if word in schema
    ]
    out += [_flag(number, schema.get(word, False)) for word, number in _SCHEMA_BOOL.items()]
    out += [
        _varint(number << 3) + _varint(int(schema[w])) for w, number in _SCHEMA_INT.items() if w in schema
    ]
    out.append(_texts(19, schema.get("required") or ()))
    out += [_message(20, _any(each)) for each in schema.get("enum") or ()]
    if "additionalProperties" in schema:
        out.append(_message(21, _additional(schema["additionalProperties"])))
    if "type" in schema:
        out.append(_message(22, _message(1, schema["type"].encode())))
    if "items" in schema:
        out.append(_message(23, _message(1, _schema(schema["items"]))))
    out += [_message(24, _schema(each)) for each in schema.get("allOf") or ()]
    if "properties" in schema:
        properties = b"".join(_named(1, k, _schema(v)) for k, v in schema["properties"].items())
        out.append(_message(25, properties))
    if "externalDocs" in schema:
        docs = schema["externalDocs"]
        out.append(_message(29, _text(1, docs.get("description", "")) + _text(2, docs.get("url", ""))))
    if "example" in schema:
        out.append(_message(30, _any(schema["example"])))
    out.append(_extensions(31, schema))
    return b"".join(out)


def _additional(what: Json | bool) -> bytes:
    """AdditionalPropertiesItem {schema = 1 | boolean = 2}: of the latter also false is said."""
    return _varint(2 << 3) + bytes([what]) if isinstance(what, bool) else _message(1, _schema(what))

"""From a request's parsed body to a clean object of the kind, with fieldValidation's verdict.

In: what JSON, YAML or protobuf held, as plain data. Out: the object, in the served version, without unknown
fields. Unknown and duplicate fields are an error (Strict), a warning (Warn) or nothing (Ignore).
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from api.builtin import Body
from api.resource import Obj
from apiserver.engine.engine import Call
from machinery.errors import BadRequest

_KEY_END = re.compile(rb'"\s*:')
_MAX_NAMED = 10


def parse_json(body: bytes) -> Any:
    """Raises BadRequest with the place of the mistake."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the object provided is unrecognized (must be of type JSON): {error}") from None


def duplicate_fields(body: bytes, parsed: Any) -> list[str]:
    """Paths of keys that stand twice in one JSON object. Cheap where there are none.

    A parsed body written again has as many keys as the original unless some were repeated; only then is the
    body read a second time, key by key.
    """
    if len(_KEY_END.findall(body)) <= orjson.dumps(parsed).count(b'":'):
        return []
    found: list[str] = []

    class Pairs(list[tuple[str, Any]]):
        """An object whose keys are kept in the order and number in which they came."""

    def walk(value: Any, path: str) -> None:
        if isinstance(value, Pairs):
            seen: set[str] = set()
            for key, inner in value:
                where = f"{path}.{key}" if path else key
                if key in seen:
                    found.append(where)
                seen.add(key)
                walk(inner, where)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                walk(inner, f"{path}[{at}]")

    walk(json.loads(body, object_pairs_hook=Pairs), "")
    return found


def decode(call: Call, raw: Any, duplicates: list[str] | None = None, body: Body | None = None) -> Obj:
    """Check the body's kind, let its codec clean it, and judge what that did not know.

    `body` is what the endpoint takes where that is not the resource itself.
    """
    resource = call.served.resource
    kind, api_version, codec = resource.kind, resource.gvr.api_version, resource.codec
    if body is not None:
        kind, codec = body.kind, body.codec
        api_version = f"{body.group}/{body.version}" if body.group else body.version
    if not isinstance(raw, dict):
        raise BadRequest(f"the body must be a {kind} object")
    check_kind(raw, api_version, kind)
    raw["apiVersion"] = api_version
    raw["kind"] = kind
    obj, unknown = codec().decode(raw)
    judge_fields(call, kind, api_version, unknown, duplicates or [])
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    return obj


def check_kind(raw: dict[str, Any], api_version: str, kind: str) -> None:
    """An object that says another kind than the endpoint's is refused; one that says none is taken as it."""
    said_version, said_kind = raw.get("apiVersion") or api_version, raw.get("kind") or kind
    if said_version != api_version:
        raise BadRequest(
            f"the API version in the data ({said_version}) does not match the expected API version ({api_version})"
        )
    if said_kind != kind:
        version = json.dumps(api_version.rpartition("/")[2])
        raise BadRequest(
            f"{said_kind} in version {version} cannot be handled as a {kind}: the kinds do not match"
        )


def judge_fields(call: Call, kind: str, api_version: str, unknown: list[str], duplicates: list[str]) -> None:
    """Unknown and duplicate fields, by fieldValidation: an error, warnings, or nothing."""
    if not unknown and not duplicates:
        return
    mode = call.options.field_validation
    if mode == "Ignore":
        return
    messages = [f'duplicate field "{path}"' for path in duplicates]
    messages += [f'unknown field "{path}"' for path in unknown]
    if mode == "Strict":
        version = json.dumps(api_version.rpartition("/")[2])
        raise BadRequest(
            f"{kind} in version {version} cannot be handled as a {kind}: strict decoding error: {', '.join(messages)}"
        )
    call.warnings.extend(messages[:_MAX_NAMED])
    if len(messages) > _MAX_NAMED:
        call.warnings.append(f"and {len(messages) - _MAX_NAMED} more unknown or duplicate fields")

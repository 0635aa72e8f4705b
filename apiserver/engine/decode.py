"""From a request's parsed body to a clean object of the kind, with fieldValidation's verdict.

In: what JSON, YAML or protobuf held, as plain data. Out: the object, in the served version, without unknown
fields. Unknown and duplicate fields are an error (Strict), a warning (Warn) or nothing (Ignore).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from api.builtin import Body
from api.resource import Obj
from apiserver.engine.engine import Call
from machinery import field_errors
from machinery.codec import json_
from machinery.errors import MAX_CAUSES, BadRequest, TooLarge, invalid

_MAX_NAMED = 10
_BEGINNING = 30  # bytes of a body that a refusal repeats
MAX_VALUES = (
    250_000  # in one body, keys and items alike: what an object of 3 MiB can mean, not what its commas can
)


class Parsed(NamedTuple):
    """A body as plain data, the paths of keys that stand twice in it (in YAML: the reader's words), and its text."""

    data: Any
    duplicates: list[str] = []  # noqa: RUF012 (never changed)
    text: bytes = b""
    is_yaml: bool = False


def parse_json(body: bytes) -> Parsed:
    """Raises BadRequest with the place of the mistake.

    Keys that stand twice are looked for where there are some.
    """
    try:
        data = json_.loads(body)
    except json_.JsonError as error:
        raise BadRequest(f"the object provided is unrecognized (must be of type JSON): {error}") from None
    if len(body) > MAX_VALUES and body.count(b",") + body.count(b"{") + body.count(b"[") > MAX_VALUES:
        refuse_many(data)
    if has_unique_keys(body, data):
        return Parsed(data, [], body)
    return Parsed(data, json_.duplicate_fields(body), body)


def has_unique_keys(body: bytes, data: Any) -> bool:
    """Whether certainly no key stands twice in an object of `body`, which holds `data`; False asks for a closer look.

    A repeated key takes a colon of the text with it, and only where one is written `\\u003a` does `data` have more of
    them than its text.
    """
    if b"\\" in body and (b"\\u003a" in body or b"\\u003A" in body):
        return False
    return body.count(b":") == orjson.dumps(data).count(b":")


def refuse_many(data: Any) -> None:
    """Raises TooLarge where a body holds more values than anybody's needs to: each costs far more than its bytes."""
    if json_.is_larger(data, MAX_VALUES):
        raise TooLarge(f"Request entity too large: it holds more than {MAX_VALUES} values")


def decode(
    call: Call,
    raw: Any,
    source: Parsed | None = None,
    body: Body | None = None,
    patch: Sequence[str] | None = None,
) -> Obj:
    """Check the body's kind, let its codec clean it, and judge what that did not know.

    `source` is the text that `raw` came from, or `patch` is what was strange in the patch that made it;
    `body` is what the endpoint takes where that is not the resource itself.
    """
    resource = call.served.resource
    kind, api_version, codec = resource.kind, resource.gvr.api_version, resource.codec
    if body is not None:
        kind, codec = body.kind, body.codec
        api_version = f"{body.group}/{body.version}" if body.group else body.version
    if not isinstance(raw, dict):
        raise BadRequest(f"the body must be a {kind} object")
    if body is not None and raw.get("apiVersion") in [f"{body.group}/{version}" for version in body.older]:
        raw["apiVersion"] = api_version
    said = raw.get("kind") or kind
    if resource.custom and body is None:
        _refuse_untold(raw, api_version, kind)
    if resource.custom and body is None and said != kind and isinstance(said, str):
        refused = field_errors.invalid_value("kind", said, f"must be {kind}")
        name = raw["metadata"].get("name", "") if isinstance(raw.get("metadata"), dict) else ""
        raise invalid(call.group, said, name, [refused])
    check_kind(raw, api_version, kind)
    raw["apiVersion"] = api_version
    raw["kind"] = kind
    obj, unknown = codec().decode(raw)
    if patch is None:
        judge_fields(call, kind, api_version, unknown, source)
    else:
        _tell(call, kind, api_version, [*patch, *(f'unknown field "{path}"' for path in unknown)])
    if body is None:
        codec().forget(obj)
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    return obj


def _refuse_untold(raw: dict[str, Any], api_version: str, kind: str) -> None:
    """Custom objects say what they are; those of built-in kinds may leave it to the path."""
    unknown = f"the object provided is unrecognized (must be of type {kind}): "
    if not raw.get("kind"):
        text = orjson.dumps(raw)
        raise BadRequest(f"{unknown}Object 'Kind' is missing in '{text.decode()}' ({_begun(text)})")
    said = raw.get("apiVersion") or ""
    if said != api_version:
        if isinstance(said, str) and said.count("/") > 1:
            shown = _begun(orjson.dumps(raw))
            raise BadRequest(f"{unknown}unexpected GroupVersion string: {said} ({shown})")
        raise BadRequest(
            f"the API version in the data ({said}) does not match the expected API version ({api_version})"
        )


def _begun(text: bytes) -> str:
    return text.decode() if len(text) <= _BEGINNING else text[:_BEGINNING].decode("utf-8", "replace") + " ..."


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


def judge_fields(
    call: Call,
    kind: str,
    api_version: str,
    unknown: list[str],
    source: Parsed | None,
    *,
    applied: bool = False,
) -> None:
    """Unknown and duplicate fields, by fieldValidation: an error, warnings, or nothing."""
    duplicates = source.duplicates if source is not None else []
    if not unknown and not duplicates:
        return
    mode = call.options.field_validation
    if mode == "Ignore":
        return
    strange = set(unknown)
    found: list[tuple[str, str]] = [(path, f'unknown field "{path}"') for path in unknown]
    if source is not None and source.is_yaml and duplicates:
        if applied and mode == "Strict":
            raise BadRequest(
                f"error strict decoding YAML: error converting YAML to JSON: {_in_yaml(duplicates)}"
            )
        twice = [_in_yaml(duplicates)] if mode == "Strict" else duplicates
        found = [*(("", text) for text in twice), *found]
    else:
        found += [(path, f'duplicate field "{path}"') for path in duplicates if path not in strange]
    if source is not None and source.is_yaml:
        pass  # what stands twice was told first
    elif call.served.resource.custom:
        found = found[len(unknown) :] + found[: len(unknown)]  # theirs come sorted, after what stands twice
    elif source is not None and len(found) > 1 and source.text[:1] == b"{":
        places = _places(source.text)
        found.sort(key=lambda each: places.get(_mark(each[0]), -1))
    _tell(call, kind, api_version, [message for _, message in found])


def _tell(call: Call, kind: str, api_version: str, messages: list[str]) -> None:
    """Each message once. Raises BadRequest in mode Strict."""
    mode, messages = call.options.field_validation, list(dict.fromkeys(messages))
    if mode == "Ignore" or not messages:
        return
    if mode == "Strict":
        if len(messages) > MAX_CAUSES:
            messages = [*messages[:MAX_CAUSES], f"and {len(messages) - MAX_CAUSES} more"]
        version = json.dumps(api_version.rpartition("/")[2])
        raise BadRequest(
            f"{kind} in version {version} cannot be handled as a {kind}: strict decoding error: {', '.join(messages)}"
        )
    call.warnings.extend(messages[:_MAX_NAMED])
    if len(messages) > _MAX_NAMED:
        call.warnings.append(f"and {len(messages) - _MAX_NAMED} more unknown or duplicate fields")


def _in_yaml(duplicates: list[str]) -> str:
    return "yaml: unmarshal errors:\n" + "\n".join(f"  {each}" for each in duplicates)


_Mark = tuple[
    int, int
]  # a path's checksum and length: made of that of the way there, without the path itself


def _mark(step: str, before: _Mark = (0, 0)) -> _Mark:
    text = step.encode("utf-8", "surrogatepass")
    return zlib.crc32(text, before[0]), before[1] + len(text)


def _places(text: bytes) -> dict[_Mark, int]:
    """Where each path first stands in a JSON text: mistakes are told in the order a reader meets them. Paths are not kept:
    with a long key on the way, they are far larger than the text."""
    places: dict[_Mark, int] = {}
    stack: list[tuple[Any, _Mark]] = [(orjson.loads(text), _mark(""))]
    while stack:
        value, mark = stack.pop()
        places[mark] = len(places)
        if isinstance(value, dict):
            inner = [(item, _mark(f".{key}" if mark[1] else key, mark)) for key, item in value.items()]
        elif isinstance(value, list):
            inner = [(item, _mark(f"[{at}]", mark)) for at, item in enumerate(value)]
        else:
            continue
        stack.extend(reversed(inner))
    return places

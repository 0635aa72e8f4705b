"""Custom resources as they are read: what their version's schema does not know is taken away.

    obj, unknown = StructuralCodec(schema).decode(raw)

Nulls go where the schema does not allow them (a default comes in their place), numbers without a fraction are whole,
metadata is that of every object, also in objects within objects: there alone a wrong type is an error here; the rest is
for validation to say.

Source: apiextensions-apiserver pkg/apiserver/schema/{pruning,objectmeta,defaulting}.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from api.codec import TypedCodec
from machinery import field_errors
from machinery.errors import BadRequest, Cause
from machinery.field_errors import show
from machinery.schema import Schema

Obj = dict[str, Any]

_ENVELOPE = ("apiVersion", "kind", "metadata")
_MAX_WHOLE = 2.0**63
_MAX_TOLD_CHARS = 4 * 1024 * 1024
_NESTED = (dict, list, float)  # what is not simply taken as it is


class _Unknown(list[str]):
    """Paths of unknown fields, up to a bound in all: below a long key they are far larger than what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self._left_chars = _MAX_TOLD_CHARS

    def append(self, path: str) -> None:
        if self._left_chars > 0:
            super().append(path)
            self._left_chars -= len(path)


class StructuralCodec:
    """Types are judged by validation; only the envelopes must be right here."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._metadata = TypedCodec(schema.fields["metadata"])
        self._repairing: _Repairing | None = None
        _, self._version, self._kind = schema.gvks[0] if schema.gvks else ("", "", "")

    def decode(self, raw: Any) -> tuple[Obj, list[str]]:
        if not isinstance(raw, dict):
            raise BadRequest("json: cannot unmarshal into Go value of type map[string]interface {}")
        unknown: list[str] = _Unknown()
        metadata = raw.get("metadata")
        out: Obj = self._object(raw, self._schema, "", unknown)
        if metadata is not None:
            try:
                out["metadata"], strange = self._metadata.decode(metadata)
            except BadRequest as error:
                raise self._refuse(error.message) from error
            unknown += [f"metadata.{path}" for path in strange]
        else:
            out.pop("metadata", None)
        return out, sorted(unknown)

    def forget(self, obj: Obj) -> None:
        """Custom objects are kept as they were sent."""

    def complete(self, obj: Obj) -> None:
        """Nothing but what was sent and defaulted."""

    def repair(self, raw: Obj) -> Obj:
        """Of an object that was stored under another schema: of its envelopes, what does not fit goes as well."""
        if self._repairing is None:
            self._repairing = _Repairing(self._schema)
        return self._repairing.repair(raw)

    def _refuse(self, why: str) -> BadRequest:
        kind, version = self._kind, json.dumps(self._version)
        return BadRequest(f"{kind} in version {version} cannot be handled as a {kind}: {why}")

    def _clean(
        self, value: Any, schema: Schema | None, path: str, unknown: list[str], *, keeps: bool = False
    ) -> Any:
        """Without a schema nothing in a map is known. `keeps`: of the items of a list that keeps what is unknown."""
        kind = type(value)
        if kind is dict:
            return self._object(value, schema, path, unknown, keeps=keeps)
        if kind is list:
            items = schema.items if schema is not None and schema.kind == "list" else None
            keeps = keeps or (schema is not None and schema.preserve_unknown)
            if items is None and keeps:
                return _kept(value)
            return [
                self._clean(item, items, f"{path}[{index}]", unknown, keeps=keeps)
                if type(item) in _NESTED
                else item
                for index, item in enumerate(value)
            ]
        return _whole(value) if kind is float else value

    def _object(
        self, value: Obj, schema: Schema | None, path: str, unknown: list[str], *, keeps: bool = False
    ) -> Obj:
        out: Obj = {}
        fields = schema.fields if schema is not None else {}
        is_map = schema is not None and schema.kind == "map"
        keeps = keeps or (schema is not None and schema.preserve_unknown)
        embedded = schema is not None and schema.embedded_resource and path != ""
        for name, item in value.items():
            if embedded and name in _ENVELOPE:
                fitting = self._envelope(name, item, _child(path, name), unknown)
                if fitting is not None:
                    out[name] = fitting
                continue
            if path == "" and name in _ENVELOPE:
                out[name] = item
                continue
            child = fields.get(name)
            if child is None and is_map:
                child = _values(schema)
                if child is None:
                    out[name] = self._clean(item, None, _child(path, name), unknown)
                    continue
            if child is None:
                if keeps:
                    out[name] = _kept(item)
                else:
                    unknown.append(_child(path, name))
            elif type(item) in _NESTED:
                out[name] = self._clean(item, child, _child(path, name), unknown)
            elif item is not None or child.nullable:
                out[name] = item
        return out

    def _envelope(self, name: str, item: Any, path: str, unknown: list[str]) -> Any:
        if name != "metadata":
            if not isinstance(item, str):
                raise self._refuse(f"{path}: Invalid value: {show(item)}: must be a string")
            return item
        try:
            metadata, strange = self._metadata.decode(item if item is not None else {})
        except BadRequest as error:
            raise self._refuse(f"{path}: Invalid value: {show(item)}: {error.message}") from error
        unknown += [f"{path}.{each}" for each in strange]
        return metadata


class _Repairing(StructuralCodec):
    """Drops what the others refuse."""

    def decode(self, raw: Any) -> tuple[Obj, list[str]]:
        try:
            return super().decode(raw)
        except BadRequest:
            return super().decode({**raw, "metadata": self._fitting(raw["metadata"])})

    def repair(self, raw: Obj) -> Obj:
        return self.decode(raw)[0]

    def _envelope(self, name: str, item: Any, path: str, unknown: list[str]) -> Any:
        if name != "metadata":
            return item if isinstance(item, str) else None
        return self._fitting(item)

    def _fitting(self, metadata: Any) -> Obj:
        out: Obj = {}
        for name, item in metadata.items() if isinstance(metadata, dict) else ():
            try:
                out |= self._metadata.decode({name: item})[0]
            except BadRequest:
                continue
        return out


def misplaced_nulls(value: Any, schema: Schema | None, path: str = "") -> Iterator[Cause]:
    """Where null stands, and may not, and no default comes in its place. Writes drop these; who applies is told."""
    if isinstance(value, dict) and schema is not None:
        for name, item in value.items():
            child = schema.fields.get(name) or _values(schema)
            if child is None or (path == "" and name in _ENVELOPE):
                continue
            at = _child(path, name)
            if item is not None:
                yield from misplaced_nulls(item, child, at)
            elif not (child.nullable or child.has_default):
                wanted = _SAID.get(child.kind, child.kind)
                wanted = "integer,string" if child.int_or_string else wanted
                if wanted != "any":
                    detail = f'{at} in body must be of type {wanted}: "null"'
                    yield field_errors.type_invalid(at, "null", detail)
    elif isinstance(value, list) and schema is not None:
        for index, item in enumerate(value):
            yield from misplaced_nulls(item, schema.items, f"{path}[{index}]")


_SAID = {"map": "object", "list": "array"}


def _values(schema: Schema | None) -> Schema | None:
    """Of a map; None where anything is allowed, which only scalars can make use of."""
    values = schema.values if schema is not None else None
    if values is not None and values.kind == "any" and not values.preserve_unknown:
        return None
    return values


def _kept(value: Any) -> Any:
    """What no schema speaks of, but for its numbers as it was sent."""
    kind = type(value)
    if kind is dict:
        return {name: _kept(item) for name, item in value.items()}
    if kind is list:
        return [_kept(item) for item in value]
    return _whole(value) if kind is float else value


def _whole(value: float) -> float:
    return int(value) if value.is_integer() and -_MAX_WHOLE <= value < _MAX_WHOLE else value


def _child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

"""From a kind's OpenAPI schema to kubectl's text about it or one of its fields. Pure: schemas in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kctl.failure import Failure
from machinery.gvk import GVR

Schema = dict[str, Any]
_REF = "#/components/schemas/"
_KIND = "x-kubernetes-group-version-kind"
_SHORT_ENUM = 4


class Document:
    """The schemas of one group and version, with references followed."""

    def __init__(self, document: Schema) -> None:
        self._schemas: dict[str, Schema] = (document.get("components") or {}).get("schemas") or {}

    def of_kind(self, gvr: GVR) -> Schema | None:
        wanted = {"group": gvr.group, "version": gvr.version, "kind": gvr.kind}
        return next((s for s in self._schemas.values() if wanted in (s.get(_KIND) or ())), None)

    def target(self, schema: Schema) -> Schema:
        """What a reference means; itself where there is none."""
        reference = reference_of(schema)
        return self._schemas.get(reference.removeprefix(_REF), {}) if reference else schema

    def fields(self, schema: Schema) -> tuple[dict[str, Schema], Sequence[str]]:
        """(properties, required ones) of what a schema holds, through lists, maps and references."""
        for inner in _inner(schema):
            if inner is not schema:
                return self.fields(inner)
        target = self.target(schema)
        if target is not schema:
            return self.fields(target)
        return schema.get("properties") or {}, schema.get("required") or ()

    def description(self, schema: Schema) -> str:
        """Its own, then that of what it holds, each on lines of its own."""
        text = f"{schema['description']}\n" if schema.get("description") else ""
        if schema.get("$ref"):
            return text + self.description(self.target(schema))
        parts: list[Schema] = [*_inner(schema), *(schema.get("allOf") or [])]
        return text + "".join(self.description(part) for part in parts)

    def type_text(self, schema: Schema) -> str:
        """`[]ContainerPort`, `map[string]string`, `integer`; what is named but plain goes by its type."""
        if schema.get("items"):
            return f"[]{self.type_text(schema['items'])}"
        if isinstance(schema.get("additionalProperties"), dict):
            return f"map[string]{self.type_text(schema['additionalProperties'])}"
        reference = reference_of(schema)
        if not reference:
            return {"object": "Object"}.get(schema.get("type", "object"), str(schema.get("type")))
        target = self.target(schema)
        if target.get("type", "object") != "object":
            return self.type_text(target)
        return reference.rpartition("/")[2].rpartition(".")[2] or "Object"


def _inner(schema: Schema) -> list[Schema]:
    """The schema of a list's or a map's members."""
    found = [schema.get("items"), schema.get("additionalProperties")]
    return [each for each in found if isinstance(each, dict)]


def reference_of(schema: Schema) -> str:
    only: list[Schema] = schema.get("allOf") or []
    if not schema.get("properties") and len(only) == 1:
        return reference_of(only[0])
    return str(schema.get("$ref", ""))


class Found(NamedTuple):
    name: str
    schema: Schema


def find_field(document: Document, schema: Schema, path: Sequence[str]) -> Found:
    """The field at the end of `path`. Raises Failure where one of them does not exist."""
    name = ""
    for name in path:
        properties, _ = document.fields(schema)
        if name not in properties:
            from difflib import get_close_matches

            near = get_close_matches(name, list(properties), 1, 0.6)
            hint = f". Did you mean {near[0]}?" if near else ""
            raise Failure(f'field "{name}" does not exist{hint}')
        schema = properties[name]
    return Found(name, schema)


def explain(gvr: GVR, document: Document, path: Sequence[str], *, recursive: bool) -> str:
    """The whole text. Raises Failure for a kind or a field that is not there."""
    root = document.of_kind(gvr)
    if root is None:
        raise Failure(f"GVR ({gvr.group or 'core'}/{gvr.version} {gvr.resource}) not found in OpenAPI schema")
    found = find_field(document, root, path)
    lines = [f"GROUP:      {gvr.group}"] if gvr.group else []
    lines += [f"KIND:       {gvr.kind}", f"VERSION:    {gvr.version}", ""]
    if path:
        lines.append(f"FIELD: {found.name} <{document.type_text(found.schema)}>")
        enum = _enum(document, found.schema)
        lines += ["ENUM:", *(f"    {_enum_text(value)}" for value in enum)] if enum else [""]
        lines.append("")
    lines.append("DESCRIPTION:")
    lines += [f"    {line}" for line in wrap(document.description(found.schema) or "<empty>", 76)]
    fields = list(_fields(document, found.schema, 1, recursive, ()))
    lines += ["FIELDS:", *fields] if fields else []
    return "\n".join(lines) + "\n\n"


def _enum(document: Document, schema: Schema) -> list[Any]:
    return schema.get("enum") or (document.target(schema).get("enum") if reference_of(schema) else None) or []


def _enum_text(value: Any) -> str:
    return '""' if value == "" else str(value)


def _fields(
    document: Document, schema: Schema, level: int, recursive: bool, above: tuple[str, ...]
) -> Iterator[str]:
    properties, required = document.fields(schema)
    indent = "  " * level
    for name in sorted(properties):
        field = properties[name]
        mark = " -required-" if name in required else ""
        yield f"{indent}{name}\t<{document.type_text(field)}>{mark}"
        enum = _enum(document, field)
        if enum:
            shown = ", ".join(_enum_text(value) for value in enum[:_SHORT_ENUM])
            yield f"{indent}enum: {shown}{', ....' if len(enum) > _SHORT_ENUM else ''}"
        if not recursive:
            for line in wrap(field.get("description") or "<no description>", 78 - 2 * level):
                yield f"{indent}  {line}"
            yield ""
            continue
        names = _references(field)
        if not any(each in above for each in names):
            yield from _fields(document, field, level + 1, recursive, (*above, *names))


def _references(schema: Schema) -> tuple[str, ...]:
    """What a field refers to, so that a kind within itself is not followed for ever."""
    own = reference_of(schema)
    return ((own,) if own else ()) + tuple(name for inner in _inner(schema) for name in _references(inner))


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width`, broken at spaces only; the text's own line breaks stay."""
    lines = []
    for line in text.split("\n"):
        current = ""
        for word in line.split(" "):
            if current and len(current) + 1 + len(word) > width:
                lines.append(current)
                current = word
            else:
                current = f"{current} {word}" if current else word
        lines.append(current)
    return lines

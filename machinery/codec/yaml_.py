"""YAML as kubectl reads it (and, from `yaml_write`, as it writes it).

Values are JSON's, keys are text. A document is turned into values straight from the parser's events: no
recursion inside libyaml (which a deeply nested text could crash), no aliases shared between values, and
bounds on bytes, depth and the number of values, aliases counted at their full size.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import yaml

from machinery.codec.yaml_scalars import YamlError, resolve_plain
from machinery.codec.yaml_write import dump, dump_documents
from machinery.objects import deep_copy

__all__ = ["Document", "Duplicate", "YamlError", "dump", "dump_documents", "load", "load_documents"]

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 200
_TAG = "tag:yaml.org,2002:"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document(NamedTuple):
    value: Any
    line: int  # of its first content, counted from 1


class Duplicate(NamedTuple):
    key: str
    line: int


def load_documents(
    text: str | bytes,
    *,
    duplicates: list[Duplicate] | None = None,
    most: int | None = None,
    max_nodes: int = MAX_NODES,
) -> list[Document]:
    """Every document of a stream, or the first `most` (an empty one is None). Into `duplicates` go keys that occur twice.

    Raises YamlError. Tabs, syntax errors and the like name the line; so does what is too deep or too large. Its
    `document` counts from 1; 0 before the first begins.
    """
    if len(text) > MAX_BYTES:
        raise YamlError(f"the text has {len(text)} bytes; at most {MAX_BYTES} are read")
    loader = reader = None
    try:
        loader = _Base(text)
        reader = _Reader(loader.get_event, duplicates, max_nodes)
        return list(islice(reader.documents(), most))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        number = reader.number if reader is not None else 0
        raise YamlError(f"yaml: {where}{error.problem or error.context}", number) from error
    except yaml.reader.ReaderError as error:
        raise YamlError(f"yaml: line {_line_of(text, error.position)}: {error.reason}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(f"yaml: {error}") from error
    except YamlError as error:
        error.document = reader.number if reader is not None else 0
        raise
    finally:
        if loader is not None:
            loader.dispose()


def load(text: str | bytes, *, duplicates: list[Duplicate] | None = None, max_nodes: int = MAX_NODES) -> Any:
    """The one document of a text; None where it is empty. YamlError where there are more."""
    documents = load_documents(text, duplicates=duplicates, most=2, max_nodes=max_nodes)
    if len(documents) > 1:
        raise YamlError(f"yaml: line {documents[1].line}: expected a single document in the stream")
    return documents[0].value if documents else None


_OPEN = object()  # an anchor whose value is not complete yet


class _Reader:
    """From the parser's events straight to values, without libyaml's own recursion over nodes.

    An alias is a copy of its anchor's value, and its size counts again.
    """

    def __init__(
        self, next_event: Callable[[], Any], duplicates: list[Duplicate] | None, max_nodes: int
    ) -> None:
        self._max_nodes = max_nodes
        self.number = 0  # of the document that is being read, from 1
        self._next = next_event
        self._count = 0
        self._anchors: dict[str, tuple[Any, int]] = {}  # name → (value, how many nodes it has)
        self._duplicates = duplicates

    def documents(self) -> Iterator[Document]:
        while True:
            event = self._next()
            if isinstance(event, yaml.StreamEndEvent):
                return
            if isinstance(event, yaml.DocumentStartEvent):
                self.number += 1
                first = self._next()
                self._anchors.clear()
                yield Document(self._value(first, 0), first.start_mark.line + 1)

    def _grow(self, nodes: int, line: int) -> None:
        self._count += nodes
        if self._count > self._max_nodes:
            raise YamlError(f"yaml: line {line}: document contains excessive aliasing or content")

    def _value(self, event: Any, depth: int) -> Any:
        line = event.start_mark.line + 1
        self._grow(1, line)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line)
        if depth > MAX_DEPTH:
            raise YamlError(f"yaml: line {line}: nested deeper than {MAX_DEPTH} levels")
        anchor, before = event.anchor, self._count
        if anchor is not None:
            self._anchors[anchor] = (_OPEN, 0)
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = self._mapping(depth)
        if anchor is not None:
            self._anchors[anchor] = (value, self._count - before + 1)
        return value

    def _alias(self, event: Any, line: int) -> Any:
        found = self._anchors.get(event.anchor)
        if found is None:
            raise YamlError(f"yaml: line {line}: unknown anchor '{event.anchor}' referenced")
        value, nodes = found
        if value is _OPEN:
            raise YamlError(f"yaml: line {line}: anchor '{event.anchor}' value contains itself")
        self._grow(nodes, line)
        return deep_copy(value)

    def _sequence(self, depth: int) -> list[Any]:
        out = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            out.append(self._value(event, depth + 1))
        return out

    def _mapping(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                merged.extend(_sources(self._value(self._next(), depth + 1), line))
                continue
            key = _key(self._value(event, depth + 1), line)
            if self._duplicates is not None and key in out:
                self._duplicates.append(Duplicate(key, line))
            out[key] = self._value(self._next(), depth + 1)
        for source in merged:
            for key, value in source.items():
                out.setdefault(key, value)
        return out


def _scalar(event: Any, line: int) -> Any:
    tag = event.tag
    if tag is None or tag == "!":
        return _plain(event.value, line) if event.implicit[0] else event.value
    if tag == _TAG + "str" or tag.startswith("!"):
        return event.value
    if tag == _TAG + "binary":
        try:
            return base64.b64decode(event.value).decode("utf-8", "replace")
        except ValueError:
            raise YamlError(f"yaml: line {line}: !!binary value contains invalid base64 data") from None
    if tag in (_TAG + "int", _TAG + "float", _TAG + "bool", _TAG + "null", _TAG + "timestamp"):
        return _plain(event.value, line)
    raise YamlError(f"yaml: line {line}: unknown tag {tag}")


def _plain(text: str, line: int) -> Any:
    try:
        return resolve_plain(text)
    except YamlError as error:
        raise YamlError(f"yaml: line {line}: {error}") from None


def _line_of(text: str | bytes, position: int) -> int:
    before = text[:position]
    return 1 + (before.count(b"\n") if isinstance(before, bytes) else before.count("\n"))


def _sources(value: Any, line: int) -> list[dict[str, Any]]:
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise YamlError(f"yaml: line {line}: map merge requires map or sequence of maps as the value")
    return sources


def _key(key: Any, line: int) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (int, float)):
        return str(key)
    raise YamlError(f"yaml: line {line}: a key must be text, not {type(key).__name__}")

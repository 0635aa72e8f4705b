"""Objects from `-f`: files, folders, URLs, standard input; several documents each, Lists unfolded.

What cannot be read names the file, the document's number and the line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kctl.failure import Failure

Obj = dict[str, Any]
_SUFFIXES = (".yaml", ".yml", ".json")


class Manifest(NamedTuple):
    """An object and where it was written, for messages: `source` with document and line, `file` without."""

    obj: Obj
    source: str
    file: str = ""


def read_manifests(names: Sequence[str], *, recursive: bool = False) -> list[Manifest]:
    """Everything that `-f` names, in order. Raises Failure; an empty result is one too."""
    found = [
        manifest
        for name in names
        for text, source in _texts(name, recursive)
        for manifest in _parse(text, source)
    ]
    if not found:
        raise Failure(f"no objects passed: nothing is written in {', '.join(names)}")
    return found


def _texts(name: str, recursive: bool) -> Iterator[tuple[bytes, str]]:
    if name == "-":
        yield sys.stdin.buffer.read(), "standard input"
        return
    if name.startswith(("http://", "https://")):
        yield _fetch(name), name
        return
    path = Path(name)
    try:
        if path.is_dir():
            pattern = "**/*" if recursive else "*"
            for file in sorted(path.glob(pattern)):
                if file.suffix in _SUFFIXES and file.is_file():
                    yield file.read_bytes(), str(file)
            return
        yield path.read_bytes(), name
    except FileNotFoundError:
        raise Failure(f'the path "{name}" does not exist') from None
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from error


def _fetch(url: str) -> bytes:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read())
    except (OSError, urllib.error.URLError) as error:
        raise Failure(f"cannot fetch {url}: {error}") from error


def _parse(text: bytes, source: str) -> Iterator[Manifest]:
    from machinery.codec.yaml_ import YamlError, load_documents

    try:
        documents = load_documents(text)
    except YamlError as error:
        where = f"{source}, document {error.document}" if error.document else source
        raise Failure(f"error parsing {where}: {error}") from error
    for number, document in enumerate(documents, 1):
        if document.value is None:
            continue
        where = f"{source}, document {number} (line {document.line})"
        yield from _objects(document.value, where, source)


def with_labels(manifests: Sequence[Manifest], selector: str) -> list[Manifest]:
    """Those that a label selector selects; all where there is none. Raises Failure."""
    if not selector:
        return list(manifests)
    from machinery.selectors.labels import SelectorError, parse_label_selector

    try:
        matches = parse_label_selector(selector).matches
    except SelectorError as error:
        raise Failure(str(error)) from error
    return [m for m in manifests if matches((m.obj.get("metadata") or {}).get("labels") or {})]


def _objects(value: Any, where: str, file: str) -> Iterator[Manifest]:
    if not isinstance(value, dict):
        raise Failure(
            f"{where} is not an object but {type(value).__name__}: apiVersion, kind and metadata are expected"
        )
    for field in ("apiVersion", "kind"):
        if not isinstance(value.get(field), str) or not value[field]:
            raise Failure(f"{where}: Object '{field}' is missing: every object needs apiVersion and kind")
    if value["kind"].endswith("List") and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield from _objects(item, f"{where}, item {index}", file)
        return
    yield Manifest(value, where, file)

"""What `kctl describe` shows of every other kind: its fields, with their names spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.printers.custom_columns import go_text
from kctl.session import Session

Obj = dict[str, Any]
_SHOWN_ABOVE = (".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations")  # fmt: skip
_ACRONYMS = ("API", "URL", "UID", "OSB", "GUID")


def describe(page: Page, session: Session, obj: Obj) -> None:
    meta = obj["metadata"]
    page.line(0, f"Name:\t{meta['name']}")
    page.line(0, f"Namespace:\t{meta.get('namespace', '')}")
    parts.show_labels(page, "Labels", meta.get("labels"))
    parts.show_annotations(page, meta.get("annotations"))
    for level, text in content_lines(obj, 0, ""):
        page.line(level, text)


def content_lines(content: Obj, level: int, path: str) -> Iterator[tuple[int, str]]:
    """(level, text) of every field, in alphabetical order."""
    for field, value in sorted(content.items()):
        here = f"{path}.{field}"
        if here in _SHOWN_ABOVE:
            continue
        title = spelled_out(field)
        if isinstance(value, dict):
            yield level, f"{title}:"
            yield from content_lines(value, level + 1, here)
        elif isinstance(value, list):
            yield level, f"{title}:"
            for item in value:
                if isinstance(item, dict):
                    yield from content_lines(item, level + 1, here)
                else:
                    yield level + 1, go_text(item)
        else:
            yield level, f"{title}:\t{go_text(value)}"


def spelled_out(field: str) -> str:
    """`creationTimestamp` → `Creation Timestamp`; `podIP` → `Pod IP`; names with other signs stay."""
    if not re.fullmatch(r"[^\W\d_]([^\W\d_]|-)*", field):
        return field
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|-+", field)
    return " ".join(w.upper() if w.upper() in _ACRONYMS else w[:1].upper() + w[1:] for w in words)

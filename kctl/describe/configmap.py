"""What `kctl describe` shows of a ConfigMap: texts whole, bytes by their number."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    parts.head(page, obj)
    page.line(0, "\nData\n====")
    for key, text in sorted((obj.get("data") or {}).items()):
        page.raw(f"{key}:\n----\n{text}\n\n")
    page.line(0, "\nBinaryData\n====")
    for key, text in sorted((obj.get("binaryData") or {}).items()):
        page.line(0, f"{key}: {parts.size_of(text)} bytes")
    page.line(0, "")

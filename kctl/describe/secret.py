"""What `kctl describe` shows of a Secret: names and sizes, never contents (but for tokens, as kubectl does)."""

from __future__ import annotations

import base64
from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    parts.head(page, obj)
    page.line(0, f"\nType:\t{obj.get('type', '')}\n\nData\n====")
    is_token = obj.get("type") == "kubernetes.io/service-account-token"
    for key, text in sorted((obj.get("data") or {}).items()):
        shown = f"{parts.size_of(text)} bytes"
        if is_token and key == "token":
            shown = base64.b64decode(text).decode(errors="replace")
        page.line(0, f"{key}:\t{shown}")

"""What `kctl describe` shows of a PriorityClass."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    meta = obj["metadata"]
    page.line(0, f"Name:\t{meta['name']}")
    page.line(0, f"Value:\t{obj.get('value', 0)}")
    page.line(0, f"GlobalDefault:\t{parts.bool_text(obj.get('globalDefault'))}")
    page.line(0, f"PreemptionPolicy:\t{obj.get('preemptionPolicy', '<unset>')}")
    page.line(0, f"Description:\t{obj.get('description', '')}")
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != parts.LAST_APPLIED}
    page.line(0, f"Annotations:\t{','.join(f'{k}={v}' for k, v in sorted(annotations.items())) or '<none>'}")

"""What `kctl describe` shows of a RoleBinding or ClusterRoleBinding."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    page.line(0, f"Name:\t{obj['metadata']['name']}")
    parts.show_labels(page, "Labels", obj["metadata"].get("labels"))
    parts.show_annotations(page, obj["metadata"].get("annotations"))
    role = obj["roleRef"]
    page.line(0, f"Role:\n  Kind:\t{role['kind']}\n  Name:\t{role['name']}")
    page.line(0, "Subjects:\n  Kind\tName\tNamespace\n  ----\t----\t---------")
    for subject in obj.get("subjects") or ():
        page.line(1, f"{subject['kind']}\t{subject['name']}\t{subject.get('namespace', '')}")

"""What `kctl describe` shows of a ReplicaSet."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.describe.pod_template import pod_template
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    meta, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    page.line(0, f"Name:\t{meta['name']}")
    page.line(0, f"Namespace:\t{meta['namespace']}")
    page.line(0, f"Selector:\t{parts.selector_text(spec.get('selector'))}")
    parts.show_labels(page, "Labels", meta.get("labels"))
    parts.show_annotations(page, meta.get("annotations"))
    parts.owner(page, obj)
    page.line(0, f"Replicas:\t{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    page.line(0, f"Pods Status:\t{pods_status(session, obj)}")
    pod_template(page, spec["template"])
    parts.conditions_with_reason(page, status.get("conditions"))


def pods_status(session: Session, obj: Obj) -> str:
    """How many pods of the object's own are in which phase."""
    path = session.mapper.find("pods").gvr.path(obj["metadata"]["namespace"])
    selector = parts.selector_text(obj["spec"]["selector"])
    pods = session.rest.get(path, [("labelSelector", selector)])["items"]
    uid = obj["metadata"]["uid"]
    phases = Counter(
        (pod.get("status") or {}).get("phase", "")
        for pod in pods
        if any(
            r.get("uid") == uid and r.get("controller") for r in pod["metadata"].get("ownerReferences") or ()
        )
    )
    return (
        f"{phases['Running']} Running / {phases['Pending']} Waiting / "
        f"{phases['Succeeded']} Succeeded / {phases['Failed']} Failed"
    )

"""What `kctl describe` shows of a Deployment."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page, time_text
from kctl.describe.pod_template import pod_template
from kctl.session import Session

Obj = dict[str, Any]
_HASH = "pod-template-hash"


def describe(page: Page, session: Session, obj: Obj) -> None:
    meta, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    page.line(0, f"Name:\t{meta['name']}")
    page.line(0, f"Namespace:\t{meta['namespace']}")
    page.line(0, f"CreationTimestamp:\t{time_text(meta.get('creationTimestamp'))}")
    parts.show_labels(page, "Labels", meta.get("labels"))
    parts.show_annotations(page, meta.get("annotations"))
    page.line(0, f"Selector:\t{parts.selector_text(spec.get('selector'))}")
    counts = [("desired", spec.get("replicas", 1))] + [
        (word, status.get(field, 0))
        for word, field in (
            ("updated", "updatedReplicas"),
            ("total", "replicas"),
            ("available", "availableReplicas"),
            ("unavailable", "unavailableReplicas"),
        )
    ]
    page.line(0, "Replicas:\t" + " | ".join(f"{count} {word}" for word, count in counts))
    strategy = spec.get("strategy") or {}
    page.line(0, f"StrategyType:\t{strategy.get('type', '')}")
    page.line(0, f"MinReadySeconds:\t{spec.get('minReadySeconds', 0)}")
    rolling = strategy.get("rollingUpdate")
    if rolling:
        page.line(
            0,
            f"RollingUpdateStrategy:\t{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge",
        )
    pod_template(page, spec["template"])
    parts.conditions_with_reason(page, status.get("conditions"))
    old, new = _replicasets(session, obj)
    page.line(0, f"OldReplicaSets:\t{', '.join(map(_replicaset, old)) or '<none>'}")
    page.line(0, f"NewReplicaSet:\t{_replicaset(new) if new else '<none>'}")


def _replicasets(session: Session, deployment: Obj) -> tuple[list[Obj], Obj | None]:
    """(those of earlier templates, that of the present one)."""
    meta = deployment["metadata"]
    path = session.mapper.find("replicasets").gvr.path(meta["namespace"])
    selector = parts.selector_text(deployment["spec"]["selector"])
    listed = session.rest.get(path, [("labelSelector", selector)])["items"]
    own = [
        item
        for item in listed
        if any(r.get("uid") == meta["uid"] for r in item["metadata"].get("ownerReferences") or ())
    ]
    own.sort(key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))
    wanted = deployment["spec"]["template"]
    new = next(
        (item for item in own if _without_hash(item["spec"]["template"]) == _without_hash(wanted)), None
    )
    return sorted((i for i in own if i is not new), key=lambda i: str(i["metadata"]["name"])), new


def _without_hash(template: Obj) -> Obj:
    meta = template.get("metadata") or {}
    kept = {key: value for key, value in (meta.get("labels") or {}).items() if key != _HASH}
    return {**template, "metadata": {**meta, "labels": kept}}


def _replicaset(item: Obj) -> str:
    created, wanted = (item.get("status") or {}).get("replicas", 0), item["spec"].get("replicas", 1)
    return f"{item['metadata']['name']} ({created}/{wanted} replicas created)"

"""The pod template of a workload."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.containers import containers
from kctl.describe.page import Page
from kctl.describe.volumes import volumes

Obj = dict[str, Any]
_SPACE = "  "


def pod_template(page: Page, template: Obj) -> None:
    page.line(0, "Pod Template:")
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    parts.show_labels(page, "Labels", meta.get("labels"), _SPACE)
    if meta.get("annotations"):
        parts.show_annotations(page, meta["annotations"], _SPACE)
    if spec.get("serviceAccountName"):
        page.line(0, f"{_SPACE}Service Account:\t{spec['serviceAccountName']}")
    whole = {"spec": spec}
    if spec.get("initContainers"):
        containers(page, "Init Containers", whole, "initContainers", "", _SPACE)
    containers(page, "Containers", whole, "containers", "", _SPACE)
    volumes(page, spec.get("volumes"), _SPACE)
    topology_spread(page, spec, _SPACE)
    if spec.get("priorityClassName"):
        page.line(0, f"{_SPACE}Priority Class Name:\t{spec['priorityClassName']}")
    parts.show_labels(page, "Node-Selectors", spec.get("nodeSelector"), _SPACE)
    parts.tolerations(page, spec.get("tolerations"), _SPACE)


def topology_spread(page: Page, spec: Obj, indent: str = "") -> None:
    constraints = sorted(spec.get("topologySpreadConstraints") or (), key=lambda c: str(c["topologyKey"]))
    if not constraints:
        return
    texts = []
    for each in constraints:
        text = (
            f"{each['topologyKey']}:{each['whenUnsatisfiable']} when max skew {each['maxSkew']} is exceeded"
        )
        if each.get("labelSelector") is not None:
            text += f" for selector {parts.selector_text(each['labelSelector'])}"
        texts.append(text)
    parts.several(page, "Topology Spread Constraints", texts, indent)

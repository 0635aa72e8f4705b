"""What `kctl describe` shows of a pod."""

from __future__ import annotations

from typing import Any

from kctl.ages import age
from kctl.describe import parts
from kctl.describe.containers import containers, resources
from kctl.describe.page import Page, time_text
from kctl.describe.pod_template import topology_spread
from kctl.describe.volumes import volumes
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    meta, spec, status = obj["metadata"], obj["spec"], obj.setdefault("status", {})
    page.line(0, f"Name:\t{meta['name']}")
    page.line(0, f"Namespace:\t{meta['namespace']}")
    if spec.get("priority") is not None:
        page.line(0, f"Priority:\t{spec['priority']}")
    for title, field in (
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ):
        if spec.get(field):
            page.line(0, f"{title}:\t{spec[field]}")
    node = spec.get("nodeName")
    page.line(0, f"Node:\t{node}/{status.get('hostIP', '')}" if node else "Node:\t<none>")
    if status.get("startTime"):
        page.line(0, f"Start Time:\t{time_text(status['startTime'])}")
    parts.show_labels(page, "Labels", meta.get("labels"))
    parts.show_annotations(page, meta.get("annotations"))
    _phase(page, obj)
    profile = (spec.get("securityContext") or {}).get("seccompProfile")
    if profile:
        page.line(0, f"SeccompProfile:\t{profile['type']}")
        if profile["type"] == "Localhost":
            page.line(0, f"LocalhostProfile:\t{profile.get('localhostProfile', '')}")
    page.line(0, f"IP:\t{status.get('podIP', '')}")
    addresses = status.get("podIPs") or ()
    page.line(0, "IPs:" if addresses else "IPs:\t<none>")
    for address in addresses:
        page.line(1, f"IP:\t{address['ip']}")
    parts.owner(page, obj)
    if status.get("nominatedNodeName"):
        page.line(0, f"NominatedNodeName:\t{status['nominatedNodeName']}")
    if spec.get("resources"):
        page.line(0, "Resources:")
        resources(page, 1, spec["resources"])
    if spec.get("initContainers"):
        containers(page, "Init Containers", obj, "initContainers", "initContainerStatuses")
    containers(page, "Containers", obj, "containers", "containerStatuses")
    if spec.get("ephemeralContainers"):
        containers(page, "Ephemeral Containers", obj, "ephemeralContainers", "ephemeralContainerStatuses")
    _conditions(page, spec, status)
    volumes(page, spec.get("volumes"))
    page.line(0, f"QoS Class:\t{status.get('qosClass', '')}")
    parts.show_labels(page, "Node-Selectors", spec.get("nodeSelector"))
    parts.tolerations(page, spec.get("tolerations"))
    topology_spread(page, spec)


def _phase(page: Page, obj: Obj) -> None:
    meta, status = obj["metadata"], obj["status"]
    if meta.get("deletionTimestamp") and status.get("phase") not in ("Failed", "Succeeded"):
        page.line(0, f"Status:\tTerminating (lasts {age(meta['deletionTimestamp'])})")
        page.line(0, f"Termination Grace Period:\t{meta.get('deletionGracePeriodSeconds', 0)}s")
    else:
        page.line(0, f"Status:\t{status.get('phase', '')}")
    for field in ("reason", "message"):
        if status.get(field):
            page.line(0, f"{field.capitalize()}:\t{status[field]}")


def _conditions(page: Page, spec: Obj, status: Obj) -> None:
    known = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    if spec.get("readinessGates"):
        page.line(0, "Readiness Gates:\n  Type\tStatus")
        for gate in spec["readinessGates"]:
            page.line(1, f"{gate['conditionType']} \t{known.get(gate['conditionType'], '<none>')} ")
    if known:
        page.line(0, "Conditions:\n  Type\tStatus")
        for kind, value in known.items():
            page.line(1, f"{kind} \t{value} ")

"""What `kctl describe` shows of a node: its state, and what its pods take of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kctl.ages import age
from kctl.describe import parts
from kctl.describe.page import Page, time_text
from kctl.session import Session
from machinery import quantity
from machinery.errors import ApiError
from machinery.quantity import Quantity

Obj = dict[str, Any]
_ROLE = "node-role.kubernetes.io/"
_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
    ("Kube-Proxy Version", "kubeProxyVersion"),
)


def describe(page: Page, session: Session, obj: Obj) -> None:
    meta, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    page.line(0, f"Name:\t{meta['name']}")
    labels = meta.get("labels") or {}
    roles = {label.removeprefix(_ROLE) for label in labels if label.startswith(_ROLE)}
    roles |= {value for label, value in labels.items() if label == "kubernetes.io/role"}
    page.line(0, f"Roles:\t{','.join(sorted(filter(None, roles))) or '<none>'}")
    parts.show_labels(page, "Labels", labels)
    parts.show_annotations(page, meta.get("annotations"))
    page.line(0, f"CreationTimestamp:\t{time_text(meta.get('creationTimestamp'))}")
    taints = sorted(_taint(taint) for taint in spec.get("taints") or ())
    parts.several(page, "Taints", taints)
    page.line(0, f"Unschedulable:\t{parts.bool_text(spec.get('unschedulable'))}")
    _lease(page, session, meta["name"])
    _conditions(page, status.get("conditions") or ())
    page.line(0, "Addresses:")
    for address in status.get("addresses") or ():
        page.line(1, f"{address['type']}:\t{address['address']}")
    for title, field in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        if status.get(field):
            page.line(0, f"{title}:")
            for name, amount in sorted(status[field].items()):
                page.line(1, f"{name}:\t{amount}")
    page.line(0, "System Info:")
    info = status.get("nodeInfo") or {}
    for title, field in _INFO:
        page.line(0, f"  {title}:\t{info.get(field, '')}")
    if spec.get("podCIDR"):
        page.line(0, f"PodCIDR:\t{spec['podCIDR']}")
    if spec.get("podCIDRs"):
        page.line(0, f"PodCIDRs:\t{','.join(spec['podCIDRs'])}")
    if spec.get("providerID"):
        page.line(0, f"ProviderID:\t{spec['providerID']}")
    _pods(page, session, obj)


def _taint(taint: Obj) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _lease(page: Page, session: Session, name: str) -> None:
    path = session.mapper.find("leases").gvr.path("kube-node-lease", name)
    try:
        spec = session.rest.get(path).get("spec") or {}
    except ApiError as error:
        page.line(0, f"Lease:\tFailed to get lease: {error.message}")
        return
    page.line(0, "Lease:")
    page.line(1, f"HolderIdentity:\t{spec.get('holderIdentity') or '<unset>'}")
    page.line(1, f"AcquireTime:\t{time_text(spec.get('acquireTime'))}")
    page.line(1, f"RenewTime:\t{time_text(spec.get('renewTime'))}")


def _conditions(page: Page, conditions: Iterable[Obj]) -> None:
    listed = list(conditions)
    if not listed:
        return
    titles = ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
    page.line(0, "Conditions:\n  " + "\t".join(titles))
    page.line(1, "\t".join("-" * len(title) for title in titles))
    for each in listed:
        times = f"{time_text(each.get('lastHeartbeatTime'))} \t{time_text(each.get('lastTransitionTime'))} "
        page.line(
            1,
            f"{each['type']} \t{each['status']} \t{times}\t{each.get('reason', '')} \t{each.get('message', '')}",
        )


def _pods(page: Page, session: Session, node: Obj) -> None:
    selector = f"spec.nodeName={node['metadata']['name']},status.phase!=Succeeded,status.phase!=Failed"
    path = session.mapper.find("pods").gvr.path()
    try:
        pods = session.rest.get(path, [("fieldSelector", selector), ("limit", "500")])["items"]
    except ApiError as error:
        page.line(0, f"Pods:\tnot shown: {error.message}")
        return
    allocatable = (
        (node.get("status") or {}).get("allocatable") or (node.get("status") or {}).get("capacity") or {}
    )
    page.line(0, f"Non-terminated Pods:\t({len(pods)} in total)")
    titles = ("Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age")
    page.line(1, "\t".join(("Namespace", "Name\t", *titles[2:])))
    page.line(1, "\t".join(("---------", "----\t", *("-" * len(title) for title in titles[2:]))))
    totals: dict[str, dict[str, Quantity]] = {"requests": {}, "limits": {}}
    for pod in pods:
        amounts = {kind: pod_amounts(pod["spec"], kind) for kind in totals}
        for kind, values in amounts.items():
            _add(totals[kind], values)
        cells = [
            _share(amounts[kind].get(name), allocatable.get(name))
            for name in ("cpu", "memory")
            for kind in ("requests", "limits")
        ]
        meta = pod["metadata"]
        page.line(
            1, "\t".join((meta["namespace"], meta["name"] + "\t", *cells, age(meta.get("creationTimestamp"))))
        )
    _allocated(page, totals, allocatable)


def _allocated(page: Page, totals: dict[str, dict[str, Quantity]], allocatable: dict[str, str]) -> None:
    page.line(
        0,
        "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n"
        "  Resource\tRequests\tLimits\n  --------\t--------\t------",
    )
    standard = ("cpu", "memory", "ephemeral-storage")
    names = [*standard, *sorted(name for name in allocatable if name not in (*standard, "pods"))]
    for name in names:
        requests, limits = totals["requests"].get(name), totals["limits"].get(name)
        if name in standard or name.startswith("hugepages-"):
            cells = (_share(requests, allocatable.get(name)), _share(limits, allocatable.get(name)))
        else:
            cells = (str(requests or 0), str(limits or 0))
        page.line(1, "\t".join((name, *cells)))


def pod_amounts(spec: Obj, kind: str) -> dict[str, Quantity]:
    """What a pod asks for, or may use at most: its containers and sidecars together, or its greatest init
    container with the sidecars started before it, whichever is more; and the overhead."""
    total: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container, kind))
    sidecars: dict[str, Quantity] = {}
    greatest: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        own = _amounts(container, kind)
        if container.get("restartPolicy") == "Always":
            _add(total, own)
            _add(sidecars, own)
            own = dict(sidecars)
        else:
            own = dict(own)
            _add(own, sidecars)
        for name, amount in own.items():
            greatest[name] = max(greatest.get(name, amount), amount)
    for name, amount in greatest.items():
        total[name] = max(total.get(name, amount), amount)
    for name, text in ((spec.get("resources") or {}).get(kind) or {}).items():
        total[name] = quantity.parse(str(text))
    overhead = {name: quantity.parse(str(text)) for name, text in (spec.get("overhead") or {}).items()}
    if kind == "limits":
        overhead = {name: amount for name, amount in overhead.items() if name in total}
    _add(total, overhead)
    return total


def _amounts(container: Obj, kind: str) -> dict[str, Quantity]:
    values = (container.get("resources") or {}).get(kind) or {}
    return {name: quantity.parse(str(text)) for name, text in values.items()}


def _add(total: dict[str, Quantity], more: dict[str, Quantity]) -> None:
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def _share(amount: Quantity | None, of: str | None) -> str:
    """`100m (5%)`, in whole percent, rounded down."""
    if amount is None:
        return "0 (0%)"
    whole = quantity.parse(of).nano if of else 0
    return f"{amount} ({amount.nano * 100 // whole if whole else 0}%)"

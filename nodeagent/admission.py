"""Whether this node takes a pod that was bound to it. Pure: a refusal is a `Verdict`, in upstream's words.

Checked once, when the pod is first seen: node selector and affinity, taints with NoExecute, resources, ports,
number of pods, sysctls, and what this node cannot do at all. Whatever is not refused here is honoured.
Source: kubelet lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from machinery.selectors.labels import selector_from_labels
from machinery.selectors.nodes import node_selector_of
from nodeagent import podspec
from nodeagent.config import SAFE_SYSCTLS, AgentConfig
from nodeagent.cri_config import port_mappings
from nodeagent.cri_security import effective
from nodeagent.hooks.hook import source_of
from nodeagent.hooks.table import BY_SOURCE
from nodeagent.podspec import Obj
from nodeagent.resources import Amounts, amounts, pod_requests
from nodeagent.state.status import Verdict


def plan_admission(pod: Obj, node: Obj, others: Iterable[Obj], config: AgentConfig) -> Verdict | None:
    """`others`: the pods that this node holds already and that are not over. None: admitted."""
    active = [p for p in others if not podspec.is_terminal(p)]
    return (
        _unsupported(pod)
        or _sysctls(pod, config)
        or _affinity(pod, node)
        or _taints(pod, node)
        or _ports(pod, active)
        or _resources(pod, node, active, config)
    )


def _failed(reason: str, message: str) -> Verdict:
    return Verdict(reason, f"Pod was rejected: {message}")


def _unsupported(pod: Obj) -> Verdict | None:
    spec = podspec.spec_of(pod)
    for volume in spec.get("volumes") or ():
        kind, source = source_of(volume)
        if kind not in BY_SOURCE:
            return _failed(
                "UnsupportedVolume",
                f'volume "{volume["name"]}" is of kind {kind}, which this node cannot mount '
                f"(it knows {', '.join(sorted(BY_SOURCE))})",
            )
        if kind == "emptyDir" and str(source.get("medium") or "").startswith("HugePages"):
            return _failed("UnsupportedVolume", f'volume "{volume["name"]}": huge pages are not supported')
    if spec.get("hostUsers") is False:
        return _failed(
            "UnsupportedFeature", "hostUsers: false (user namespaces) is not supported by this node"
        )
    if (spec.get("os") or {}).get("name", "linux") != "linux":
        return Verdict("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    if spec.get("resourceClaims"):
        return _failed("UnsupportedFeature", "resourceClaims are not supported by this node")
    for _, container in podspec.all_containers(pod):
        if container.get("restartPolicyRules"):
            return _failed(
                "UnsupportedFeature", f'container "{container["name"]}": restartPolicyRules are not supported'
            )
        profile = effective(pod, container, "appArmorProfile") or {}
        if profile.get("type") == "Localhost":
            return Verdict("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
        if container.get("volumeDevices"):
            return _failed(
                "UnsupportedFeature", f'container "{container["name"]}": volumeDevices are not supported'
            )
    return None


def _sysctls(pod: Obj, config: AgentConfig) -> Verdict | None:
    spec = podspec.spec_of(pod)
    for entry in (spec.get("securityContext") or {}).get("sysctls") or ():
        name = entry["name"].replace("/", ".")
        allowed = name in SAFE_SYSCTLS or any(
            name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
            for pattern in config.allowed_sysctls
        )
        if not allowed:
            return Verdict("SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted')
        if spec.get("hostNetwork") and name.startswith("net."):
            return Verdict("SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host net enabled')
        if spec.get("hostIPC") and name.startswith("kernel."):
            return Verdict("SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host ipc enabled')
    return None


def _affinity(pod: Obj, node: Obj) -> Verdict | None:
    spec = podspec.spec_of(pod)
    labels = node["metadata"].get("labels") or {}
    wanted = spec.get("nodeSelector") or {}
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    fits = selector_from_labels(wanted).matches(labels)
    if fits and required:
        fits = node_selector_of(required.get("nodeSelectorTerms") or ()).matches(node)
    if fits:
        return None
    return _failed(
        "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    )


def _taints(pod: Obj, node: Obj) -> Verdict | None:
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") == "NoExecute" and not any(
            _tolerates(t, taint) for t in podspec.spec_of(pod).get("tolerations") or ()
        ):
            if taint["key"].startswith("node.kubernetes.io/"):
                continue  # the controllers decide about a node's own troubles, with a delay
            return _failed(
                "TaintToleration",
                f"Predicate TaintToleration failed: node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}",
            )
    return None


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def _ports(pod: Obj, others: Iterable[Obj]) -> Verdict | None:
    wanted = _ports_of(pod)
    for other in others:
        for protocol, port, ip in _ports_of(other):
            for mine in wanted:
                if mine[:2] == (protocol, port) and (mine[2] == ip or "" in (mine[2], ip)):
                    return _failed(
                        "NodePorts",
                        "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
                    )
    return None


def _ports_of(pod: Obj) -> list[tuple[str, int, str]]:
    return [
        (p.protocol, p.host_port, "" if p.host_ip in ("0.0.0.0", "::") else p.host_ip)
        for p in port_mappings(pod)
    ]


def _resources(pod: Obj, node: Obj, others: list[Obj], config: AgentConfig) -> Verdict | None:
    allocatable = amounts((node.get("status") or {}).get("allocatable"))
    limit = allocatable.get("pods", config.max_pods)
    if len(others) + 1 > limit:
        return _out_of("pods", 1, len(others), limit)
    used: Amounts = {}
    for other in others:
        for name, value in pod_requests(other).items():
            used[name] = used.get(name, 0) + value
    for name, value in pod_requests(pod).items():
        if not value:
            continue
        if name not in allocatable and "/" not in name:
            continue
        room = allocatable.get(name, 0)
        if used.get(name, 0) + value > room:
            return _out_of(name, value, used.get(name, 0), room)
    return None


def _out_of(name: str, requested: int, used: int, capacity: int) -> Verdict:
    return _failed(
        f"OutOf{name}",
        f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}",
    )

"""Requests and limits → cgroup values and cgroup paths. Pure. Source: kubelet cm/helpers_linux.go."""

from __future__ import annotations

from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.podspec import Obj
from nodeagent.qos import oom_score_adj, qos_class
from nodeagent.resources import limits_of, pod_limits, pod_requests, requests_of
from runtime.cri import LinuxResources

PERIOD_US = 100_000
MIN_SHARES, MAX_SHARES = 2, 262_144
MIN_QUOTA_US = 1000


def cpu_shares(milli_cpu: int) -> int:
    return min(max(milli_cpu * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def cpu_quota_us(milli_cpu: int) -> int:
    """0 (not set) where there is no limit."""
    return max(milli_cpu * PERIOD_US // 1000, MIN_QUOTA_US) if milli_cpu else 0


def cgroup_parent(pod: Obj, config: AgentConfig) -> str:
    """`/kctl/NODE/burstable/podUID`; guaranteed pods stand directly below the node."""
    qos = qos_class(pod).lower()
    middle = "" if qos == "guaranteed" else f"/{qos}"
    root = config.cgroup_root or f"/kctl/{config.node_name}"
    return f"{root}{middle}/pod{podspec.uid_of(pod)}"


def pod_resources(pod: Obj, config: AgentConfig) -> LinuxResources:
    """Bounds of the pod's cgroup as a whole."""
    requests, limits = pod_requests(pod), pod_limits(pod)
    quota = cpu_quota_us(limits.get("cpu", 0))
    return LinuxResources(
        cpu_shares=cpu_shares(requests.get("cpu", 0)),
        cpu_period_us=PERIOD_US if quota else 0,
        cpu_quota_us=quota,
        memory_limit_bytes=limits.get("memory", 0),
        pids_limit=max(config.pod_pids_limit, 0),
    )


def container_resources(
    pod: Obj, container: Obj, config: AgentConfig, node_memory_bytes: int
) -> LinuxResources:
    requests, limits = requests_of(container), limits_of(container)
    quota = cpu_quota_us(limits.get("cpu", 0))
    return LinuxResources(
        cpu_shares=cpu_shares(requests.get("cpu", 0)),
        cpu_period_us=PERIOD_US if quota else 0,
        cpu_quota_us=quota,
        memory_limit_bytes=limits.get("memory", 0),
        pids_limit=max(config.pod_pids_limit, 0),
        oom_score_adj=oom_score_adj(pod, container, node_memory_bytes),
        hugepage_limits={
            name.removeprefix("hugepages-"): value
            for name, value in limits.items()
            if name.startswith("hugepages-")
        },
    )

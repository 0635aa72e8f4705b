"""A CRI resource → writes into a cgroup's files. Pure.

    (controller, file, value) in the order they have to be made

Conversions follow the OCI runtimes: cpu.shares 2..262144 ↔ cpu.weight 1..10000, quota and period in one
file on v2, memory and swap as one sum on v1 and apart on v2. A pod with a memory limit gets no swap
beyond it, as a kubelet with NoSwap does. Huge pages are bounded where there is a hugetlb controller;
where there is none, `plan_warnings` says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.cgroups.layout import Layout
from runtime.cri import LinuxResources

Write = tuple[str, str, str]


def weight_of_shares(shares: int) -> int:
    """cpu.weight for cpu.shares; 0 stays 0 (not set)."""
    if shares == 0:
        return 0
    shares = min(max(shares, 2), 262144)
    return 1 + ((shares - 2) * 9999) // 262142


def plan_writes(layout: Layout, resources: LinuxResources, *, is_container: bool = True) -> Sequence[Write]:
    """What to write for these resources; what is not set is not touched."""
    writes: list[Write] = []
    for controller in ("cpu", "memory", "pids", "cpuset", "hugetlb"):
        if controller in layout.v1:
            writes += _V1[controller](resources)
        elif controller in layout.v2_controllers:
            writes += _V2[controller](resources)
            if controller == "memory" and is_container:
                writes.append(("memory", "memory.oom.group", "1"))
    if layout.v2:
        writes += [(key.partition(".")[0], key, value) for key, value in sorted(resources.unified.items())]
    return writes


def needed_controllers(layout: Layout, resources: LinuxResources) -> Sequence[str]:
    """The v1 hierarchies a container joins. cpuset and hugetlb only where asked for: each join costs."""
    wanted = ["cpu", "cpuacct", "memory", "pids"]
    if resources.cpuset_cpus or resources.cpuset_mems:
        wanted.append("cpuset")
    if resources.hugepage_limits:
        wanted.append("hugetlb")
    return [controller for controller in wanted if controller in layout.v1]


def plan_warnings(layout: Layout, resources: LinuxResources) -> Sequence[str]:
    """What is asked for and cannot be bounded on this host, in words for people."""
    if layout.has("hugetlb"):
        return []
    return [
        f"the limit of hugepages-{size} is not enforced: this host has no hugetlb cgroup controller"
        for size in sorted(resources.hugepage_limits)
    ]


def _cpu_v1(resources: LinuxResources) -> list[Write]:
    writes: list[Write] = []
    if resources.cpu_shares:
        writes.append(("cpu", "cpu.shares", str(max(2, resources.cpu_shares))))
    if resources.cpu_period_us:
        writes.append(("cpu", "cpu.cfs_period_us", str(resources.cpu_period_us)))
    if resources.cpu_quota_us:
        writes.append(("cpu", "cpu.cfs_quota_us", str(resources.cpu_quota_us)))
    return writes


def _memory_v1(resources: LinuxResources) -> list[Write]:
    if not resources.memory_limit_bytes:
        return []
    limit = str(resources.memory_limit_bytes)
    return [("memory", "memory.limit_in_bytes", limit), ("memory", "memory.memsw.limit_in_bytes", limit)]


def _pids(resources: LinuxResources) -> list[Write]:
    if not resources.pids_limit:
        return []
    return [("pids", "pids.max", "max" if resources.pids_limit < 0 else str(resources.pids_limit))]


def _cpuset(resources: LinuxResources) -> list[Write]:
    writes: list[Write] = []
    if resources.cpuset_cpus:
        writes.append(("cpuset", "cpuset.cpus", resources.cpuset_cpus))
    if resources.cpuset_mems:
        writes.append(("cpuset", "cpuset.mems", resources.cpuset_mems))
    return writes


def _hugetlb_v1(resources: LinuxResources) -> list[Write]:
    return _hugetlb(resources, "limit_in_bytes")


def _hugetlb_v2(resources: LinuxResources) -> list[Write]:
    return _hugetlb(resources, "max")


def _hugetlb(resources: LinuxResources, suffix: str) -> list[Write]:
    """Kubernetes writes a page's size as 2Mi, the kernel as 2MB."""
    return [
        ("hugetlb", f"hugetlb.{size.removesuffix('i')}B.{suffix}", str(limit))
        for size, limit in sorted(resources.hugepage_limits.items())
    ]


def _cpu_v2(resources: LinuxResources) -> list[Write]:
    writes: list[Write] = []
    if resources.cpu_shares:
        writes.append(("cpu", "cpu.weight", str(weight_of_shares(resources.cpu_shares))))
    if resources.cpu_quota_us or resources.cpu_period_us:
        quota = str(resources.cpu_quota_us) if resources.cpu_quota_us > 0 else "max"
        writes.append(("cpu", "cpu.max", f"{quota} {resources.cpu_period_us or 100_000}"))
    return writes


def _memory_v2(resources: LinuxResources) -> list[Write]:
    if not resources.memory_limit_bytes:
        return []
    limit = "max" if resources.memory_limit_bytes < 0 else str(resources.memory_limit_bytes)
    return [("memory", "memory.max", limit), ("memory", "memory.swap.max", "0")]


_V1 = {"cpu": _cpu_v1, "memory": _memory_v1, "pids": _pids, "cpuset": _cpuset, "hugetlb": _hugetlb_v1}
_V2 = {"cpu": _cpu_v2, "memory": _memory_v2, "pids": _pids, "cpuset": _cpuset, "hugetlb": _hugetlb_v2}

"""What the node measures: the summary API and Prometheus metrics. Source: kubelet stats/v1alpha1, cadvisor names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from machinery.clock import rfc3339
from nodeagent import podspec
from nodeagent.pod.worker import PodWorker
from nodeagent.state.view import container_name
from runtime.cri import Container, ContainerState, ContainerStats

if TYPE_CHECKING:
    from nodeagent.component import NodeAgent


async def stats_summary(agent: NodeAgent) -> dict[str, Any]:
    now = rfc3339(agent.clock.now())
    by_id = {stats.id: stats for stats in await agent.runtime.list_container_stats()}
    pods = [_pod_stats(worker, by_id, now) for worker in agent.pods.workers.values()]
    usage = await agent.images.image_fs_info()
    filesystem = {
        "time": now,
        "availableBytes": usage.available_bytes,
        "capacityBytes": usage.capacity_bytes,
        "usedBytes": usage.used_bytes,
        "inodesFree": usage.inodes_free,
        "inodes": usage.inodes,
    }
    memory = sum(pod["memory"]["workingSetBytes"] for pod in pods)
    return {
        "node": {
            "nodeName": agent.config.node_name,
            "cpu": {"time": now, "usageCoreNanoSeconds": sum(p["cpu"]["usageCoreNanoSeconds"] for p in pods)},
            "memory": {"time": now, "workingSetBytes": memory},
            "fs": filesystem,
            "runtime": {"imageFs": filesystem},
        },
        "pods": pods,
    }


def _pod_stats(worker: PodWorker, by_id: dict[str, ContainerStats], now: str) -> dict[str, Any]:
    containers = [
        _container_stats(container, by_id[container.id], now)
        for container in worker.view.running
        if container.id in by_id
    ]
    return {
        "podRef": {
            "name": podspec.name_of(worker.pod),
            "namespace": podspec.namespace_of(worker.pod),
            "uid": worker.uid,
        },
        "startTime": worker.status.get("startTime"),
        "containers": containers,
        "cpu": {
            "time": now,
            "usageCoreNanoSeconds": sum(c["cpu"]["usageCoreNanoSeconds"] for c in containers),
        },
        "memory": {"time": now, "workingSetBytes": sum(c["memory"]["workingSetBytes"] for c in containers)},
    }


def _container_stats(container: Container, stats: ContainerStats, now: str) -> dict[str, Any]:
    return {
        "name": container_name(container),
        "startTime": rfc3339(container.started_at_ns / 1e9),
        "cpu": {"time": now, "usageCoreNanoSeconds": stats.cpu_usage_ns},
        "memory": {
            "time": now,
            "workingSetBytes": stats.memory_working_set_bytes,
            "usageBytes": stats.memory_usage_bytes,
            "rssBytes": stats.memory_rss_bytes,
        },
        "rootfs": {"time": now, "usedBytes": stats.writable_layer_bytes},
    }


async def metrics_text(agent: NodeAgent) -> str:
    """The exposition format. Written by hand: a dozen lines do not need a client library's registry."""
    lines: list[str] = []

    def metric(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        lines.append(f"# HELP {name} {text}")
        lines.append(f"# TYPE {name} {kind}")
        lines.extend(f"{name}{labels} {value:g}" for labels, value in samples)

    workers = list(agent.pods.workers.values())
    running = [c for w in workers for c in w.view.containers]
    metric(
        "kubelet_running_pods",
        "gauge",
        "Pods with a running sandbox.",
        [("", sum(w.view.ready_sandbox is not None for w in workers))],
    )
    states = [
        (f'{{container_state="{state.name.lower()}"}}', float(sum(c.state is state for c in running)))
        for state in ContainerState
    ]
    metric("kubelet_running_containers", "gauge", "Containers by state.", states)
    metric(
        "kubelet_node_name",
        "gauge",
        "The node's name. The count is always 1.",
        [(f'{{node="{agent.config.node_name}"}}', 1.0)],
    )
    stats = {s.id: s for s in await agent.runtime.list_container_stats()}
    cpu: list[tuple[str, float]] = []
    memory: list[tuple[str, float]] = []
    for worker in workers:
        for container in worker.view.running:
            if found := stats.get(container.id):
                labels = (
                    f'{{container="{container_name(container)}",pod="{podspec.name_of(worker.pod)}",'
                    f'namespace="{podspec.namespace_of(worker.pod)}"}}'
                )
                cpu.append((labels, found.cpu_usage_ns / 1e9))
                memory.append((labels, float(found.memory_working_set_bytes)))
    metric("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time.", cpu)
    metric("container_memory_working_set_bytes", "gauge", "Working set.", memory)
    metric("container_start_time_seconds", "gauge", "Start time since the epoch.", [])
    return "\n".join(lines) + "\n"

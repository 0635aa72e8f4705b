"""A container's use of cpu, memory and processes, read from its cgroup; of disk, asked of the image side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.cgroups.stats import read_usage
from runtime.cri import ContainerStats

if TYPE_CHECKING:
    from runtime.service.native import NativeRuntime


async def of_container(runtime: NativeRuntime, container_id: str) -> ContainerStats:
    container = runtime.mirror.container(container_id)
    usage = read_usage(runtime.layout, runtime.mirror.groups[container_id])
    return ContainerStats(
        id=container.id,
        timestamp_ns=int(runtime.clock.now() * 1e9),
        cpu_usage_ns=usage.cpu_ns,
        memory_working_set_bytes=usage.working_set_bytes,
        memory_usage_bytes=usage.memory_bytes,
        memory_rss_bytes=usage.rss_bytes,
        pids=usage.pids,
        writable_layer_bytes=await runtime.rootfs.usage_bytes(container_id),
    )

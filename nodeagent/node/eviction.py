"""Gives way when memory or disk runs out: tells the pressure, and evicts one pod at a time. `plan_eviction` is pure.

Order: pods that use more than they request first, then by priority, then by how far they exceed. For disk, a pod
that holds none of it stays: its end would free nothing.
Source: Kubernetes "Node-pressure Eviction".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from client.logs import Logger
from machinery.clock import Clock
from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.files import HostFiles
from nodeagent.hooks.hook import volume_directory
from nodeagent.node.events import NodeEvents
from nodeagent.node.machine import available_memory_bytes
from nodeagent.pod.worker import PodWorker
from nodeagent.podspec import Obj
from nodeagent.qos import is_critical
from nodeagent.resources import pod_requests, whole
from nodeagent.state.status import Verdict
from runtime.cri import ContainerStats, ImageFailure, ImageService, RuntimeFailure, RuntimeService

CHECK_S = 10.0
MEMORY, DISK = "memory", "ephemeral-storage"
HOLD_S = 300.0  # a pressure that went stays told for this long, so that it does not flap


def plan_eviction(pods: Sequence[Obj], usage: Mapping[str, int], resource: str = "memory") -> str | None:
    """The uid of the pod to evict, or None. `usage`: bytes of the resource by uid."""

    def rank(pod: Obj) -> tuple[bool, int, int, str]:
        used = usage.get(podspec.uid_of(pod), 0)
        excess = used - pod_requests(pod).get(resource, 0)
        priority = int(podspec.spec_of(pod).get("priority") or 0)
        return excess <= 0, priority, -excess, podspec.uid_of(pod)

    candidates = [pod for pod in pods if not is_critical(pod) and not podspec.is_terminal(pod)]
    if resource == DISK:
        candidates = [pod for pod in candidates if usage.get(podspec.uid_of(pod))]
    return podspec.uid_of(min(candidates, key=rank)) if candidates else None


def verdict_of(pod: Obj, resource: str, available: int, threshold: int, used: int) -> Verdict:
    request = pod_requests(pod).get(resource, 0)
    message = (
        f"The node was low on resource: {resource}. Threshold quantity: {threshold}, available: {available // 1024}Ki. "
        f"The pod was using {used // 1024}Ki, request is {request}, has larger consumption of {resource}."
    )
    return Verdict("Evicted", message, ("DisruptionTarget", "TerminationByKubelet", message))


class Eviction:
    """`pressure` is what the node's status tells; `changed` is called when it changes."""

    def __init__(
        self,
        config: AgentConfig,
        clock: Clock,
        runtime: RuntimeService,
        images: ImageService,
        files: HostFiles,
        workers: Callable[[], Mapping[str, PodWorker]],
        changed: Callable[[], None],
        log: Logger,
        events: NodeEvents,
        available_memory: Callable[[], int] = available_memory_bytes,
    ) -> None:
        self.pressure: frozenset[str] = frozenset()
        self._config = config
        self._clock = clock
        self._runtime = runtime
        self._images = images
        self._files = files
        self._workers = workers
        self._changed = changed
        self._log = log
        self._events = events
        self._available_memory = available_memory
        self._seen_at: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                await self._check()
            except (RuntimeFailure, ImageFailure, OSError) as error:
                self._log.warning("the node's pressure could not be read", why=str(error))

    async def _check(self) -> None:
        filesystem = await self._images.image_fs_info()
        disk_threshold = int(filesystem.capacity_bytes * self._config.evict_disk_available_fraction)
        lows = (
            ("MemoryPressure", MEMORY, self._available_memory(), self._config.evict_memory_available_bytes),
            ("DiskPressure", DISK, filesystem.available_bytes, disk_threshold),
        )
        self._tell({condition: available < threshold for condition, _, available, threshold in lows})
        for _, resource, available, threshold in lows:
            if available < threshold:
                self._events.warning("EvictionThresholdMet", f"Attempting to reclaim {resource}")
                await self._evict(resource, available, threshold)
        for worker in list(self._workers().values()):
            await self._enforce_size_limits(worker)

    async def _enforce_size_limits(self, worker: PodWorker) -> None:
        """A pod whose emptyDir on disk outgrew its sizeLimit goes; one on tmpfs cannot outgrow it."""
        if worker.is_stopping:
            return
        for volume in podspec.spec_of(worker.pod).get("volumes") or ():
            source = volume.get("emptyDir") or {}
            if not source.get("sizeLimit") or source.get("medium") == "Memory":
                continue
            directory = volume_directory(self._config, worker.uid, "empty-dir", volume["name"])
            if await self._files.used_bytes(directory) > whole(source["sizeLimit"]):
                text = (
                    f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{source["sizeLimit"]}". '
                )
                worker.evict(Verdict("Evicted", text, ("DisruptionTarget", "TerminationByKubelet", text)))
                return

    def _tell(self, now_low: Mapping[str, bool]) -> None:
        now = self._clock.now()
        for name, low in now_low.items():
            if low:
                self._seen_at[name] = now
        pressure = frozenset(n for n, at in self._seen_at.items() if now - at < HOLD_S)
        if pressure != self.pressure:
            self.pressure = pressure
            self._changed()

    async def _evict(self, resource: str, available: int, threshold: int) -> None:
        workers = self._workers()
        if any(worker.is_stopping for worker in workers.values()):
            return  # one is giving way already
        usage = await (self._memory_usage() if resource == MEMORY else self._disk_usage())
        chosen = plan_eviction([worker.pod for worker in workers.values()], usage, resource)
        if chosen is None:
            return
        worker = workers[chosen]
        self._log.warning("evicting a pod", resource=resource, pod=podspec.full_name(worker.pod))
        worker.evict(verdict_of(worker.pod, resource, available, threshold, usage.get(chosen, 0)))

    async def _memory_usage(self) -> dict[str, int]:
        return await self._stats(lambda stats: stats.memory_working_set_bytes)

    async def _disk_usage(self) -> dict[str, int]:
        """Writable layers, logs and emptyDirs on disk."""
        usage = await self._stats(lambda stats: stats.writable_layer_bytes)
        for uid, worker in list(self._workers().items()):
            pod = worker.pod
            where = podspec.namespace_of(pod), podspec.name_of(pod), uid
            held = await self._files.used_bytes(str(self._config.pod_log_dir(*where)))
            for volume in podspec.spec_of(pod).get("volumes") or ():
                if "emptyDir" in volume and (volume["emptyDir"] or {}).get("medium") != "Memory":
                    directory = volume_directory(self._config, uid, "empty-dir", volume["name"])
                    held += await self._files.used_bytes(directory)
            usage[uid] = usage.get(uid, 0) + held
        return usage

    async def _stats(self, of: Callable[[ContainerStats], int]) -> dict[str, int]:
        usage: dict[str, int] = {}
        owner = {c.id: uid for uid, worker in self._workers().items() for c in worker.view.containers}
        for stats in await self._runtime.list_container_stats():
            uid = owner.get(stats.id)
            if uid:
                usage[uid] = usage.get(uid, 0) + of(stats)
        return usage

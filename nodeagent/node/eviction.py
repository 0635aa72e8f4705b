"""Gives way when memory or disk runs out: tells the pressure, and evicts one pod at a time. `plan_eviction` is pure.

Order: pods that use more memory than they request first, then by priority, then by how far they exceed.
Source: Kubernetes "Node-pressure Eviction".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from client.logs import Logger
from machinery.clock import Clock
from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.files import HostFiles
from nodeagent.hooks.hook import volume_directory
from nodeagent.node.machine import available_memory_bytes
from nodeagent.pod.worker import PodWorker
from nodeagent.podspec import Obj
from nodeagent.qos import is_critical
from nodeagent.resources import pod_requests, whole
from nodeagent.state.status import Verdict
from runtime.cri import ImageFailure, ImageService, RuntimeFailure, RuntimeService

CHECK_S = 10.0
HOLD_S = 300.0  # a pressure that went stays told for this long, so that it does not flap


@dataclass(frozen=True, slots=True)
class Signals:
    memory_available_bytes: int
    disk_available_fraction: float


def plan_eviction(pods: Sequence[Obj], usage: Mapping[str, int]) -> str | None:
    """The uid of the pod to evict for memory, or None. `usage`: working set in bytes by uid."""

    def rank(pod: Obj) -> tuple[bool, int, int, str]:
        used = usage.get(podspec.uid_of(pod), 0)
        excess = used - pod_requests(pod).get("memory", 0)
        priority = int(podspec.spec_of(pod).get("priority") or 0)
        return excess <= 0, priority, -excess, podspec.uid_of(pod)

    candidates = [pod for pod in pods if not is_critical(pod) and not podspec.is_terminal(pod)]
    return podspec.uid_of(min(candidates, key=rank)) if candidates else None


def memory_verdict(pod: Obj, available: int, threshold: int, used: int) -> Verdict:
    request = pod_requests(pod).get("memory", 0)
    message = (
        f"The node was low on resource: memory. Threshold quantity: {threshold}, available: {available // 1024}Ki. "
        f"The pod was using {used // 1024}Ki, request is {request}, has larger consumption of memory."
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
        fraction = filesystem.available_bytes / max(filesystem.capacity_bytes, 1)
        signals = Signals(self._available_memory(), fraction)
        low_memory = signals.memory_available_bytes < self._config.evict_memory_available_bytes
        low_disk = signals.disk_available_fraction < self._config.evict_disk_available_fraction
        self._tell({"MemoryPressure": low_memory, "DiskPressure": low_disk})
        if low_memory:
            await self._evict_for_memory(signals)
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

    async def _evict_for_memory(self, signals: Signals) -> None:
        usage: dict[str, int] = {}
        workers = self._workers()
        if any(worker.is_stopping for worker in workers.values()):
            return  # one is giving way already
        owner = {c.id: uid for uid, worker in workers.items() for c in worker.view.containers}
        for stats in await self._runtime.list_container_stats():
            uid = owner.get(stats.id)
            if uid:
                usage[uid] = usage.get(uid, 0) + stats.memory_working_set_bytes
        chosen = plan_eviction([worker.pod for worker in workers.values()], usage)
        if chosen is None:
            return
        worker = workers[chosen]
        self._log.warning("evicting a pod: memory runs out", pod=podspec.full_name(worker.pod))
        worker.evict(
            memory_verdict(
                worker.pod,
                signals.memory_available_bytes,
                self._config.evict_memory_available_bytes,
                usage.get(chosen, 0),
            )
        )

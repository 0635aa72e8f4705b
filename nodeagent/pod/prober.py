"""The probes of one pod's running containers: a task per probe, verdicts by container id.

A container that has a startup probe gets its other probes once that has succeeded. A verdict that changes
wakes the pod's worker. Tasks belong to the worker's TaskGroup; a container that ended loses its tasks and
keeps no verdict.

Until a container has been ready for the first time, readiness and startup probes are tried again early
(after 30 ms, doubling up to the period): such an early failure is not counted and tells nobody. So a container
is found ready when it is, not at the end of a period, and thresholds mean what they mean upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nodeagent import podspec
from nodeagent.pod.deps import Deps
from nodeagent.podspec import Obj, Role
from nodeagent.probing import FIELDS, ProbeKind, ProbeSettings, ProbeState, after_attempt, attempt
from nodeagent.state.actions import ProbeResults
from nodeagent.state.view import PodView
from runtime.cri import Container, ContainerState

EARLY_S = 0.03


class Prober:
    def __init__(self, deps: Deps, group: asyncio.TaskGroup, wake: Callable[[], None]) -> None:
        self._deps = deps
        self._group = group
        self._wake = wake
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._verdicts: dict[ProbeKind, dict[str, bool]] = {"startup": {}, "liveness": {}, "readiness": {}}
        self._pod: Obj = {}
        self._pod_ip = ""

    @property
    def results(self) -> ProbeResults:
        found = self._verdicts
        return ProbeResults(found["liveness"], found["readiness"], found["startup"])

    def reconcile(self, pod: Obj, view: PodView, pod_ip: str, *, stopping: bool) -> None:
        """Probes exactly the containers that run. A pod that is being stopped is no longer probed."""
        self._pod, self._pod_ip = pod, pod_ip
        running: dict[str, tuple[Container, Role, Obj]] = {}
        if not stopping:
            for role, container in podspec.all_containers(pod):
                latest = view.latest(container["name"])
                if role in ("container", "sidecar") and latest and latest.state is ContainerState.RUNNING:
                    running[latest.id] = latest, role, container
        for container_id in [held for held in self._tasks if held not in running]:
            self._forget(container_id)
        for container_id, (latest, role, container) in running.items():
            if container_id not in self._tasks:
                self._begin(latest, role, container)

    def close(self) -> None:
        for container_id in list(self._tasks):
            self._forget(container_id)

    def _begin(self, latest: Container, role: Role, container: Obj) -> None:
        tasks = self._tasks[latest.id] = []
        kinds = [kind for kind, field in FIELDS.items() if container.get(field)]
        if not kinds:
            return
        started = asyncio.Event()
        self._recover(latest, container)
        if "startup" not in kinds or self._verdicts["startup"].get(latest.id):
            started.set()
        for kind in kinds:
            if kind == "startup" and started.is_set():
                continue
            work = self._probe(kind, latest, role, container, started)
            tasks.append(self._group.create_task(work, name=f"{kind} {container['name']}"))

    def _recover(self, latest: Container, container: Obj) -> None:
        """After a restart of the agent, what the API knows of this very instance still holds."""
        status = self._pod.get("status") or {}
        for entry in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
            if str(entry.get("containerID", "")).endswith(f"://{latest.id}"):
                if entry.get("started") and container.get("startupProbe"):
                    self._verdicts["startup"][latest.id] = True
                if entry.get("ready") and container.get("readinessProbe"):
                    self._verdicts["readiness"][latest.id] = True

    def _forget(self, container_id: str) -> None:
        for task in self._tasks.pop(container_id):
            task.cancel()
        for verdicts in self._verdicts.values():
            verdicts.pop(container_id, None)

    async def _probe(
        self, kind: ProbeKind, latest: Container, role: Role, container: Obj, started: asyncio.Event
    ) -> None:
        probe = container[FIELDS[kind]]
        settings = ProbeSettings.of(probe)
        clock = self._deps.clock
        if kind != "startup":
            await started.wait()
        begin = latest.started_at_ns / 1e9 + settings.initial_delay_s
        await self._sleep_until(begin)
        state = ProbeState(self._verdicts[kind].get(latest.id))
        early = EARLY_S if kind != "liveness" and not state.verdict else 0.0
        next_at = clock.now()
        while True:
            result = await attempt(
                probe, container, latest.id, self._pod_ip, self._deps.runtime, self._deps.network
            )
            uncounted = not result.ok and bool(early) and clock.now() + early < next_at + settings.period_s
            if result.ok or not uncounted:
                if not result.ok:
                    self._unhealthy(kind, role, container, result.output)
                state = after_attempt(state, result.ok, settings)
                self._publish(kind, latest.id, state.verdict, started)
                if kind != "readiness" and state.verdict is False:
                    return  # the worker kills it
                if kind == "startup" and state.verdict:
                    return
                early = 0.0
                next_at += settings.period_s
                if next_at < clock.now():
                    next_at = clock.now() + settings.period_s
                await self._sleep_until(next_at)
            else:
                await clock.sleep(early)
                early *= 2

    def _publish(
        self, kind: ProbeKind, container_id: str, verdict: bool | None, started: asyncio.Event
    ) -> None:
        if kind == "startup" and verdict:
            started.set()
        if verdict is not None and self._verdicts[kind].get(container_id) is not verdict:
            self._verdicts[kind][container_id] = verdict
            self._wake()

    def _unhealthy(self, kind: ProbeKind, role: Role, container: Obj, output: str) -> None:
        text = f"{kind.capitalize()} probe failed: {output}"
        self._deps.events.warning(self._pod, "Unhealthy", text, role, container)

    async def _sleep_until(self, when: float) -> None:
        delay = when - self._deps.clock.now()
        if delay > 0:
            await self._deps.clock.sleep(delay)

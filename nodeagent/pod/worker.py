"""One pod on this node, from its first sight to its last trace. One worker per uid, nobody else touches it.

    running ──(deleted, evicted, deadline, done)──► stopping ──► stopped ──(gone from the API)──► ended

Woken by the watch, the runtime's events, probes, what the pod refers to, and its own timers. Each pass looks at
everything anew: refresh the view, decide (pure), begin or drive the one running task (sync or stop), publish
the status. The pass itself never waits for a slow step: syncs and stops are tasks of the worker's group, so
that statuses flow and a deletion interrupts a pull.

Invariants: at most one sync or stop at a time; nothing is started once stopping has begun; the pod's object is
deleted from the API only when no container runs and no volume is mounted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from client.transport import TransportError
from machinery.clock import parse_rfc3339
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import PODS
from nodeagent import podspec
from nodeagent.cri_resources import container_resources
from nodeagent.pod.deps import Deps
from nodeagent.pod.messages import termination_message
from nodeagent.pod.prober import Prober
from nodeagent.pod.status_writer import StatusWriter, is_newer
from nodeagent.pod.stop import recorded_grace_s, stop_pod
from nodeagent.pod.sync import Ledger, Sync
from nodeagent.pod.volumes import object_refs, tear_down_volumes
from nodeagent.podspec import Obj
from nodeagent.state.backoff import recovered, spell
from nodeagent.state.conditions import OWNED
from nodeagent.state.container_status import Failure, Observed
from nodeagent.state.hold import Hold
from nodeagent.state.plan import plan_pod
from nodeagent.state.resize import plan_resize
from nodeagent.state.status import Verdict, pod_ips, pod_status
from nodeagent.state.view import PodView, container_name, pod_view
from runtime.cri import (
    Container,
    ContainerState,
    LinuxResources,
    NotFoundInRuntime,
    RuntimeFailure,
    Sandbox,
)

CRASH_RETRY_S = 5.0
EVICTION_GRACE_S = 1.0
MIN_WAIT_S = 0.001


class PodWorker:
    def __init__(self, deps: Deps, pod: Obj, view: PodView, *, refused: Verdict | None = None) -> None:
        self.pod = pod
        self.view = view
        self.uid = podspec.uid_of(pod)
        self.status: Obj = pod.get("status") or {}
        self.listeners: dict[asyncio.Event, None] = {}  # set, in order, whenever the view was read anew
        self._deps = deps
        self._verdict = refused
        self._refused = refused is not None
        self._ledger = Ledger()
        self._messages: dict[str, str] = {}
        self._sandbox_ids = {box.id for box in view.sandboxes}
        self._wake = asyncio.Event()
        self._wake.set()
        self._dirty = False
        self._gone = False
        self._completed = False
        self._stopped = False
        self._delete_at = 0.0
        self._task: asyncio.Task[None] | None = None  # the running sync or stop
        self._stop_grace: float | None = None  # not None: stopping
        self._next_at: float | None = None
        self._prober: Prober | None = None
        self._group: asyncio.TaskGroup | None = None
        self._announced: dict[str, float] = {}
        self._writer = StatusWriter(deps, pod, self._written)
        self._hold = Hold()
        for container in view.by_name.values():
            entry = recovered(
                container.config.attempt, container.started_at_ns / 1e9, container.finished_at_ns / 1e9
            )
            if entry is not None and container.state is ContainerState.EXITED:
                self._ledger.backoffs[container_name(container)] = entry

    # -- news, told from outside; none of these waits ------------------------------------------------------

    def update(self, pod: Obj) -> None:
        """A newer version of the pod from the watch."""
        if not is_newer(pod, self.pod):
            return
        if (pod["metadata"].get("labels"), pod["metadata"].get("annotations")) != (
            self.pod["metadata"].get("labels"),
            self.pod["metadata"].get("annotations"),
        ):
            self._ledger.volumes = None
        self.pod = pod
        self._writer.seen(pod)
        self._wake.set()

    def removed(self, pod: Obj) -> None:
        """The API no longer has it."""
        self.pod = pod
        self._gone = True
        self._wake.set()

    def runtime_changed(self, sandbox_id: str) -> None:
        self._sandbox_ids.add(sandbox_id)
        self._dirty = True
        self._wake.set()

    def evict(self, verdict: Verdict) -> None:
        if self._verdict is None:
            self._verdict = verdict
            self._deps.events.warning(self.pod, verdict.reason, verdict.message)
            self._wake.set()

    def poke(self) -> None:
        """Something the pod depends on may have changed."""
        self._wake.set()

    def successor(self) -> PodWorker:
        """A fresh worker with what this one knows of the world, and none of its memory."""
        fresh = PodWorker(self._deps, self.pod, self.view, refused=self._verdict if self._refused else None)
        fresh._gone = self._gone
        fresh._sandbox_ids |= self._sandbox_ids
        fresh._dirty = True
        return fresh

    @property
    def is_stopping(self) -> bool:
        return self._stop_grace is not None

    # -- the loop ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Returns when no trace is left."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._prober = Prober(self._deps, group, self._wake.set)
            writing = group.create_task(self._writer.run(), name=f"status {self.uid}")
            self._hold_references()
            try:
                while not await self._pass():
                    await self._wait()
            finally:
                self._prober.close()
                writing.cancel()
                self._deps.references.drop(self.uid)
                self._deps.tokens.drop(self.uid)
                self._deps.images.drop(self.uid)
        self._group = None

    async def _wait(self) -> None:
        if self._next_at is None:
            await self._wake.wait()
        else:
            delay = max(self._next_at - self._deps.clock.now(), MIN_WAIT_S)
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                pass
        self._wake.clear()

    async def _pass(self) -> bool:
        self._next_at = None
        if self._dirty:
            self._dirty = False
            await self._refresh()
        if self._task is not None and self._task.done():
            self._task = None
        if self._writer.gone:
            self._gone = True
        now = self._deps.clock.now()
        stopping = self._must_stop(now)
        assert self._prober is not None
        ips = pod_ips(self.pod, self._observed(), self._deps.node.host_ips)
        self._prober.reconcile(self.pod, self.view, ips[0] if ips else "", stopping=stopping)
        if stopping:
            await self._drive_stop()
        else:
            self._drive_sync(now)
            stopping = self._completed
        self._publish(now)
        if not stopping:
            return False
        if self._stopped and (self.view.ready_sandbox or self.view.running):
            self._stopped = False  # a call that we no longer waited for has gone through after all
        if not self._stopped:
            if self._task is None:
                await self._drive_stop()
            return False
        return await self._drive_deletion(now)

    def _must_stop(self, now: float) -> bool:
        if self._stop_grace is not None or self._completed:
            return True
        if podspec.is_deleted(self.pod) or self._gone or self._verdict or podspec.is_terminal(self.pod):
            return True
        limit = podspec.spec_of(self.pod).get("activeDeadlineSeconds")
        started = self.status.get("startTime")
        if limit is not None and started:
            deadline = parse_rfc3339(started) + int(limit)
            if now >= deadline:
                message = "Pod was active on the node longer than the specified deadline"
                self._verdict = Verdict("DeadlineExceeded", message)
                self._deps.events.normal(self.pod, "DeadlineExceeded", message)
                return True
            self._wake_at(deadline)
        return False

    # -- running -------------------------------------------------------------------------------------------

    def _drive_sync(self, now: float) -> None:
        if self._task is not None:
            return
        assert self._prober is not None
        self._hold_references()
        actions = plan_pod(
            self.pod, self.view, self._prober.results, self._ledger.backoffs, now, self._resources_of
        )
        if actions.kill_pod:
            self._completed = True
            return
        self._note_waits({w.name: (w.until, w.delay_s) for w in actions.wait})
        self._wake_at(actions.next_at)
        self._wake_at(self._ledger.next_retry(now))
        blocked = not self._ledger.may_start("", now)
        due = [s for s in actions.start if self._ledger.may_start(s.name, now)]
        sync = Sync(self._deps, self.pod, self.view, self._ledger, self.runtime_changed)
        if actions.kill or actions.stale_sandboxes or (not blocked and (due or actions.create_sandbox)):
            self._begin(lambda: sync.run(actions))
        elif not blocked and self.view.ready_sandbox and self._volumes_are_old(now):
            self._begin(sync.refresh_volumes)
        elif self.view.ready_sandbox:
            changes = plan_resize(self.pod, self.view, self._resources_of)
            due_changes = [c for c in changes if self._ledger.may_start(f"resize {c.name}", now)]
            if due_changes:
                self._begin(lambda: sync.resize(due_changes))

    def _resources_of(self, container: Obj) -> LinuxResources:
        return container_resources(self.pod, container, self._deps.config, self._deps.node.memory_bytes)

    def _volumes_are_old(self, now: float) -> bool:
        renewal = self._deps.tokens.next_renewal(self.uid)
        self._wake_at(renewal)
        return self._ledger.volumes is None or (renewal is not None and renewal <= now)

    def _hold_references(self) -> None:
        self._deps.references.hold(
            self.uid, podspec.namespace_of(self.pod), object_refs(self.pod), self._references_changed
        )

    def _references_changed(self) -> None:
        self._ledger.forgive()
        self._wake.set()

    def _note_waits(self, waits: dict[str, tuple[float, float]]) -> None:
        """A container in its back-off says so: in its status, and in one event per wait."""
        for name, failure in list(self._ledger.failures.items()):
            if failure.reason == "CrashLoopBackOff" and name not in waits:
                del self._ledger.failures[name]
        for name, (until, delay_s) in waits.items():
            where = podspec.full_name(self.pod)
            text = f"back-off {spell(delay_s)} restarting failed container={name} pod={where}"
            self._ledger.failures[name] = Failure("CrashLoopBackOff", text)
            if self._announced.get(name) != until:
                self._announced[name] = until
                found = podspec.find_container(self.pod, name)
                if found:
                    text = f"Back-off restarting failed container {name} in pod {where}"
                    self._deps.events.warning(self.pod, "BackOff", text, *found)

    # -- stopping ------------------------------------------------------------------------------------------

    async def _drive_stop(self) -> None:
        if self._stopped:
            return
        grace = self._grace()
        if self._stop_grace is not None and (grace >= self._stop_grace) and self._task is not None:
            return
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        await self._refresh()
        self._stop_grace = grace
        self._begin(self._stop)

    def _grace(self) -> float:
        if self._gone and not podspec.is_deleted(self.pod) and not podspec.spec_of(self.pod):
            return recorded_grace_s(self.view)
        grace = float(podspec.grace_period_s(self.pod))
        if self._verdict is not None and self._verdict.reason == "Evicted":
            return min(grace, EVICTION_GRACE_S)  # what runs out is needed at once
        return grace

    async def _stop(self) -> None:
        assert self._stop_grace is not None
        await stop_pod(self._deps, self.pod, self.view, self._stop_grace)
        await self._refresh()
        for sandbox in self.view.sandboxes:
            await self._deps.runtime.stop_pod_sandbox(sandbox.id)
        await tear_down_volumes(self._deps.files, self._deps.config, self.uid)
        self._ledger.volumes = None
        await self._refresh()
        self._stopped = True

    async def _drive_deletion(self, now: float) -> bool:
        if not self._gone and podspec.is_deleted(self.pod):
            await self._writer.flushed()
            if now >= self._delete_at:
                self._delete_at = now + CRASH_RETRY_S
                self._gone = await self._delete()
            if not self._gone and self._delete_at < float("inf"):
                self._wake_at(self._delete_at)
        if not self._gone:
            return False
        await self._remove_traces()
        return True

    async def _delete(self) -> bool:
        """True when the API has no such pod any more; False when to try again or to wait for finalizers."""
        try:
            answer = await self._deps.client.delete(
                PODS,
                podspec.name_of(self.pod),
                podspec.namespace_of(self.pod),
                grace_period_s=0,
                uid=self.uid,
            )
        except (NotFound, Conflict):
            return True
        except (ApiError, TransportError) as error:
            self._deps.log.warning(
                "a pod could not be deleted", pod=podspec.full_name(self.pod), why=str(error)
            )
            return False
        if not (answer.get("metadata") or {}).get("finalizers"):
            return True
        self._delete_at = float("inf")  # it is asked for; the watch will tell
        return False

    async def _remove_traces(self) -> None:
        for sandbox in self.view.sandboxes:
            try:
                await self._deps.runtime.remove_pod_sandbox(sandbox.id)
            except RuntimeFailure as error:
                self._deps.log.warning("a sandbox could not be removed", sandbox=sandbox.id, why=str(error))
        meta = podspec.namespace_of(self.pod), podspec.name_of(self.pod), self.uid
        await self._deps.log_files.remove_tree(str(self._deps.config.pod_log_dir(*meta)))

    # -- what both need ------------------------------------------------------------------------------------

    def _begin(self, work: Callable[[], Awaitable[None]]) -> None:
        assert self._group is not None
        self._task = self._group.create_task(self._guarded(work), name=f"work {self.uid}")

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """One pod's trouble must not end the agent."""
        try:
            await work()
        except Exception as error:
            self._deps.log.exception("a pod could not be synced", pod=podspec.full_name(self.pod))
            self._deps.events.warning(self.pod, "FailedSync", f"error: {error}")
            await self._deps.clock.sleep(CRASH_RETRY_S)
        finally:
            self._dirty = True
            self._wake.set()

    async def _refresh(self) -> None:
        sandboxes: list[Sandbox] = []
        containers: list[Container] = []
        for sandbox_id in sorted(self._sandbox_ids):
            try:
                sandboxes.append(await self._deps.runtime.pod_sandbox_status(sandbox_id))
                containers += await self._deps.runtime.list_containers(sandbox_id)
            except NotFoundInRuntime:
                self._sandbox_ids.discard(sandbox_id)
        self.view = pod_view(self.uid, sandboxes, containers)
        for listener in self.listeners:
            listener.set()
        for container in self.view.containers:
            if container.state is ContainerState.EXITED and container.id not in self._messages:
                self._messages[container.id] = termination_message(
                    self._deps.files, self._deps.log_files, container
                )

    def _observed(self) -> Observed:
        return Observed(
            view=self.view,
            probes=self._prober.results if self._prober else Observed(self.view).probes,
            failures=self._ledger.failures,
            messages=self._messages,
            hooks_pending=frozenset(self._ledger.hooks_pending),
            runtime_name=self._deps.node.runtime_name,
            stopping=self._stop_grace is not None or self._completed or self._verdict is not None,
        )

    def _publish(self, now: float) -> None:
        if self._gone:
            return
        known = self.pod.get("status") or {}
        foreign = [c for c in known.get("conditions") or () if c["type"] not in OWNED]
        own = [c for c in self.status.get("conditions") or () if c["type"] in OWNED]
        scheduled = [c for c in known.get("conditions") or () if c["type"] == "PodScheduled"]
        own = [c for c in own if c["type"] != "PodScheduled" or not scheduled] + scheduled
        base = {**self.pod, "status": {**known, **self.status, "conditions": own + foreign}}
        finished = self._stopped and not self._refused
        self.status = pod_status(
            base,
            self._observed(),
            host_ips=self._deps.node.host_ips,
            now=now,
            verdict=self._verdict,
            finished=finished or (self._completed and not self.view.alive),
        )
        until = self._hold.until(
            self.status, now, busy=self._task is not None, stopping=self._stop_grace is not None
        )
        if until > now:
            self._wake_at(until)
        else:
            self._writer.offer(self.status)

    def _written(self, pod: Obj) -> None:
        if is_newer(pod, self.pod):
            self.pod = pod
            self._wake.set()

    def _wake_at(self, when: float | None) -> None:
        if when is not None and (self._next_at is None or when < self._next_at):
            self._next_at = when

"""All pods of this node: news from the watch and from the runtime, turned into news for the right worker.

At the start the runtime is listed and the API's pods are awaited; only then do workers begin, each with the
view of what already runs, so that a restart of the agent restarts nothing. What the runtime holds and the API
does not know is stopped and removed.

The runtime's events come at once; a slow relist is the safety net below them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from client.informer import Informer
from nodeagent import labels, podspec
from nodeagent.admission import plan_admission
from nodeagent.pod.deps import Deps
from nodeagent.pod.volumes import tear_down_volumes
from nodeagent.pod.worker import PodWorker
from nodeagent.podspec import Obj
from nodeagent.state.status import Verdict
from nodeagent.state.view import PodView, group_by_pod
from runtime.cri import EventType, RuntimeFailure

BROKEN_RETRY_S = 5.0
ORPHAN_AGE_S = 2.0


class PodSet:
    """`workers` by uid. `node` gives the node object as it stands, for admission. Pods start once the `after`
    informers have synced too."""

    def __init__(
        self, deps: Deps, pods: Informer, node: Callable[[], Obj], after: Iterable[Informer] = ()
    ) -> None:
        self.workers: dict[str, PodWorker] = {}
        self.started = asyncio.Event()
        self._deps = deps
        self._pods = pods
        self._node = node
        self._after = tuple(after)
        self._group: asyncio.TaskGroup | None = None

    def get(self, namespace: str, name: str) -> PodWorker | None:
        """The newest worker of that name."""
        found = [
            worker
            for worker in self.workers.values()
            if podspec.name_of(worker.pod) == name and podspec.namespace_of(worker.pod) == namespace
        ]
        return max(found, key=lambda w: w.pod["metadata"].get("creationTimestamp") or "", default=None)

    async def run(self) -> None:
        """Runs until cancelled. Containers live on."""
        events = self._deps.runtime.events()
        views = await self._list_runtime()
        for informer in (self._pods, *self._after):
            await informer.wait_synced()
        async with asyncio.TaskGroup() as group:
            self._group = group
            known = sorted(self._pods.lister.list(), key=_age)
            for pod in known:
                self._add(pod, views.get(podspec.uid_of(pod)))
            for uid, view in views.items():
                if uid not in self.workers:
                    self._adopt_orphan(view)
            await self._remove_orphan_directories()
            self._pods.add_handler(on_add=self._add, on_update=self._update, on_delete=self._delete)
            self.started.set()
            group.create_task(self._relist(), name="relist")
            async for event in events:
                worker = self.workers.get(event.pod_uid)
                if worker is not None:
                    worker.runtime_changed(event.sandbox_id)
                elif event.type is EventType.CREATED:
                    group.create_task(self._check_orphan(event.pod_uid), name="orphan")

    def _add(self, pod: Obj, view: PodView | None = None) -> None:
        uid = podspec.uid_of(pod)
        if uid in self.workers:
            self.workers[uid].update(pod)
            return
        fresh = view is None and not (pod.get("status") or {}).get("startTime")
        refused = self._refusal(pod) if fresh and not podspec.is_deleted(pod) else None
        self._begin(PodWorker(self._deps, pod, view or PodView(uid), refused=refused))

    def _update(self, _: Obj, pod: Obj) -> None:
        worker = self.workers.get(podspec.uid_of(pod))
        if worker is None:
            self._add(pod)
        else:
            worker.update(pod)

    def _delete(self, pod: Obj) -> None:
        worker = self.workers.get(podspec.uid_of(pod))
        if worker is not None:
            worker.removed(pod)

    def _refusal(self, pod: Obj) -> Verdict | None:
        others = [w.pod for w in self.workers.values() if not podspec.is_terminal({"status": w.status})]
        refused = plan_admission(pod, self._node(), others, self._deps.config)
        if refused is not None:
            self._deps.events.warning(pod, refused.reason, refused.message)
        return refused

    def _begin(self, worker: PodWorker) -> None:
        assert self._group is not None
        self.workers[worker.uid] = worker
        self._group.create_task(self._run(worker), name=f"pod {worker.uid}")

    async def _run(self, worker: PodWorker) -> None:
        """One pod's worker that breaks is begun anew; it must not end the agent."""
        while True:
            try:
                await worker.run()
            except Exception as error:
                self._deps.log.exception("a pod's worker broke", pod=podspec.full_name(worker.pod))
                self._deps.events.warning(worker.pod, "FailedSync", f"error: {error}")
            else:
                self.workers.pop(worker.uid, None)
                return
            await self._deps.clock.sleep(BROKEN_RETRY_S)
            worker = self.workers[worker.uid] = worker.successor()

    def _adopt_orphan(self, view: PodView) -> None:
        """Containers of a pod that was deleted while nobody looked: a worker that only takes down."""
        newest = view.sandbox
        words = newest.config.labels if newest else view.containers[0].config.labels
        pod: Obj = {
            "metadata": {
                "name": words.get(labels.POD_NAME, "unknown"),
                "namespace": words.get(labels.POD_NAMESPACE, "default"),
                "uid": view.uid,
            },
            "spec": {},
        }
        worker = PodWorker(self._deps, pod, view)
        worker.removed(pod)
        self._begin(worker)

    async def _check_orphan(self, uid: str) -> None:
        """Something was made for a pod that has no worker: a call that went through after its pod was gone."""
        await self._deps.clock.sleep(ORPHAN_AGE_S)
        view = (await self._list_runtime()).get(uid)
        if view is not None and uid not in self.workers:
            self._adopt_orphan(view)

    async def _remove_orphan_directories(self) -> None:
        roots = (self._deps.config.pods_dir, self._deps.config.data_dir / "memory" / "pods")
        held = {uid for root in roots for uid in self._deps.files.list_dir(str(root))}
        for uid in sorted(held - set(self.workers)):
            try:
                await tear_down_volumes(self._deps.files, self._deps.config, uid)
            except OSError as error:
                self._deps.log.warning("an orphan pod's files could not be removed", uid=uid, why=str(error))

    async def _relist(self) -> None:
        while True:
            await self._deps.clock.sleep(self._deps.config.relist_s)
            try:
                views = await self._list_runtime()
            except RuntimeFailure as error:
                self._deps.log.warning("the runtime could not be listed", why=str(error))
                continue
            for uid in [uid for uid in views if uid not in self.workers]:
                self._adopt_orphan(views[uid])
            for uid, worker in list(self.workers.items()):
                for sandbox in views.get(uid, worker.view).sandboxes:
                    worker.runtime_changed(sandbox.id)

    async def _list_runtime(self) -> dict[str, PodView]:
        runtime = self._deps.runtime
        return group_by_pod(await runtime.list_pod_sandboxes(), await runtime.list_containers())


def _age(pod: Obj) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp") or "", podspec.uid_of(pod)

"""Carries out one plan for a pod: kills, volumes, sandbox, images, starts. All I/O, no decisions.

Volumes, sandbox and images of a new pod are made ready side by side. What fails is kept in `Ledger`: the reason
for the status, and when it may be tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from client.transport import TransportError
from machinery.errors import ApiError
from nodeagent import podspec
from nodeagent.cri_config import sandbox_config
from nodeagent.cri_resources import pod_resources
from nodeagent.dns import plan_dns
from nodeagent.hooks.hook import ObjectRef
from nodeagent.pod.deps import Deps
from nodeagent.pod.images import PulledImage, PullFailure
from nodeagent.pod.mounts import write_pod_files
from nodeagent.pod.runtime_class import runtime_handler
from nodeagent.pod.start import StartFailed, post_start, start_container
from nodeagent.pod.stop import stop_container
from nodeagent.pod.volumes import MountFailed, set_up_volumes
from nodeagent.podspec import Obj
from nodeagent.state.actions import Kill, PodActions, Resize, Start
from nodeagent.state.backoff import INITIAL_S, Backoff, after_restart
from nodeagent.state.container_status import Failure
from nodeagent.state.view import PodView, container_name
from runtime.cri import ContainerState, RuntimeFailure, Sandbox

SANDBOX_RETRY_S = (0.2, 1.0, 5.0, 10.0)
MOUNT_RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 122.0)


@dataclass(slots=True)
class Ledger:
    """What the worker remembers between syncs."""

    backoffs: dict[str, Backoff] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    retry_at: dict[str, float] = field(default_factory=dict)  # container name, or "" for the whole pod
    retries: int = 0
    hooks_pending: set[str] = field(default_factory=set)
    volumes: dict[str, str] | None = None  # None: to be set up (again)

    def may_start(self, name: str, now: float) -> bool:
        return max(self.retry_at.get(name, 0.0), self.retry_at.get("", 0.0)) <= now

    def next_retry(self, now: float) -> float | None:
        return min((at for at in self.retry_at.values() if at > now), default=None)

    def forgive(self) -> None:
        """What a pod refers to has changed: try at once what failed for configuration or mounts."""
        for name, failure in list(self.failures.items()):
            if failure.reason in ("CreateContainerConfigError", "CreateContainerError"):
                self.retry_at.pop(name, None)
        self.retry_at.pop("", None)
        self.volumes = None


class Sync:
    """One pass. `changed` is called after each step that changes the runtime's state."""

    def __init__(
        self, deps: Deps, pod: Obj, view: PodView, ledger: Ledger, changed: Callable[[str], None]
    ) -> None:
        self._deps = deps
        self._pod = pod
        self._view = view
        self._ledger = ledger
        self._changed = changed

    async def run(self, actions: PodActions) -> None:
        for sandbox_id in actions.stale_sandboxes:
            await self._deps.runtime.stop_pod_sandbox(sandbox_id)
        if actions.kill:
            async with asyncio.TaskGroup() as group:
                for kill in actions.kill:
                    group.create_task(self._kill(kill))
        due = [s for s in actions.start if self._ledger.may_start(s.name, self._deps.clock.now())]
        if not due and not actions.create_sandbox:
            return
        sandbox, images = await self._prepare(actions, due)
        if sandbox is None or self._ledger.volumes is None:
            return
        for start in due:
            await self._start(start, sandbox, images.get(start.name))

    async def resize(self, changes: Iterable[Resize]) -> None:
        """Changes cgroups in place: the pod's first, so that no container is held to the old sum."""
        deps, sandbox = self._deps, self._view.ready_sandbox
        assert sandbox is not None
        await deps.runtime.update_sandbox_resources(sandbox.id, pod_resources(self._pod, deps.config))
        for change in changes:
            found = podspec.find_container(self._pod, change.name)
            try:
                await deps.runtime.update_container_resources(change.container_id, change.resources)
            except RuntimeFailure as error:
                deps.events.warning(
                    self._pod, "ResizeError", f"error resizing {change.name}: {error}", *found or ()
                )
                self._ledger.retry_at[f"resize {change.name}"] = deps.clock.now() + INITIAL_S
        self._changed(sandbox.id)

    async def refresh_volumes(self) -> None:
        """Brings files up to date with what they show, for a pod whose containers run."""
        await self._volumes()

    async def _kill(self, kill: Kill) -> None:
        container = self._view.by_id(kill.container_id)
        if container is None:
            return
        grace = float(podspec.grace_period_s(self._pod))
        found = podspec.find_container(self._pod, kill.name)
        probe = {"LivenessProbe": "livenessProbe", "StartupProbe": "startupProbe"}.get(kill.reason, "")
        own = ((found[1].get(probe) or {}) if found and probe else {}).get("terminationGracePeriodSeconds")
        if own is not None:
            grace = float(own)
        deadline = self._deps.clock.now() + grace
        await stop_container(
            self._deps, self._pod, container, grace_s=grace, deadline=deadline, message=kill.message
        )
        self._changed(container.sandbox_id)

    async def _prepare(
        self, actions: PodActions, due: Iterable[Start]
    ) -> tuple[Sandbox | None, dict[str, PulledImage | PullFailure]]:
        images: dict[str, PulledImage | PullFailure] = {}

        async def pull(start: Start) -> None:
            images[start.name] = await self._image(start)

        sandbox = None if actions.create_sandbox else self._view.ready_sandbox
        async with asyncio.TaskGroup() as group:
            if self._ledger.volumes is None:
                group.create_task(self._volumes())
            made = group.create_task(self._sandbox(actions)) if actions.create_sandbox else None
            for start in due:
                group.create_task(pull(start))
        return (made.result() if made else sandbox), images

    async def _volumes(self) -> None:
        newest = self._view.ready_sandbox
        try:
            self._ledger.volumes = await set_up_volumes(
                self._deps, self._pod, tuple(newest.ips) if newest else ()
            )
            self._settled()
        except MountFailed as error:
            self._deps.events.warning(self._pod, "FailedMount", str(error))
            self._delay(MOUNT_RETRY_S)

    async def _sandbox(self, actions: PodActions) -> Sandbox | None:
        deps, pod = self._deps, self._pod
        dns = plan_dns(pod, deps.config, deps.node.host_dns())
        for reason, message in dns.warnings:
            deps.events.warning(pod, reason, message)
        try:
            handler = await runtime_handler(deps.client, pod)
            config = sandbox_config(pod, actions.sandbox_attempt, dns.config, deps.config, handler)
            deps.log_files.make_dir(config.log_directory, 0o755)
            sandbox = await deps.runtime.run_pod_sandbox(config)
        except (RuntimeFailure, OSError, ApiError, TransportError) as error:
            text = f"Failed to create pod sandbox: {error}"
            deps.events.warning(pod, "FailedCreatePodSandBox", text)
            self._delay(SANDBOX_RETRY_S)
            return None
        ips = deps.node.host_ips if podspec.uses_host_network(pod) else tuple(sandbox.ips)
        write_pod_files(deps, pod, ips)
        self._changed(sandbox.id)
        return sandbox

    async def _image(self, start: Start) -> PulledImage | PullFailure:
        container = self._spec(start)
        namespace = podspec.namespace_of(self._pod)
        references = podspec.spec_of(self._pod).get("imagePullSecrets") or ()
        if references:
            try:
                await self._deps.references.ready(podspec.uid_of(self._pod))
            except TimeoutError:
                self._deps.log.warning("pull secrets could not be read", pod=podspec.full_name(self._pod))
        secrets = [
            self._deps.references.get(namespace, ObjectRef("secret", ref["name"])) for ref in references
        ]
        try:
            return await self._deps.images.ensure(self._pod, start.role, container, secrets)
        except PullFailure as failure:
            return failure

    async def _start(self, start: Start, sandbox: Sandbox, image: PulledImage | PullFailure | None) -> None:
        deps, pod, ledger = self._deps, self._pod, self._ledger
        container, now = self._spec(start), deps.clock.now()
        if isinstance(image, PullFailure) or image is None:
            if image is not None:
                ledger.failures[start.name] = Failure(image.reason, str(image))
                ledger.retry_at[start.name] = image.retry_at
            return
        await self._remove_unstarted(start.name)
        if start.finished_at is not None:
            ledger.backoffs[start.name] = after_restart(
                ledger.backoffs.get(start.name), start.finished_at, now
            )
        try:
            container_id = await start_container(
                deps, pod, container, start, sandbox, ledger.volumes or {}, image
            )
            ledger.failures.pop(start.name, None)
            ledger.retry_at.pop(start.name, None)
            if (container.get("lifecycle") or {}).get("postStart"):
                ledger.hooks_pending.add(container_id)
            self._changed(sandbox.id)
            await post_start(
                deps,
                pod,
                container,
                start,
                sandbox,
                container_id,
                lambda: self._hook_ended(container_id, sandbox.id),
            )
        except StartFailed as error:
            ledger.failures[start.name] = Failure(error.reason, str(error))
            if error.reason not in ("RunContainerError", "PostStartHookError"):
                ledger.retry_at[start.name] = (
                    deps.clock.now() + INITIAL_S
                )  # those leave an exit to back off from
            self._changed(sandbox.id)

    def _hook_ended(self, container_id: str, sandbox_id: str) -> None:
        if container_id in self._ledger.hooks_pending:
            self._ledger.hooks_pending.discard(container_id)
            self._changed(sandbox_id)

    async def _remove_unstarted(self, name: str) -> None:
        """A container that was made but never started would hold its attempt's name for ever."""
        for container in self._view.containers:
            if container_name(container) == name and container.state is ContainerState.CREATED:
                await self._deps.runtime.remove_container(container.id)

    def _spec(self, start: Start) -> Obj:
        found = podspec.find_container(self._pod, start.name)
        assert found is not None, f"the plan names {start.name}, which the pod has not"
        return found[1]

    def _delay(self, steps: tuple[float, ...]) -> None:
        ledger = self._ledger
        ledger.retry_at[""] = self._deps.clock.now() + steps[min(ledger.retries, len(steps) - 1)]
        ledger.retries += 1

    def _settled(self) -> None:
        self._ledger.retries = 0
        self._ledger.retry_at.pop("", None)

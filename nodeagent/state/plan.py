"""Pod + what the runtime holds + probe verdicts → what to do next. Pure; decides everything, does nothing.

The rules are the kubelet's (computePodActions, computeInitContainerActions):

* Without a ready sandbox everything starts over: sandbox, then init containers from the first one. A pod that
  may not run again (its containers are done) gets no new sandbox.
* Init containers run one after the other, each to success; a sidecar (restartPolicy Always) counts as passed
  once it is started (its startup probe, if any, succeeded) and is restarted whenever it ends.
* Containers start when initialisation is over, restart by restartPolicy, and are killed when their image
  changed or their liveness or startup probe failed. A restart other than the first waits for its back-off.
* Ephemeral containers start once, whatever the rest does.
* When nothing runs and nothing will start, the pod is done: it is killed, sidecars included.

Invariants (tests/unit/nodeagent): nothing is started beside kill_pod; never two regular init containers at
once; no container is started while an instance of it runs, unless the same plan kills it; planning twice on
one input gives one answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeagent import podspec
from nodeagent.labels import CONTAINER_HASH
from nodeagent.podspec import Obj, Role
from nodeagent.state.actions import Kill, KillReason, PodActions, ProbeResults, Start, Wait
from nodeagent.state.backoff import Backoff, restart_at
from nodeagent.state.resize import Wanted, needs_restart
from nodeagent.state.view import PodView
from runtime.cri import Container, ContainerState, SandboxState

RUNNING, EXITED, CREATED, UNKNOWN = (
    ContainerState.RUNNING,
    ContainerState.EXITED,
    ContainerState.CREATED,
    ContainerState.UNKNOWN,
)


def plan_pod(
    pod: Obj,
    view: PodView,
    probes: ProbeResults,
    backoffs: Mapping[str, Backoff],
    now: float,
    resources: Wanted | None = None,
) -> PodActions:
    """What to do for a pod that shall run. (A pod that shall end is planned by `termination.py`.) `resources`
    tells a container's cgroup values, so that a resize that needs a restart is seen."""
    draft = _Draft(pod, view, backoffs, now, resources)
    changed, attempt = sandbox_changed(pod, view)
    if changed:
        return _plan_new_sandbox(draft, attempt)
    for container in podspec.ephemeral_containers(pod):
        latest = view.latest(container["name"])
        if latest is None:
            draft.start_container(container, "ephemeral")
    initialised, give_up = _plan_init(draft, probes)
    if give_up:
        return PodActions(kill_pod=True)
    if not initialised:
        return draft.actions()
    keep = _plan_containers(draft, probes)
    if not keep and not draft.regular_wanted:
        return PodActions(kill_pod=True)
    return draft.actions()


def sandbox_changed(pod: Obj, view: PodView) -> tuple[bool, int]:
    """Whether a new sandbox is needed, and its attempt number."""
    newest = view.sandbox
    if newest is None:
        return True, 0
    attempt = newest.config.attempt
    ready = [box for box in view.sandboxes if box.state is SandboxState.READY]
    if len(ready) > 1 or newest.state is not SandboxState.READY:
        return True, attempt + 1
    if newest.config.namespaces.host_network != podspec.uses_host_network(pod):
        return True, attempt + 1
    return False, attempt


def should_restart(pod: Obj, container: Obj, latest: Container | None) -> bool:
    """Whether a regular container that does not run is to be started (again)."""
    if podspec.is_deleted(pod):
        return False
    if latest is None:
        return True
    if latest.state is RUNNING:
        return False
    if latest.state in (UNKNOWN, CREATED):
        return True
    policy = restart_policy_of(pod, container)
    if policy == "Never":
        return False
    return policy != "OnFailure" or not _succeeded(latest)


def restart_policy_of(pod: Obj, container: Obj) -> str:
    """The container's own restartPolicy, else the pod's."""
    own = container.get("restartPolicy")
    return str(own) if own else podspec.restart_policy(pod)


@dataclass(slots=True)
class _Draft:
    pod: Obj
    view: PodView
    backoffs: Mapping[str, Backoff]
    now: float
    resources: Wanted | None
    kill: list[Kill] = field(default_factory=list)
    start: list[Start] = field(default_factory=list)
    wait: list[Wait] = field(default_factory=list)
    regular_wanted: bool = False

    def start_container(self, container: Obj, role: Role, *, killed: bool = False) -> None:
        """Start it, or wait for its back-off."""
        name = container["name"]
        if role == "container":
            self.regular_wanted = True
        latest = self.view.latest(name)
        attempt = next_attempt(self.pod, name, latest)
        if killed or latest is None or latest.state is not EXITED:
            ended = self.now if killed and latest is not None else None
            self.start.append(Start(name, role, attempt, ended))
            return
        finished = latest.finished_at_ns / 1e9
        entry = self.backoffs.get(name)
        until = restart_at(entry, finished, self.now)
        if until > self.now:
            self.wait.append(Wait(name, role, until, entry.delay_s if entry else 0.0))
        else:
            self.start.append(Start(name, role, attempt, finished))

    def kill_container(self, latest: Container, name: str, reason: KillReason, message: str) -> None:
        self.kill.append(Kill(latest.id, name, reason, message))

    def actions(self) -> PodActions:
        return PodActions(kill=tuple(self.kill), start=tuple(self.start), wait=tuple(self.wait))


def next_attempt(pod: Obj, name: str, latest: Container | None) -> int:
    """The restart count of the next instance; what the API remembers counts where the runtime forgot."""
    if latest is not None:
        return latest.config.attempt + (latest.state is not CREATED)
    status = pod.get("status") or {}
    for field_name in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(field_name) or ():
            if entry.get("name") == name and entry.get("containerID"):
                return int(entry.get("restartCount") or 0) + 1
    return 0


def _plan_new_sandbox(draft: _Draft, attempt: int) -> PodActions:
    pod, view = draft.pod, draft.view
    stale = tuple(box.id for box in view.sandboxes if box.state is SandboxState.READY)
    policy = podspec.restart_policy(pod)
    if policy == "Never" and attempt != 0 and view.containers:
        # It ran once and may not run again.
        return PodActions(kill_pod=True)
    wanted = [
        c
        for c in podspec.containers(pod)
        if not (
            restart_policy_of(pod, c) == "OnFailure"
            and (latest := view.latest(c["name"])) is not None
            and _succeeded(latest)
        )
    ]
    if not wanted and view.containers:
        return PodActions(kill_pod=True)
    inits = podspec.init_containers(pod)
    if inits:
        draft.start_container(inits[0], "sidecar" if podspec.is_sidecar(inits[0]) else "init")
    else:
        for container in wanted:
            draft.start_container(container, "container")
    return PodActions(
        create_sandbox=True,
        sandbox_attempt=attempt,
        stale_sandboxes=stale,
        start=tuple(draft.start),
        wait=tuple(draft.wait),
    )


def has_initialised(pod: Obj, view: PodView) -> bool:
    """A regular container that belongs to the newest sandbox proves that initialisation was over once."""
    newest = view.sandbox
    return any(
        (latest := view.latest(c["name"])) is not None
        and newest is not None
        and latest.sandbox_id == newest.id
        for c in podspec.containers(pod)
    )


def _current(view: PodView, name: str) -> Container | None:
    """The newest instance if it belongs to the newest sandbox: a run in an older sandbox counts for nothing."""
    latest = view.latest(name)
    newest = view.sandbox
    return latest if latest is not None and newest is not None and latest.sandbox_id == newest.id else None


def _plan_init(draft: _Draft, probes: ProbeResults) -> tuple[bool, bool]:
    """(initialisation is over, the pod has failed). Walks the init containers in order; the first that has
    not passed decides, and sidecars before it are kept alive."""
    pod, view = draft.pod, draft.view
    done_before = has_initialised(pod, view)
    for container in podspec.init_containers(pod):
        name = container["name"]
        sidecar = podspec.is_sidecar(container)
        latest = _current(view, name)
        if sidecar:
            passed = _plan_sidecar(draft, probes, container, latest)
        elif done_before or _later_started(pod, view, name):
            passed = True  # it may have been removed from the runtime since
        elif latest is None or latest.state is CREATED:
            draft.start_container(container, "init")
            passed = False
        elif latest.state is RUNNING:
            passed = False
        elif latest.state is UNKNOWN:
            draft.kill_container(
                latest, name, "Unknown", "Init container is in unknown state, try killing it before restart"
            )
            draft.start_container(container, "init", killed=True)
            passed = False
        elif _succeeded(latest):
            passed = True
        elif restart_policy_of(pod, container) == "Never":
            return False, True
        else:
            draft.start_container(container, "init")
            passed = False
        if not passed and not done_before:
            return False, False
    return True, False


def _later_started(pod: Obj, view: PodView, name: str) -> bool:
    """An init container behind this one was started in this sandbox, so this one passed."""
    names = [c["name"] for c in podspec.init_containers(pod)]
    return any(_current(view, later) is not None for later in names[names.index(name) + 1 :])


def _plan_sidecar(draft: _Draft, probes: ProbeResults, container: Obj, latest: Container | None) -> bool:
    """Keeps it running; tells whether what comes after it may start."""
    name = container["name"]
    if latest is None or latest.state in (CREATED, EXITED):
        draft.start_container(container, "sidecar")
        return _later_started(draft.pod, draft.view, name)
    if latest.state is UNKNOWN:
        draft.kill_container(
            latest, name, "Unknown", "Init container is in unknown state, try killing it before restart"
        )
        draft.start_container(container, "sidecar", killed=True)
        return False
    verdict = _verdict(container, latest, probes)
    if verdict is not None:
        reason, message = verdict
        draft.kill_container(latest, name, reason, f"Init container {name} {message}, will be restarted")
        draft.start_container(container, "sidecar", killed=True)
        return _later_started(draft.pod, draft.view, name)
    return not container.get("startupProbe") or probes.startup.get(latest.id) is True


def _verdict(container: Obj, latest: Container, probes: ProbeResults) -> tuple[KillReason, str] | None:
    """Why a running container must go, or None."""
    recorded = latest.config.annotations.get(CONTAINER_HASH)
    if recorded is not None and recorded != podspec.container_hash(container):
        return "Changed", "definition changed"
    if probes.failed_liveness(latest.id):
        return "LivenessProbe", "failed liveness probe"
    if probes.failed_startup(latest.id):
        return "StartupProbe", "failed startup probe"
    return None


def _plan_containers(draft: _Draft, probes: ProbeResults) -> int:
    """Returns how many running containers are kept."""
    pod, view = draft.pod, draft.view
    keep = 0
    for container in podspec.containers(pod):
        name = container["name"]
        latest = view.latest(name)
        if latest is None or latest.state is not RUNNING:
            if should_restart(pod, container, latest):
                if latest is not None and latest.state is UNKNOWN:
                    message = "Container is in unknown state, try killing it before restart"
                    draft.kill_container(latest, name, "Unknown", message)
                    draft.start_container(container, "container", killed=True)
                else:
                    draft.start_container(container, "container")
            continue
        verdict = _verdict(container, latest, probes)
        if (
            verdict is None
            and draft.resources
            and needs_restart(container, latest.config.resources, draft.resources(container))
        ):
            verdict = "Changed", "resize requires restart"
        if verdict is None:
            keep += 1
            continue
        reason, message = verdict
        text = f"Container {name} {message}"
        if reason == "Changed" or restart_policy_of(pod, container) != "Never":
            draft.kill_container(latest, name, reason, f"{text}, will be restarted")
            draft.start_container(container, "container", killed=True)
        else:
            draft.kill_container(latest, name, reason, text)
            keep += 1  # the next plan sees it ended
    return keep


def _succeeded(container: Container) -> bool:
    return container.state is EXITED and container.exit_code == 0

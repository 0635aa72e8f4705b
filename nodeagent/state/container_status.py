"""One container's entry in the pod's status, from what the runtime holds. Pure.

State: what runs is `running`; what ended is `terminated`, or `waiting` with the reason why it is not running
again (back-off, a failed pull) and the end in `lastState`; what never was is `waiting` (ContainerCreating,
PodInitializing, or the cause of the failure). A container that the runtime forgot keeps what the API last
said of it. Source: kubelet convertToAPIContainerStatuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from machinery.clock import rfc3339
from nodeagent import podspec
from nodeagent.podspec import Obj, Role
from nodeagent.state.actions import ProbeResults
from nodeagent.state.plan import should_restart
from nodeagent.state.view import PodView, container_name
from runtime.cri import Container, ContainerState

UNKNOWN_EXIT = 137


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a container could not be started: a CamelCase reason and its cause."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a status is told from, beside the pod itself."""

    view: PodView
    probes: ProbeResults = field(default_factory=ProbeResults)
    failures: Mapping[str, Failure] = field(default_factory=dict)  # by container name
    messages: Mapping[str, str] = field(default_factory=dict)  # termination messages by container id
    hooks_pending: frozenset[str] = frozenset()  # ids whose postStart hook has not ended
    runtime_name: str = "kctl"
    stopping: bool = False  # the pod is being ended, or has ended


def container_statuses(pod: Obj, seen: Observed, wanted: frozenset[Role], old_field: str) -> list[Obj]:
    """Entries in the spec's order for the containers of these roles."""
    old = {entry["name"]: entry for entry in (pod.get("status") or {}).get(old_field) or ()}
    return [
        container_status(pod, container, role, seen, old.get(container["name"]))
        for role, container in podspec.all_containers(pod)
        if role in wanted
    ]


def container_status(pod: Obj, container: Obj, role: Role, seen: Observed, old: Obj | None) -> Obj:
    name = container["name"]
    latest = seen.view.latest(name)
    status: Obj = {
        "name": name,
        "image": container.get("image", ""),
        "imageID": latest.image_ref if latest else (old or {}).get("imageID", ""),
        "restartCount": latest.config.attempt if latest else int((old or {}).get("restartCount") or 0),
        "ready": False,
        "state": {},
        "lastState": {},
    }
    if latest is not None:
        status["containerID"] = f"{seen.runtime_name}://{latest.id}"
        _fill_known(status, container, role, latest, seen)
    else:
        _fill_unknown(status, pod, container, role, seen, old)
    _apply_failure(status, pod, container, role, latest, seen)
    if role in ("container", "sidecar"):
        status["started"] = _is_started(container, latest, seen)
    if role == "init":
        status["ready"] = (status["state"].get("terminated") or {}).get("exitCode") == 0
        status["started"] = "running" in status["state"]
    elif role != "ephemeral":
        status["ready"] = status["started"] and _is_ready(container, latest, seen)
    _fill_resources(status, container, latest)
    return status


def terminated_state(container: Container, seen: Observed) -> Obj:
    """The `terminated` state of an ended instance."""
    reason = container.reason or ("Completed" if container.exit_code == 0 else "Error")
    state: Obj = {"exitCode": container.exit_code, "reason": reason}
    if container.signal:
        state["signal"] = container.signal
    message = seen.messages.get(container.id) or container.message
    if message:
        state["message"] = message
    if container.started_at_ns:
        state["startedAt"] = rfc3339(container.started_at_ns / 1e9)
    else:
        state["startedAt"] = rfc3339(container.created_at_ns / 1e9)
    state["finishedAt"] = rfc3339(container.finished_at_ns / 1e9)
    state["containerID"] = f"{seen.runtime_name}://{container.id}"
    return state


def _fill_known(status: Obj, container: Obj, role: Role, latest: Container, seen: Observed) -> None:
    previous = seen.view.previous(container_name(latest))
    if previous is not None and previous.state is ContainerState.EXITED:
        status["lastState"] = {"terminated": terminated_state(previous, seen)}
    if latest.state is ContainerState.RUNNING:
        status["state"] = {"running": {"startedAt": rfc3339(latest.started_at_ns / 1e9)}}
    elif latest.state is ContainerState.EXITED:
        status["state"] = {"terminated": terminated_state(latest, seen)}
    elif latest.state is ContainerState.CREATED:
        status["state"] = {"waiting": {"reason": "ContainerCreating"}}
    else:
        status["state"] = {
            "terminated": {
                "exitCode": UNKNOWN_EXIT,
                "reason": "ContainerStatusUnknown",
                "message": "The container could not be located when the pod was terminated",
            }
        }


def _fill_unknown(status: Obj, pod: Obj, container: Obj, role: Role, seen: Observed, old: Obj | None) -> None:
    waiting = "ContainerCreating"
    if (role == "container" and podspec.init_containers(pod)) or (
        role == "init" and container is not podspec.init_containers(pod)[0]
    ):
        waiting = "PodInitializing"
    state = (old or {}).get("state") or {}
    last = (old or {}).get("lastState") or {}
    if old and old.get("containerID"):
        status["containerID"] = old["containerID"]
    if "terminated" in state:
        status["state"], status["lastState"] = state, last
        if not seen.stopping and role != "init" and _would_restart(pod, container, role):
            status["state"] = {"waiting": {"reason": waiting}}
            status["lastState"] = state
        return
    if "running" in state:
        lost = {
            "exitCode": UNKNOWN_EXIT,
            "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was "
            + ("terminated" if seen.stopping else "deleted.  The container used to be Running"),
        }
        if seen.stopping or not _would_restart(pod, container, role):
            status["state"] = {"terminated": lost}
        else:
            status["state"], status["lastState"] = {"waiting": {"reason": waiting}}, {"terminated": lost}
        return
    status["state"], status["lastState"] = {"waiting": {"reason": waiting}}, last


def _would_restart(pod: Obj, container: Obj, role: Role) -> bool:
    return role == "sidecar" or (role != "ephemeral" and should_restart(pod, container, None))


def _apply_failure(
    status: Obj, pod: Obj, container: Obj, role: Role, latest: Container | None, seen: Observed
) -> None:
    """A container that would run if it could waits, and says what for."""
    failure = seen.failures.get(container["name"])
    if failure is None or seen.stopping or "running" in status["state"]:
        return
    if role == "container" and not should_restart(pod, container, latest):
        return
    if "terminated" in status["state"]:
        status["lastState"] = status["state"]
    waiting = {"reason": failure.reason}
    if failure.message:
        waiting["message"] = failure.message
    status["state"] = {"waiting": waiting}


def _is_started(container: Obj, latest: Container | None, seen: Observed) -> bool:
    if latest is None or latest.state is not ContainerState.RUNNING or latest.id in seen.hooks_pending:
        return False
    return not container.get("startupProbe") or seen.probes.startup.get(latest.id) is True


def _is_ready(container: Obj, latest: Container | None, seen: Observed) -> bool:
    if latest is None or latest.state is not ContainerState.RUNNING:
        return False
    return not container.get("readinessProbe") or seen.probes.readiness.get(latest.id) is True


def _fill_resources(status: Obj, container: Obj, latest: Container | None) -> None:
    """What is allotted is what the spec asks for: resources of a running pod are applied as they change."""
    resources = {
        key: value
        for key, value in (container.get("resources") or {}).items()
        if key in ("limits", "requests") and value
    }
    if latest is None:
        return
    if resources.get("requests"):
        status["allocatedResources"] = resources["requests"]
    if latest.state is ContainerState.RUNNING:
        status["resources"] = resources
        mounts = [_mount_status(mount) for mount in container.get("volumeMounts") or ()]
        if mounts:
            status["volumeMounts"] = mounts


def _mount_status(mount: Obj) -> Obj:
    out: Obj = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        out["readOnly"] = True
        out["recursiveReadOnly"] = "Disabled"
    return out

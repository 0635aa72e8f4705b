"""Stopping containers: preStop hook, stop signal, grace period, SIGKILL; and a whole pod in its order."""

from __future__ import annotations

import asyncio

import orjson

from nodeagent import labels, podspec
from nodeagent.pod.deps import Deps
from nodeagent.pod.lifecycle import HookFailed, run_hook
from nodeagent.podspec import Obj, Role
from nodeagent.state.termination import MINIMUM_GRACE_S, plan_stop, remaining_grace_s
from nodeagent.state.view import PodView, container_name
from runtime.cri import Container, ContainerState, RuntimeFailure


async def stop_container(
    deps: Deps, pod: Obj, container: Container, *, grace_s: float, deadline: float, message: str = ""
) -> None:
    """Returns when it has ended. `deadline` is when the grace period of the whole is over."""
    name = container_name(container)
    found = podspec.find_container(pod, name)
    role: Role = found[0] if found else "container"
    spec: Obj = found[1] if found else {"name": name}
    if container.state is ContainerState.RUNNING:
        deps.events.normal(pod, "Killing", message or f"Stopping container {name}", role, spec)
        handler = (spec.get("lifecycle") or {}).get("preStop") or _recorded_pre_stop(container)
        if handler and grace_s > 0:
            await _pre_stop(deps, pod, role, spec, container, handler, deadline)
    timeout_s = remaining_grace_s(deadline, deps.clock.now()) if grace_s > 0 else 0.0
    try:
        await deps.runtime.stop_container(container.id, timeout_s)
    except RuntimeFailure as error:
        if error.reason != "NotFound":
            deps.events.warning(pod, "FailedKillPod", f"error killing container {name}: {error}", role, spec)
            raise


async def stop_pod(deps: Deps, pod: Obj, view: PodView, grace_s: float) -> None:
    """All containers, regular ones first and together, then the sidecars one by one."""
    deadline = deps.clock.now() + grace_s
    for step in plan_stop(pod, view):
        async with asyncio.TaskGroup() as group:
            for container in step.containers:
                group.create_task(stop_container(deps, pod, container, grace_s=grace_s, deadline=deadline))


def recorded_grace_s(view: PodView) -> float:
    """The grace period that a pod unknown to the API was started with."""
    for container in view.containers:
        text = container.config.annotations.get(labels.POD_GRACE, "")
        if text.isdigit():
            return float(text)
    return MINIMUM_GRACE_S


async def _pre_stop(
    deps: Deps, pod: Obj, role: Role, spec: Obj, container: Container, handler: Obj, deadline: float
) -> None:
    remaining = max(deadline - deps.clock.now(), MINIMUM_GRACE_S)
    ips = [entry["ip"] for entry in (pod.get("status") or {}).get("podIPs") or ()]
    try:
        await run_hook(deps, handler, spec, container.id, ips[0] if ips else "", remaining)
    except HookFailed as error:
        deps.events.warning(pod, "FailedPreStopHook", f"PreStopHook failed: {error}", role, spec)


def _recorded_pre_stop(container: Container) -> Obj | None:
    text = container.config.annotations.get(labels.PRE_STOP)
    return dict(orjson.loads(text)) if text else None

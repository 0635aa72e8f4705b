"""Starting one container: configuration, creation, start, postStart hook, with the events of each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nodeagent import podspec
from nodeagent.cri_config import container_config
from nodeagent.cri_security import ConfigError
from nodeagent.env import container_env
from nodeagent.pod.deps import Deps
from nodeagent.pod.images import PulledImage
from nodeagent.pod.lifecycle import HookFailed, run_hook
from nodeagent.pod.mounts import container_mounts
from nodeagent.pod.stop import stop_container
from nodeagent.podspec import Obj
from nodeagent.state.actions import Start
from runtime.cri import ContainerConfig, NotFoundInRuntime, RuntimeFailure, Sandbox


class StartFailed(Exception):
    """The container does not run. `reason` is its waiting reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def start_container(
    deps: Deps,
    pod: Obj,
    container: Obj,
    start: Start,
    sandbox: Sandbox,
    volumes: Mapping[str, str],
    image: PulledImage,
) -> str:
    """Returns the id of the running container. Raises StartFailed."""
    name = container["name"]
    try:
        config = _configuration(deps, pod, container, start, sandbox, volumes, image)
    except (ConfigError, OSError, ValueError) as error:
        deps.events.warning(pod, "Failed", f"Error: {error}", start.role, container)
        raise StartFailed("CreateContainerConfigError", str(error)) from error
    try:
        container_id = await deps.runtime.create_container(sandbox.id, config)
    except RuntimeFailure as error:
        deps.events.warning(pod, "Failed", f"Error: {error}", start.role, container)
        raise StartFailed(_reason(error, "CreateContainerError"), str(error)) from error
    if start.role == "ephemeral" and container.get("targetContainerName"):
        text = "targetContainerName is not supported: the container has a process namespace of its own"
        deps.events.warning(pod, "UnsupportedFeature", text, start.role, container)
    deps.events.normal(pod, "Created", f"Created container: {name}", start.role, container)
    try:
        await deps.runtime.start_container(container_id)
    except RuntimeFailure as error:
        deps.events.warning(pod, "Failed", f"Error: {error}", start.role, container)
        raise StartFailed(_reason(error, "RunContainerError"), str(error)) from error
    deps.events.normal(pod, "Started", f"Started container {name}", start.role, container)
    await _tell_warnings(deps, pod, start, container, container_id)
    return container_id


async def post_start(
    deps: Deps,
    pod: Obj,
    container: Obj,
    start: Start,
    sandbox: Sandbox,
    container_id: str,
    ended: Callable[[], None],
) -> None:
    """Runs the hook, if any. A hook that fails ends the container. `ended` is called when it is over."""
    handler = (container.get("lifecycle") or {}).get("postStart")
    try:
        if handler:
            await run_hook(deps, handler, container, container_id, sandbox.ips[0] if sandbox.ips else "")
    except HookFailed as error:
        text = f"PostStartHook failed: {error}"
        deps.events.warning(pod, "FailedPostStartHook", text, start.role, container)
        grace = podspec.grace_period_s(pod)
        status = await deps.runtime.container_status(container_id)
        await stop_container(
            deps,
            pod,
            status,
            grace_s=grace,
            deadline=deps.clock.now() + grace,
            message="FailedPostStartHook",
        )
        raise StartFailed("PostStartHookError", text) from error
    finally:
        ended()


def _configuration(
    deps: Deps,
    pod: Obj,
    container: Obj,
    start: Start,
    sandbox: Sandbox,
    volumes: Mapping[str, str],
    image: PulledImage,
) -> ContainerConfig:
    ips = deps.node.host_ips if podspec.uses_host_network(pod) else tuple(sandbox.ips)
    env = container_env(pod, container, deps.sources(pod, ips), deps.config)
    mounts, log = container_mounts(deps, pod, container, start.attempt, volumes, env)
    return container_config(
        pod,
        start.role,
        container,
        attempt=start.attempt,
        image_id=image.id,
        image_user=image.user,
        env=env,
        mounts=mounts,
        termination_host_path=log,
        config=deps.config,
        node_memory_bytes=deps.node.memory_bytes,
    )


async def _tell_warnings(deps: Deps, pod: Obj, start: Start, container: Obj, container_id: str) -> None:
    """What the host did not give (a limit beyond its own, a score it may not lower): once per start."""
    try:
        status = await deps.runtime.container_status(container_id)
    except NotFoundInRuntime:  # over already
        return
    for text in status.warnings:
        deps.events.warning(pod, "LimitNotApplied", text, start.role, container)


def _reason(error: RuntimeFailure, default: str) -> str:
    return error.reason if error.reason.endswith("Error") else default

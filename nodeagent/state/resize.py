"""In-place resize: which running containers need other cgroup values than they have. Pure.

A changed resource whose resizePolicy says RestartContainer is a reason to restart instead (`needs_restart`).
Source: KEP-1287.
"""

from __future__ import annotations

from collections.abc import Callable

from nodeagent import podspec
from nodeagent.podspec import Obj
from nodeagent.state.actions import Resize
from nodeagent.state.view import PodView
from runtime.cri import ContainerState, LinuxResources

Wanted = Callable[[Obj], LinuxResources]  # container spec → cgroup values


def plan_resize(pod: Obj, view: PodView, wanted: Wanted) -> tuple[Resize, ...]:
    """What can be changed while it runs. The out-of-memory score is fixed at the start and does not count."""
    found: list[Resize] = []
    for role, container in podspec.all_containers(pod):
        latest = view.latest(container["name"])
        if (
            role not in ("container", "sidecar")
            or latest is None
            or latest.state is not ContainerState.RUNNING
        ):
            continue
        target = wanted(container)
        if _limits(target) != _limits(latest.config.resources) and not needs_restart(
            container, latest.config.resources, target
        ):
            found.append(Resize(latest.id, container["name"], target))
    return tuple(found)


def needs_restart(container: Obj, present: LinuxResources, target: LinuxResources) -> bool:
    policies = {p["resourceName"]: p["restartPolicy"] for p in container.get("resizePolicy") or ()}
    cpu = (present.cpu_shares, present.cpu_quota_us) != (target.cpu_shares, target.cpu_quota_us)
    memory = present.memory_limit_bytes != target.memory_limit_bytes
    return (cpu and policies.get("cpu") == "RestartContainer") or (
        memory and policies.get("memory") == "RestartContainer"
    )


def _limits(resources: LinuxResources) -> tuple[int, int, int]:
    return resources.cpu_shares, resources.cpu_quota_us, resources.memory_limit_bytes

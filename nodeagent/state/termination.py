"""In which order a pod's containers are stopped, and how long each may take. Pure.

Regular and ephemeral containers stop first, together. Sidecars stop after them, one after the other from the
last to the first, as long as the pod's grace period lasts; when it is over they get two seconds each.
Source: KEP-753 (sidecar termination), kubelet's killContainer.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeagent import podspec
from nodeagent.podspec import Obj
from nodeagent.state.view import PodView, container_name
from runtime.cri import Container

MINIMUM_GRACE_S = 2.0  # after preStop has used the grace period up


@dataclass(frozen=True, slots=True)
class StopStep:
    """These stop together; the next step waits for them."""

    containers: tuple[Container, ...]


def plan_stop(pod: Obj, view: PodView) -> tuple[StopStep, ...]:
    """The steps to stop everything of the pod that lives; containers that the spec no longer names come first."""
    sidecars = [c["name"] for c in podspec.init_containers(pod) if podspec.is_sidecar(c)]
    first = tuple(c for c in view.alive if container_name(c) not in sidecars)
    steps = [StopStep(first)] if first else []
    for name in reversed(sidecars):
        alive = tuple(c for c in view.alive if container_name(c) == name)
        if alive:
            steps.append(StopStep(alive))
    return tuple(steps)


def remaining_grace_s(deadline: float, now: float) -> float:
    """What is left of the grace period after preStop hooks and earlier steps."""
    return max(deadline - now, MINIMUM_GRACE_S)

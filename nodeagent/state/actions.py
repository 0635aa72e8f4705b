"""What is to be done to one pod: a frozen value that `plan.py` makes and the pod worker carries out.

Order of execution: stale sandboxes, kills, sandbox, starts (in the order given). `kill_pod` stands alone:
everything that still lives is stopped and nothing is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nodeagent.podspec import Role
from runtime.cri import LinuxResources

KillReason = Literal["LivenessProbe", "StartupProbe", "Changed", "Unknown", "Terminating"]


@dataclass(frozen=True, slots=True)
class Kill:
    container_id: str
    name: str
    reason: KillReason
    message: str


@dataclass(frozen=True, slots=True)
class Start:
    """Make and start this container. `attempt` is its restart count; `finished_at` the end of the last run."""

    name: str
    role: Role
    attempt: int
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Would be started, were it not for its back-off."""

    name: str
    role: Role
    until: float
    delay_s: float


@dataclass(frozen=True, slots=True)
class Resize:
    """A running container whose cgroup no longer is what the spec asks for."""

    container_id: str
    name: str
    resources: LinuxResources


@dataclass(frozen=True, slots=True)
class PodActions:
    kill_pod: bool = False
    create_sandbox: bool = False
    sandbox_attempt: int = 0
    stale_sandboxes: tuple[str, ...] = ()
    kill: tuple[Kill, ...] = ()
    start: tuple[Start, ...] = ()
    wait: tuple[Wait, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing to do now (a wait is not work)."""
        return not (self.kill_pod or self.create_sandbox or self.stale_sandboxes or self.kill or self.start)

    @property
    def next_at(self) -> float | None:
        """When a wait ends."""
        return min((w.until for w in self.wait), default=None)


@dataclass(frozen=True, slots=True)
class ProbeResults:
    """The probes' latest verdicts by container id. A container that is missing has no verdict yet."""

    liveness: Mapping[str, bool] = field(default_factory=dict)
    readiness: Mapping[str, bool] = field(default_factory=dict)
    startup: Mapping[str, bool] = field(default_factory=dict)

    def failed_liveness(self, container_id: str) -> bool:
        return self.liveness.get(container_id) is False

    def failed_startup(self, container_id: str) -> bool:
        return self.startup.get(container_id) is False

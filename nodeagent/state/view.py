"""What the runtime holds for one pod: the input of every decision, gathered without I/O.

Made from the runtime's lists; immutable. Containers are found by the labels that `cri_config` writes, so
an agent that starts anew sees the same pods as the one that died.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nodeagent.labels import CONTAINER_NAME, POD_UID
from runtime.cri import Container, ContainerState, Sandbox, SandboxState


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod's sandboxes and containers, the newest first."""

    uid: str
    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Container, ...] = ()
    by_name: Mapping[str, Container] = field(default_factory=dict)  # the newest of each name

    def latest(self, name: str) -> Container | None:
        return self.by_name.get(name)

    def previous(self, name: str) -> Container | None:
        """The instance before the newest."""
        seen = False
        for container in self.containers:
            if container_name(container) == name:
                if seen:
                    return container
                seen = True
        return None

    def by_id(self, container_id: str) -> Container | None:
        return next((c for c in self.containers if c.id == container_id), None)

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest sandbox, ready or not."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def ready_sandbox(self) -> Sandbox | None:
        newest = self.sandbox
        return newest if newest is not None and newest.state is SandboxState.READY else None

    @property
    def running(self) -> tuple[Container, ...]:
        return tuple(c for c in self.containers if c.state is ContainerState.RUNNING)

    @property
    def alive(self) -> tuple[Container, ...]:
        """Everything that may hold a process: all but the exited."""
        return tuple(c for c in self.containers if c.state is not ContainerState.EXITED)


def container_name(container: Container) -> str:
    return container.config.labels.get(CONTAINER_NAME) or container.config.name


def pod_view(uid: str, sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> PodView:
    """Sorts; the newest is the one of the highest attempt, then the latest made."""
    boxes = sorted(sandboxes, key=lambda s: (s.config.attempt, s.created_at_ns, s.id), reverse=True)
    # A container of the newest sandbox is newer than any of an older one, whatever its attempt.
    rank = {box.id: len(boxes) - place for place, box in enumerate(boxes)}
    ordered = sorted(
        containers,
        key=lambda c: (rank.get(c.sandbox_id, 0), c.config.attempt, c.created_at_ns, c.id),
        reverse=True,
    )
    newest: dict[str, Container] = {}
    for container in ordered:
        newest.setdefault(container_name(container), container)
    return PodView(uid, tuple(boxes), tuple(ordered), newest)


def group_by_pod(sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> dict[str, PodView]:
    """The runtime's whole list, one view per pod uid."""
    boxes: dict[str, list[Sandbox]] = {}
    owner: dict[str, str] = {}
    for box in sandboxes:
        boxes.setdefault(box.config.uid, []).append(box)
        owner[box.id] = box.config.uid
    held: dict[str, list[Container]] = {}
    for container in containers:
        uid = owner.get(container.sandbox_id) or container.config.labels.get(POD_UID, "")
        if uid:
            held.setdefault(uid, []).append(container)
    return {uid: pod_view(uid, boxes.get(uid, ()), held.get(uid, ())) for uid in sorted({*boxes, *held})}

"""What a plugin answers. The code says what the queue does next with the pod."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Code(Enum):
    SUCCESS = "Success"
    # No, as things stand: the pod waits until an event that a refusing plugin named makes it worth trying again.
    UNSCHEDULABLE = "Unschedulable"
    # As UNSCHEDULABLE, and removing other pods from the node would not help.
    UNRESOLVABLE = "UnschedulableAndUnresolvable"
    # The plugin has nothing to do in this cycle.
    SKIP = "Skip"
    # Something broke: the pod is tried again after its back-off.
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Status:
    """`reasons` are upstream's words (`Insufficient cpu`): users and tools grep for them."""

    code: Code
    reasons: tuple[str, ...] = ()
    plugin: str = ""

    @property
    def ok(self) -> bool:
        return self.code is Code.SUCCESS


SUCCESS = Status(Code.SUCCESS)
SKIP = Status(Code.SKIP)


def unschedulable(*reasons: str) -> Status:
    return Status(Code.UNSCHEDULABLE, reasons)


def unresolvable(*reasons: str) -> Status:
    return Status(Code.UNRESOLVABLE, reasons)

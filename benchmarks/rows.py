"""One measured figure, what it ought to be, what a peer takes, and what bounds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


class Skipped(Exception):
    """A subject cannot be measured here; str() is the reason. It is printed loudly and lands in the report."""


@dataclass(frozen=True, slots=True)
class Target:
    """`Target("<=", 1.5)`: at most 1.5 of the row's unit."""

    sense: Literal["<=", ">="]
    limit: float

    def is_met_by(self, value: float) -> bool:
        return value <= self.limit if self.sense == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.sense == '<=' else '≥'} {figure(self.limit)}"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program's figure in the row's unit. `here`: measured in the same run on this machine."""

    name: str
    value: float
    here: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """`value` is the median of `samples` unless `name` says otherwise; `bound` is what limits it, in words.

    `faster` says how many times better than the peer we are; above 1 is better, whichever way the unit goes.
    """

    name: str
    value: float
    unit: str
    target: Target | None = None
    peer: Peer | None = None
    samples: Sequence[float] = ()
    bound: str = ""
    more_is_better: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def is_met(self) -> bool | None:
        return None if self.target is None or self.skipped else self.target.is_met_by(self.value)

    @property
    def faster(self) -> float | None:
        if self.peer is None or self.skipped or not self.value or not self.peer.value:
            return None
        return self.value / self.peer.value if self.more_is_better else self.peer.value / self.value

    def to_json(self) -> dict[str, Any]:
        found = asdict(self) | {"is_met": self.is_met, "faster": self.faster}
        found["target"] = str(self.target) if self.target else None
        return found


def skipped_row(name: str, why: str, target: Target | None = None) -> Row:
    return Row(name, 0.0, "", target, skipped=why)


def figure(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"

"""How the server's seats are shared out among priority levels, and lent from the idle to the busy.

    nominal   = ceil(server's seats x shares / sum of shares)
    lendable  = nominal x lendablePercent          borrowing = nominal x borrowingLimitPercent, or no limit
    current   in [nominal - lendable, nominal + borrowing], worked out anew every 10 s from what was in demand

Pure. Source: KEP-1040, "Dispatching", and Kubernetes' documentation of borrowing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from api.resource import Obj

# Half of an old peak is forgotten after five minutes of adjustments, as upstream has it.
_SMOOTH = 0.977
_PRECISION = 1e-9  # of the factor that is searched: far below one seat


@dataclass(frozen=True, slots=True)
class Limits:
    nominal: int
    lower: int
    upper: int


@dataclass(slots=True)
class Demand:
    """Seats asked for (running and waiting) by one level since the last adjustment: time-weighted."""

    high: float = 0.0
    smooth: float = 0.0
    _now: float = 0.0
    _since_s: float = 0.0
    _weight_s: float = 0.0
    _sum: float = 0.0
    _squares: float = 0.0

    def note(self, seats: int, now_s: float) -> None:
        lasted = now_s - self._since_s
        if lasted > 0:
            self._weight_s += lasted
            self._sum += self._now * lasted
            self._squares += self._now * self._now * lasted
        self._since_s, self._now = now_s, seats
        if seats > self.high:
            self.high = seats

    def take(self, now_s: float) -> float:
        """The seats this level should have had since the last time; begins a new period."""
        self.note(int(self._now), now_s)
        average = self._sum / self._weight_s if self._weight_s else self._now
        spread = math.sqrt(max(0.0, self._squares / self._weight_s - average**2)) if self._weight_s else 0.0
        high = self.high
        envelope = min(high, average + spread)
        self.smooth = max(envelope, _SMOOTH * self.smooth + (1 - _SMOOTH) * envelope)
        self.high, self._weight_s, self._sum, self._squares = self._now, 0.0, 0.0, 0.0
        return min(self.smooth, high) if high else 0.0


def plan_limits(specs: Mapping[str, Obj], server_seats: int) -> dict[str, Limits]:
    """`specs` are the PriorityLevelConfigurations' specs by name."""
    parts = {name: spec.get("limited") or spec.get("exempt") or {} for name, spec in specs.items()}
    shares = {name: int(part.get("nominalConcurrencyShares", 30)) for name, part in parts.items()}
    total = sum(shares.values()) or 1
    out = {}
    for name, part in parts.items():
        nominal = math.ceil(server_seats * shares[name] / total)
        lendable = round(nominal * part.get("lendablePercent", 0) / 100)
        borrowing = part.get("borrowingLimitPercent")
        upper = nominal + (server_seats if borrowing is None else round(nominal * borrowing / 100))
        out[name] = Limits(nominal, nominal - lendable, upper)
    return out


def plan_current(
    limits: Mapping[str, Limits], demand: Mapping[str, float], server_seats: int
) -> dict[str, int]:
    """Current seats by level: everybody's lower bound first, then the rest in proportion to demand, in its bounds.

    Solves sum(clamp(f x target, lower, upper)) = server seats for f, by halving; targets are at least one so that
    an idle level still gets its share of what nobody asks for.
    """
    bounds = [
        (max(demand.get(name, 0.0), float(each.lower), 1.0), float(each.lower), float(each.upper))
        for name, each in limits.items()
    ]

    def at(factor: float) -> list[float]:
        return [min(max(factor * target, lower), upper) for target, lower, upper in bounds]

    low, high = 0.0, 1.0
    while sum(at(high)) < server_seats and high < 1e6:
        high *= 2
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if sum(at(middle)) < server_seats:
            low = middle
        else:
            high = middle
    return {
        name: max(1, each.lower, min(round(value), each.upper))
        for (name, each), value in zip(limits.items(), at(high), strict=True)
    }

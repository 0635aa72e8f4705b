"""One priority level at work: its queues, its hands, what was asked of it.

A level outlives its configuration: while requests are in it, it drains, with the limit that it had.
"""

from __future__ import annotations

from typing import Any

from api.resource import Obj
from apiserver.flowcontrol.classify import Schema
from apiserver.flowcontrol.limits import Demand, Limits
from apiserver.flowcontrol.queueset import QueueSet
from apiserver.flowcontrol.seats import most_seats
from apiserver.flowcontrol.shuffle import deal
from apiserver.flowcontrol.statistics import Counts
from machinery.short_texts import LONGEST_CHARS

_KEPT_HANDS = 4096


class Level:
    def __init__(self, name: str) -> None:
        self.name = name
        self.uid = ""
        self.exempt = False
        self.limits = Limits(0, 0, 0)
        self.current = 0
        self.most_seats = 1
        self.demand = Demand()
        self.queues: QueueSet | None = None
        self.counts: dict[str, Counts] = {}  # by schema
        self.running = 0  # of an exempt level, which has no queues
        self._shape: tuple[int, int, int] = (-1, 0, 0)
        self._hands: dict[tuple[str, str], tuple[int, ...]] = {}

    def configure(self, obj: Obj, limits: Limits) -> None:
        """Seats are set by `FlowControl.adjust` afterwards. Those who wait in queues of another shape stay in them."""
        spec = obj["spec"]
        self.uid = obj["metadata"].get("uid", "")
        self.exempt = spec["type"] == "Exempt"
        self.limits = limits
        self.most_seats = most_seats(limits.nominal)
        if not self.current:
            self.current = max(1, limits.nominal)
        shape = (0, 0, 0) if self.exempt else _shape(spec)
        if self.exempt:
            self.queues = None
        elif self.queues is None or shape != self._shape:
            self.queues = QueueSet(shape[0], shape[2], self.current)
            self._hands.clear()
        self._shape = shape

    def counts_of(self, schema: str) -> Counts:
        found = self.counts.get(schema)
        if found is None:
            found = self.counts[schema] = Counts()
        return found

    def hand(self, schema: Schema, flow: str) -> tuple[int, ...]:
        key = (schema.name, flow)
        hand = self._hands.get(key)
        if hand is None:
            queues, hand_size, _ = self._shape
            hand = deal(schema.name, flow, queues, hand_size) if queues else ()
            if len(flow) <= LONGEST_CHARS:  # a flow may be named by what stands in the path
                if len(self._hands) >= _KEPT_HANDS:
                    self._hands.clear()
                self._hands[key] = hand
        return hand

    @property
    def is_idle(self) -> bool:
        queues = self.queues
        return not self.running if queues is None else not (queues.in_use or queues.waiting)


def _shape(spec: Obj) -> tuple[int, int, int]:
    response: dict[str, Any] = (spec.get("limited") or {}).get("limitResponse") or {}
    queuing = response.get("queuing")
    if response.get("type") != "Queue" or not queuing:
        return (0, 0, 0)
    return queuing["queues"], queuing["handSize"], queuing["queueLengthLimit"]

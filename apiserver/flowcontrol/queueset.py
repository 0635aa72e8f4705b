"""Fair queues of one priority level: who runs now, who waits where, who goes next. No I/O, no time of its own.

    arrive → RUNNING | WAITING | a reason to refuse        finish, resize, leave → the tickets that run from now on

A request takes seats while it runs (more than one where it is much work), and perhaps some for a moment afterwards.
Each queue carries the tag at which its next request starts in virtual time. A queue's tag grows by what its requests
use, seats x seconds: by an estimate when one is dispatched, corrected by the truth when it ends. The queue with the
least tag goes next; one that was idle starts at the tag of whoever was dispatched last, so it neither saves up turns
nor pays for old ones.

Invariants: seats in use never exceed the limit but for one request alone that is wider than it; nobody waits while
the next in turn would fit; first in, first out within a queue; a queue's wait is bounded by the work of its peers'
single turns, however much they have waiting. (Start-time fair queueing, Goyal, Vin and Cheng 1996; KEP-1040.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# What a request is taken to last until it is known, and the least it costs.
_ESTIMATE_S = 0.003
_LEAST_S = 0.001
QUEUE_FULL, NO_SEAT = "queue-full", "concurrency-limit"


@dataclass(slots=True, eq=False)
class Ticket:
    """One request in the level. `waiter` belongs to the caller."""

    seats: int
    schema: str
    flow: str
    queue: _Queue | None
    arrived_s: float
    started_s: float = -1.0
    waiter: Any = None
    final_seats: int = 0
    final_s: float = 0.0
    width: int = 1  # the most seats it holds at any time
    held: int = 0  # seats held now

    @property
    def is_running(self) -> bool:
        return self.started_s >= 0


@dataclass(slots=True, eq=False)
class _Queue:
    index: int
    tag: float = 0.0
    waiting: OrderedDict[int, Ticket] = field(default_factory=OrderedDict)
    waiting_seats: int = 0
    running: int = 0


class QueueSet:
    """`queues` 0: nobody waits, a request that finds no seat is refused."""

    def __init__(self, queues: int, length_limit: int, seats: int) -> None:
        self.queues = [_Queue(index) for index in range(queues)]
        self.length_limit = length_limit
        self.limit = max(1, seats)
        self.in_use = 0
        self.waiting = 0
        self.waiting_seats = 0
        self.running = 0
        self._busy: dict[int, _Queue] = {}  # those with somebody waiting
        self._virtual = 0.0
        self._turn = 0

    def arrive(
        self, hand: Sequence[int], of: tuple[str, str], seats: int, final: tuple[int, float], now_s: float
    ) -> Ticket | str:
        """A ticket, running or waiting; or the reason why not. `of`: its schema and flow, for those who look on."""
        queue = self._choose(hand) if self.queues else None
        final_seats, final_s = final
        width = seats if seats >= final_seats else final_seats
        ticket = Ticket(seats, *of, queue, now_s, -1.0, None, final_seats, final_s, width)
        if queue is None:
            if not self._fits(ticket):
                return NO_SEAT
            self._start(ticket, now_s)
            return ticket
        if not queue.waiting and not queue.running:
            queue.tag = self._virtual
        if not self.waiting and self._fits(ticket):
            self._start(ticket, now_s)
            return ticket
        if len(queue.waiting) >= self.length_limit:
            return QUEUE_FULL
        queue.waiting[id(ticket)] = ticket
        queue.waiting_seats += ticket.width
        self._busy[queue.index] = queue
        self.waiting += 1
        self.waiting_seats += ticket.width
        return ticket

    def finish(self, ticket: Ticket, now_s: float) -> Sequence[Ticket]:
        """The request was served. Its final seats, if any, stay taken until `release`."""
        self._settle(ticket, now_s)
        self.running -= 1
        keep = ticket.final_seats if ticket.final_s > 0 else 0
        self.in_use -= ticket.held - keep
        ticket.held = keep
        return self._dispatch(now_s)

    def release(self, ticket: Ticket, now_s: float) -> Sequence[Ticket]:
        """The moment after `finish` is over."""
        self.in_use -= ticket.held
        ticket.held = 0
        return self._dispatch(now_s)

    def leave(self, ticket: Ticket, now_s: float) -> Sequence[Ticket]:
        """A waiting request is given up."""
        self._unqueue(ticket)
        return self._dispatch(now_s)

    def resize(self, seats: int, now_s: float) -> Sequence[Ticket]:
        self.limit = max(1, seats)
        return self._dispatch(now_s)

    @property
    def demand(self) -> int:
        return self.in_use + self.waiting_seats

    def _choose(self, hand: Sequence[int]) -> _Queue:
        """The queue of the hand with the least work before it."""
        best: _Queue | None = None
        least = 0
        for index in hand:
            queue = self.queues[index]
            work = queue.waiting_seats + queue.running
            if best is None or work < least:
                best, least = queue, work
                if not work:
                    break
        assert best is not None, "a hand holds at least one queue"
        return best

    def _fits(self, ticket: Ticket) -> bool:
        return self.in_use + ticket.width <= self.limit or not self.in_use

    def _start(self, ticket: Ticket, now_s: float) -> None:
        ticket.started_s = now_s
        ticket.held = ticket.width
        self.in_use += ticket.held
        self.running += 1
        queue = ticket.queue
        if queue is not None:
            queue.running += 1
            if queue.tag > self._virtual:
                self._virtual = queue.tag
            queue.tag += ticket.seats * _ESTIMATE_S
            self._turn = queue.index + 1

    def _settle(self, ticket: Ticket, now_s: float) -> None:
        """Put what it truly used in the place of the estimate."""
        queue = ticket.queue
        if queue is not None:
            queue.running -= 1
            used = ticket.seats * max(_LEAST_S, now_s - ticket.started_s)
            used += ticket.final_seats * ticket.final_s
            queue.tag += used - ticket.seats * _ESTIMATE_S

    def _unqueue(self, ticket: Ticket) -> None:
        queue = ticket.queue
        assert queue is not None, "only queued requests wait"
        del queue.waiting[id(ticket)]
        width = ticket.width
        queue.waiting_seats -= width
        self.waiting -= 1
        self.waiting_seats -= width
        if not queue.waiting:
            del self._busy[queue.index]

    def _dispatch(self, now_s: float) -> Sequence[Ticket]:
        if not self.waiting:
            return ()
        started: list[Ticket] = []
        while self._busy:
            size = len(self.queues)
            turn = self._turn
            # Equal tags go round.
            queue = min(self._busy.values(), key=lambda each: (each.tag, (each.index - turn) % size))
            ticket = next(iter(queue.waiting.values()))
            if not self._fits(ticket):
                break  # it is its turn: nobody smaller may pass for ever
            self._unqueue(ticket)
            self._start(ticket, now_s)
            started.append(ticket)
        return started

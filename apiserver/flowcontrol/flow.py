"""Priority and fairness: which requests run now, which wait for how long, which are refused.

    entry = flow.arrive(user, info, query, now)  classified: runs, waits, or is refused
    if entry.waits: await entry.turn()            at most the queue wait limit; raises TooManyRequests
    ... serve, with entry.headers ...
    entry.leave(now)                              in every case; what waited is woken

Exempt requests pass at once. The levels' seats are worked out anew every ten seconds from what was in demand
(`run`), so that the busy borrow what the idle do not need. What the objects say comes in through `configure`.

Source: KEP-1040; Kubernetes "API Priority and Fairness".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from api.resource import Obj
from apiserver.auth.user import User
from apiserver.engine.query import Query
from apiserver.flowcontrol.bootstrap import MANDATORY, flow_schemas, priority_levels
from apiserver.flowcontrol.classify import Classifier, Schema, compile_schema
from apiserver.flowcontrol.level import Level
from apiserver.flowcontrol.limits import plan_current, plan_limits
from apiserver.flowcontrol.queueset import QueueSet, Ticket
from apiserver.flowcontrol.seats import Sizes, estimate
from apiserver.flowcontrol.statistics import Counts
from apiserver.http.reply import Header
from apiserver.http.request_info import RequestInfo
from machinery.clock import Clock
from machinery.errors import TooManyRequests

ADJUST_S = 10.0
WAIT_LIMIT_S = 15.0
# max-requests-inflight and max-mutating-requests-inflight of a kube-apiserver, together
SERVER_SEATS = 600
_RETRY_AFTER_S = 1
TIME_OUT, CANCELLED = "time-out", "cancelled"


class FlowControl:
    def __init__(
        self,
        clock: Clock,
        sizes: Sizes,
        *,
        seats: int = SERVER_SEATS,
        wait_limit_s: float = WAIT_LIMIT_S,
    ) -> None:
        """Begins with the built-in configuration, until `configure` tells of the stored one."""
        self.clock = clock
        self.sizes = sizes
        self.seats = seats
        self.wait_limit_s = wait_limit_s
        self.levels: dict[str, Level] = {}
        self.draining: list[Level] = []
        self.classifier = Classifier(())
        self._fallback = Schema("catch-all", "", "catch-all", 10000, "ByUser", ())
        self._headers: dict[str, Sequence[Header]] = {}
        self.configure(priority_levels(), flow_schemas())

    def configure(self, levels: Iterable[Obj], schemas: Iterable[Obj]) -> None:
        """The whole configuration. Schemas of levels that are not there match nothing."""
        specs = _with_mandatory(levels, priority_levels())
        named = _with_mandatory(schemas, flow_schemas())
        limits = plan_limits({name: obj["spec"] for name, obj in specs.items()}, self.seats)
        for name in self.levels.keys() - specs.keys():
            gone = self.levels.pop(name)
            if not gone.is_idle:
                self.draining.append(gone)
        for name, obj in specs.items():
            self.levels.setdefault(name, Level(name)).configure(obj, limits[name])
        compiled = [compile_schema(obj) for obj in named.values()]
        self.classifier = Classifier(each for each in compiled if each.level in self.levels)
        self._headers = {
            each.name: (
                (b"x-kubernetes-pf-flowschema-uid", each.uid.encode()),
                (b"x-kubernetes-pf-prioritylevel-uid", self.levels[each.level].uid.encode()),
            )
            for each in self.classifier.schemas
        }
        self.adjust()

    async def run(self) -> None:
        """Lends seats from the idle to the busy, until cancelled."""
        while True:
            await self.clock.sleep(ADJUST_S)
            self.adjust()

    def adjust(self) -> None:
        now_s = self.clock.monotonic()
        demand = {name: level.demand.take(now_s) for name, level in self.levels.items()}
        limits = {name: level.limits for name, level in self.levels.items()}
        for name, seats in plan_current(limits, demand, self.seats).items():
            level = self.levels[name]
            level.current = seats
            if level.queues is not None:
                _wake(level.queues.resize(seats, now_s))
        self.draining = [level for level in self.draining if not level.is_idle]

    def arrive(self, user: User, info: RequestInfo, query: Query, now_s: float) -> Entry:
        """`now_s` by the clock's monotonic time."""
        schema = self.classifier.find(user, info) or self._fallback
        level = self.levels[schema.level]
        counts = level.counts.get(schema.name) or level.counts_of(schema.name)
        headers = self._headers.get(schema.name, ())
        queues = level.queues
        if queues is None:
            level.running += 1
            counts.dispatched += 1
            counts.running += 1
            return Entry(self, level, counts, headers, None, None, now_s)
        flow = schema.flow_of(user, info)
        width = estimate(info, query, self.sizes, level.most_seats)
        ticket = queues.arrive(level.hand(schema, flow), (schema.name, flow), width.seats, width[1:], now_s)
        if isinstance(ticket, str):
            counts.rejected[ticket] += 1
            return Entry(self, level, counts, headers, queues, None, now_s)
        level.demand.note(queues.demand, now_s)
        if width.seats == 1:
            counts.narrow += 1
        else:
            counts.widths.add(width.seats)
        entry = Entry(self, level, counts, headers, queues, ticket, now_s)
        if ticket.started_s >= 0:
            counts.dispatched += 1
            counts.running += 1
            counts.seats += ticket.seats
            counts.immediate += 1
        else:
            counts.waiting += 1
        return entry


class Entry:
    """One request in flow control. `headers` go with its answer."""

    __slots__ = ("_arrived_s", "_counts", "_flow", "_left", "_level", "_queues", "_ticket", "headers")

    def __init__(
        self,
        flow: FlowControl,
        level: Level,
        counts: Counts,
        headers: Sequence[Header],
        queues: QueueSet | None,
        ticket: Ticket | None,
        arrived_s: float,
    ) -> None:
        self._flow = flow
        self._level = level
        self._counts = counts
        self._queues = queues
        self._ticket = ticket
        self._arrived_s = arrived_s
        self._left = queues is not None and ticket is None  # refused: nothing to give back
        self.headers = headers

    @property
    def waits(self) -> bool:
        """Also where it is refused, which `turn` tells."""
        ticket = self._ticket
        return not ticket.is_running if ticket is not None else self._queues is not None

    async def turn(self) -> None:
        """Returns when the request may run. Raises TooManyRequests when that takes too long."""
        ticket, queues, counts = self._ticket, self._queues, self._counts
        if ticket is None or queues is None:
            raise _refusal()
        ticket.waiter = asyncio.get_running_loop().create_future()
        reason = CANCELLED
        try:
            async with asyncio.timeout(self._flow.wait_limit_s):
                await ticket.waiter
        except TimeoutError:
            reason = TIME_OUT
        finally:
            now_s = self._flow.clock.monotonic()
            counts.waiting -= 1
            counts.waited.add(now_s - self._arrived_s)
            if ticket.is_running:
                counts.dispatched += 1
                counts.running += 1
                counts.seats += ticket.seats
            else:
                self._left = True
                counts.rejected[reason] += 1
                _wake(queues.leave(ticket, now_s))
        if not ticket.is_running:
            raise _refusal()

    def leave(self, now_s: float) -> None:
        """Twice is once."""
        if self._left:
            return
        self._left = True
        level, counts, queues, ticket = self._level, self._counts, self._queues, self._ticket
        counts.running -= 1
        if queues is None or ticket is None:
            level.running -= 1
            counts.ran.add(now_s - self._arrived_s)
            return
        counts.seats -= ticket.seats
        counts.ran.add(now_s - ticket.started_s)
        started = queues.finish(ticket, now_s)
        if started:
            _wake(started)
        if ticket.held:
            asyncio.get_running_loop().call_later(ticket.final_s, self._release)
        level.demand.note(queues.demand, now_s)

    def _release(self) -> None:
        assert self._ticket is not None and self._queues is not None
        now_s = self._flow.clock.monotonic()
        _wake(self._queues.release(self._ticket, now_s))
        self._level.demand.note(self._queues.demand, now_s)


def _wake(started: Sequence[Ticket]) -> None:
    for ticket in started:
        if ticket.waiter is not None and not ticket.waiter.done():
            ticket.waiter.set_result(None)


def _with_mandatory(objects: Iterable[Obj], built_in: Iterable[Obj]) -> dict[str, Obj]:
    """By name, with the two that must be there though somebody removed them."""
    found = {obj["metadata"]["name"]: obj for obj in objects}
    for obj in built_in:
        if obj["metadata"]["name"] in MANDATORY:
            found.setdefault(obj["metadata"]["name"], obj)
    return found


def _refusal() -> TooManyRequests:
    return TooManyRequests("Too many requests, please try again later.", retry_after_s=_RETRY_AFTER_S)

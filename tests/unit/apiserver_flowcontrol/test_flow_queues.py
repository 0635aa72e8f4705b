"""The fair queues alone: nobody starves, no seat stays empty while somebody waits, order is kept within a queue."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.flowcontrol.queueset import NO_SEAT, QUEUE_FULL, QueueSet, Ticket
from apiserver.flowcontrol.shuffle import deal

ONE = (0, 0.0)


class Load:
    """Requests of known lengths on a QueueSet, in made-up time."""

    def __init__(self, queues: QueueSet) -> None:
        self.queues = queues
        self.now_s = 0.0
        self.order: list[str] = []
        self.running: list[tuple[float, int, Ticket]] = []
        self.lengths: dict[int, float] = {}
        self.count = 0

    def arrive(self, flow: str, queue: int, lasts_s: float, seats: int = 1) -> Ticket | str:
        got = self.queues.arrive((queue,), ("s", flow), seats, ONE, self.now_s)
        if isinstance(got, Ticket):
            self.lengths[id(got)] = lasts_s
            if got.is_running:
                self._begin([got])
        return got

    def _begin(self, started: Sequence[Ticket]) -> None:
        for ticket in started:
            self.count += 1
            self.order.append(ticket.flow)
            self.running.append((self.now_s + self.lengths[id(ticket)], self.count, ticket))

    def step(self) -> None:
        """To the end of the request that ends first."""
        first = min(self.running, key=lambda each: each[:2])
        self.running.remove(first)
        self.now_s = first[0]
        self._begin(self.queues.finish(first[2], self.now_s))


def test_noisy_flow_with_hundreds_waiting_a_quiet_one_goes_next() -> None:
    load = Load(QueueSet(8, 1000, seats=4))
    for _ in range(400):
        load.arrive("noisy", 0, 1.0)
    for _ in range(20):
        load.step()
    quiet = load.arrive("quiet", 1, 1.0)
    assert isinstance(quiet, Ticket) and not quiet.is_running
    load.step()
    assert quiet.is_running


def test_two_flows_that_both_flood_get_half_of_the_seat_seconds_each() -> None:
    load = Load(QueueSet(8, 1000, seats=4))
    for _ in range(400):
        load.arrive("slow", 0, 0.4)
        load.arrive("fast", 1, 0.1)
    for _ in range(300):
        load.step()
    used = {"slow": 0.0, "fast": 0.0}
    for flow in load.order:
        used[flow] += 0.4 if flow == "slow" else 0.1
    assert 0.8 < used["slow"] / used["fast"] < 1.25


def test_flow_that_was_idle_for_long_has_saved_up_no_turns() -> None:
    load = Load(QueueSet(8, 1000, seats=2))
    for _ in range(300):
        load.arrive("steady", 0, 0.5)
    for _ in range(200):
        load.step()
    for _ in range(100):
        load.arrive("late", 1, 0.5)
    before = len(load.order)
    for _ in range(60):
        load.step()
    assert 25 <= load.order[before:].count("steady") <= 35


def test_full_queue_refuses_and_queueless_level_refuses_beyond_its_seats() -> None:
    queues = QueueSet(1, 2, seats=1)
    got = [queues.arrive((0,), ("s", "f"), 1, ONE, 0.0) for _ in range(4)]
    assert [isinstance(each, Ticket) for each in got] == [True, True, True, False] and got[3] == QUEUE_FULL
    strict = QueueSet(0, 0, seats=1)
    first = strict.arrive((), ("s", "f"), 1, ONE, 0.0)
    assert isinstance(first, Ticket) and strict.arrive((), ("s", "f"), 1, ONE, 0.0) == NO_SEAT
    strict.finish(first, 1.0)
    assert isinstance(strict.arrive((), ("s", "f"), 1, ONE, 1.0), Ticket)


def test_wide_request_waits_its_turn_and_is_not_passed_for_ever() -> None:
    load = Load(QueueSet(4, 100, seats=4))
    for n in range(40):
        load.arrive("small", 0, 0.1 + n / 1000)
    wide = load.arrive("wide", 1, 0.1, seats=4)
    assert isinstance(wide, Ticket)
    for _ in range(8):
        load.step()
    assert wide.is_running


def test_final_seats_stay_taken_until_released() -> None:
    queues = QueueSet(1, 10, seats=4)
    writer = queues.arrive((0,), ("s", "f"), 1, (4, 0.005), 0.0)
    assert isinstance(writer, Ticket)
    after = queues.arrive((0,), ("s", "f"), 1, ONE, 0.0)
    assert isinstance(after, Ticket)
    assert not queues.finish(writer, 1.0)
    assert queues.release(writer, 1.005) == [after] and queues.in_use == 1


def test_who_gives_up_leaves_no_trace() -> None:
    queues = QueueSet(1, 10, seats=1)
    first, second, third = (queues.arrive((0,), ("s", "f"), 1, ONE, 0.0) for _ in range(3))
    assert isinstance(first, Ticket) and isinstance(second, Ticket) and isinstance(third, Ticket)
    queues.leave(second, 0.5)
    assert queues.finish(first, 1.0) == [third]
    queues.finish(third, 2.0)
    assert (queues.in_use, queues.waiting, queues.waiting_seats, queues.demand) == (0, 0, 0, 0)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(st.integers(0, 5), st.floats(0.001, 2.0), st.integers(1, 6), st.booleans()), max_size=120
    ),
)
def test_any_load_keeps_the_limit_the_order_and_no_seat_idle(
    seats: int, events: list[tuple[int, float, int, bool]]
) -> None:
    queues = QueueSet(6, 40, seats=seats)
    load = Load(queues)
    told: dict[str, list[Ticket]] = {}
    for flow, lasts_s, width, ends in events:
        got = load.arrive(str(flow), flow, lasts_s, width)
        if isinstance(got, Ticket):
            told.setdefault(str(flow), []).append(got)
        if ends and load.running:
            load.step()
        assert queues.in_use == sum(ticket.held for _, _, ticket in load.running)
        assert queues.in_use <= seats or len(load.running) == 1
        assert load.running or not queues.waiting
    while load.running:
        load.step()
    assert queues.waiting == queues.in_use == 0
    for tickets in told.values():
        assert all(ticket.is_running for ticket in tickets)
        assert [t.started_s for t in tickets] == sorted(t.started_s for t in tickets)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(1, 5),
    st.lists(st.floats(0.01, 1.0), min_size=20, max_size=60),
)
def test_a_flow_that_was_idle_waits_for_no_more_than_a_turn_of_each_other(
    seats: int, others: int, lengths: list[float]
) -> None:
    load = Load(QueueSet(8, 1000, seats=seats))
    for lasts_s in lengths:
        for other in range(others):
            load.arrive(f"noisy{other}", other, lasts_s)
    for _ in range(len(lengths) // 2):
        load.step()
    quiet = load.arrive("quiet", 7, 0.1)
    assert isinstance(quiet, Ticket)
    arrived_s, before = load.now_s, len(load.order)
    while not quiet.is_running:
        load.step()
    assert len(load.order) - before <= others + 1
    assert load.now_s - arrived_s <= (others + 1) * 1.0


def test_hands_are_of_different_queues_and_evenly_dealt() -> None:
    dealt = [0] * 64
    for n in range(2000):
        hand = deal("schema", f"user{n}", 64, 6)
        assert len(set(hand)) == 6 and all(0 <= each < 64 for each in hand)
        for each in hand:
            dealt[each] += 1
    assert max(dealt) < 2 * min(dealt)
    assert deal("a", "b", 3, 8) and sorted(deal("a", "b", 3, 8)) == [0, 1, 2]

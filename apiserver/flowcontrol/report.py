"""What flow control shows of itself: /metrics families and the /debug/api_priority_and_fairness dumps.

Names, labels and columns are upstream's. Nothing here is on a request's way but the debugging ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from apiserver.flowcontrol.flow import FlowControl
from apiserver.flowcontrol.level import Level
from apiserver.flowcontrol.statistics import Counts
from apiserver.histogram import Histogram
from machinery.clock import rfc3339_micro

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

DEBUG = "/debug/api_priority_and_fairness/"
_PAIR = ["priority_level", "flow_schema"]


def collect(flow: FlowControl) -> Iterator[Metric]:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    name = "apiserver_flowcontrol_"
    dispatched = CounterMetricFamily(
        f"{name}dispatched_requests", "Requests that were let run.", labels=_PAIR
    )
    rejected = CounterMetricFamily(
        f"{name}rejected_requests", "Requests that were refused.", labels=[*_PAIR, "reason"]
    )
    waiting = GaugeMetricFamily(
        f"{name}current_inqueue_requests", "Requests that wait in queues.", labels=_PAIR
    )
    running = GaugeMetricFamily(
        f"{name}current_executing_requests", "Requests that are served now.", labels=_PAIR
    )
    seats = GaugeMetricFamily(f"{name}current_executing_seats", "Seats that requests hold now.", labels=_PAIR)
    waits = HistogramMetricFamily(
        f"{name}request_wait_duration_seconds", "Time in a queue.", labels=[*_PAIR, "execute"]
    )
    runs = HistogramMetricFamily(
        f"{name}request_execution_seconds", "Time being served.", labels=[*_PAIR, "type"]
    )
    widths = HistogramMetricFamily(f"{name}work_estimated_seats", "Seats of requests.", labels=_PAIR)
    for level, schema, counts in _rows(flow):
        pair = [level.name, schema]
        dispatched.add_metric(pair, counts.dispatched)
        for reason, count in sorted(counts.rejected.items()):
            rejected.add_metric([*pair, reason], count)
        waiting.add_metric(pair, counts.waiting)
        running.add_metric(pair, counts.running)
        seats.add_metric(pair, counts.seats)
        _with(counts.waited, 0.0, counts.immediate).show(waits, [*pair, "true"])
        counts.ran.show(runs, [*pair, "regular"])
        _with(counts.widths, 1, counts.narrow).show(widths, pair)
    yield from (dispatched, rejected, waiting, running, seats, waits, runs, widths)
    texts = {
        "nominal_limit_seats": "Seats by shares.",
        "lower_limit_seats": "Seats that are never lent.",
        "upper_limit_seats": "Seats that borrowing may reach.",
        "current_limit_seats": "Seats at present.",
        "demand_seats_high_watermark": "Most seats asked for since the last adjustment.",
        "demand_seats_smoothed": "Seats asked for, peaks forgotten slowly.",
    }
    for key, text in texts.items():
        family = GaugeMetricFamily(name + key, text, labels=["priority_level"])
        for level in flow.levels.values():
            family.add_metric([level.name], _figure(level, key))
        yield family


def _figure(level: Level, key: str) -> float:
    limits = level.limits
    return {
        "nominal_limit_seats": limits.nominal,
        "lower_limit_seats": limits.lower,
        "upper_limit_seats": limits.upper,
        "current_limit_seats": level.current,
        "demand_seats_high_watermark": level.demand.high,
        "demand_seats_smoothed": level.demand.smooth,
    }[key]


def _rows(flow: FlowControl) -> Iterator[tuple[Level, str, Counts]]:
    for level in (*flow.levels.values(), *flow.draining):
        for schema, counts in sorted(level.counts.items()):
            yield level, schema, counts


def _with(histogram: Histogram, value: float, times: int) -> Histogram:
    """With a value that was met so often that it is only counted."""
    whole = Histogram(histogram.bounds)
    whole.cells, whole.sum = list(histogram.cells), histogram.sum + value * times
    whole.cells[bisect_left(histogram.bounds, value)] += times
    return whole


def dump(flow: FlowControl, path: str) -> str | None:
    """The text of one of the three dumps; None where the path is none of theirs."""
    made = {"dump_priority_levels": _levels, "dump_queues": _queues, "dump_requests": _requests}
    maker = made.get(path.removeprefix(DEBUG)) if path.startswith(DEBUG) else None
    return None if maker is None else _table(maker(flow))


def _levels(flow: FlowControl) -> list[list[str]]:
    rows = [
        [
            "PriorityLevelName",
            "ActiveQueues",
            "IsIdle",
            "IsQuiescing",
            "WaitingRequests",
            "ExecutingRequests",
            "DispatchedRequests",
            "RejectedRequests",
            "TimedoutRequests",
            "CancelledRequests",
        ]
    ]
    for level in sorted(flow.levels.values(), key=lambda each: each.name):
        queues, counts = level.queues, level.counts.values()
        refused = [sum(each.rejected[reason] for each in counts) for reason in ("time-out", "cancelled")]
        rejected = sum(sum(each.rejected.values()) for each in counts) - sum(refused)
        if queues is None:
            rows.append([level.name, *["<none>"] * 9])
            continue
        active = sum(1 for queue in queues.queues if queue.waiting or queue.running)
        figures = (
            queues.waiting,
            queues.running,
            sum(each.dispatched for each in counts),
            rejected,
            *refused,
        )
        rows.append(
            [level.name, str(active), str(level.is_idle).lower(), "false", *(str(each) for each in figures)]
        )
    return rows


def _queues(flow: FlowControl) -> list[list[str]]:
    rows = [["PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "NextDispatchR"]]
    for level in sorted(flow.levels.values(), key=lambda each: each.name):
        for queue in level.queues.queues if level.queues is not None else ():
            figures = (queue.index, len(queue.waiting), queue.running)
            rows.append([level.name, *(str(each) for each in figures), f"{queue.tag:.8f}ss"])
    return rows


def _requests(flow: FlowControl) -> list[list[str]]:
    rows = [
        [
            "PriorityLevelName",
            "FlowSchemaName",
            "QueueIndex",
            "RequestIndexInQueue",
            "FlowDistingsher",
            "ArriveTime",
            "InitialSeats",
            "FinalSeats",
            "AdditionalLatency",
        ]
    ]
    epoch_s = flow.clock.now() - flow.clock.monotonic()
    for level in sorted(flow.levels.values(), key=lambda each: each.name):
        for queue in level.queues.queues if level.queues is not None else ():
            for at, ticket in enumerate(queue.waiting.values()):
                rows.append(
                    [
                        level.name,
                        ticket.schema,
                        str(queue.index),
                        str(at),
                        ticket.flow,
                        rfc3339_micro(epoch_s + ticket.arrived_s),
                        str(ticket.seats),
                        str(ticket.final_seats),
                        f"{ticket.final_s * 1000:g}ms",
                    ]
                )
    return rows


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) + 2 for at in range(len(rows[0]))]
    lines = (
        "".join(f"{cell + ',':<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows
    )
    return "\n".join(lines) + "\n"

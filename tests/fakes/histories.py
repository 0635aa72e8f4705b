"""What many clients saw of one store, and whether a store that does one thing after the other can have shown it to them.

A `History` is recorded by `workload.py`: each operation with when it was called and when it returned (numbers of one
counter, so that "before" is certain), each watch with all it told. `violations` judges it:

* Each key by itself is linearizable (Wing and Gong's search with memory, as Porcupine does it), without looking at revisions.
* Revisions are one order of all writes that agrees with real time; none is used twice; a list is the state as of its
  revision, and not older than what was acknowledged before it was asked for.
* A watch tells every change after its beginning, in order and once; it may end anywhere, and must say so where it leaves a gap.

A write whose answer was lost may have happened at any time after its call, or never.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

ANY, ABSENT, UNSEEN = "<any>", "<absent>", "<unseen>"  # instead of a value
Verdict = Literal["ok", "refused", "unknown"]


@dataclass(slots=True)
class Op:
    """`expect`: the value that had to stand there. `seen`: the value found (get), replaced or lost to; None for none."""

    client: int
    verb: Literal["put", "delete", "get", "list"]
    key: str
    begin: float
    end: float = math.inf
    value: str = ""
    expect: str = ANY
    verdict: Verdict = "unknown"
    revision: int = 0  # of the write, or of the list
    seen: str | None = UNSEEN
    listed: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # key → (value, revision)
    exact: bool = False  # a list of the past: it may be older than anything


@dataclass(frozen=True, slots=True)
class Told:
    revision: int
    key: str
    value: str | None  # None: deleted


@dataclass(slots=True)
class Watched:
    """One watch: from `after` on it told `events`, and all there was up to `upto`."""

    after: int
    events: list[Told] = field(default_factory=list)
    upto: int = 0


@dataclass(slots=True)
class History:
    ops: list[Op] = field(default_factory=list)
    watches: list[Watched] = field(default_factory=list)
    log: list[Told] = field(default_factory=list)  # by a watch of everything that was resumed until the end
    first: int = 0  # the revision at the beginning, when nothing was stored
    _ticks: itertools.count[int] = field(default_factory=itertools.count)

    def begin(
        self, client: int, verb: Literal["put", "delete", "get", "list"], key: str, **more: object
    ) -> Op:
        op = Op(client, verb, key, next(self._ticks), **more)
        self.ops.append(op)
        return op

    def end(self, op: Op, verdict: Verdict = "ok") -> None:
        op.end, op.verdict = next(self._ticks), verdict


def violations(history: History) -> list[str]:
    """In words; empty where all is well."""
    return [
        *_of_log(history),
        *_of_real_time(history),
        *_of_lists(history),
        *_of_watches(history),
        *_of_keys(history),
    ]


# Revisions


def _of_log(history: History) -> Iterable[str]:
    revisions = [told.revision for told in history.log]
    if revisions != sorted(set(revisions)):
        yield "the log's revisions do not grow one by one"
    by_revision = {told.revision: told for told in history.log}
    tried = {op.value for op in history.ops if op.verb == "put"}
    for op in history.ops:
        if op.verb in ("put", "delete") and op.verdict == "ok" and (op.revision or op.expect != ANY):
            told = by_revision.get(op.revision)
            if told != Told(op.revision, op.key, op.value if op.verb == "put" else None):
                yield f"acknowledged {op.verb} of {op.key}={op.value!r} at {op.revision}, the log has {told}"
    acknowledged = [op.revision for op in history.ops if op.verb in ("put", "delete") and op.revision]
    if len(acknowledged) != len(set(acknowledged)):
        yield "two writes were acknowledged with one revision"
    values = [told.value for told in history.log if told.value is not None]
    if len(values) != len(set(values)):
        yield "one write is in the log twice"
    if strange := set(values) - tried:
        yield f"nobody wrote {sorted(strange)[:3]}"


def _of_real_time(history: History) -> Iterable[str]:
    """Who began after another's end has a greater revision, and who ended before another began a smaller one."""
    timed = [
        op for op in history.ops if op.revision and op.verdict == "ok" and op.verb != "get" and not op.exact
    ]
    ends = sorted((op.end, op.revision) for op in timed if op.verb != "list")
    highest = list(itertools.accumulate((revision for _, revision in ends), max))
    for op in timed:
        i = bisect_right(ends, (op.begin, math.inf))
        floor = highest[i - 1] if i else 0
        if op.revision < floor or (op.verb != "list" and op.revision == floor):
            yield f"{op.verb} of {op.key} at {op.revision} began when {floor} was acknowledged already"
    begun = {op.revision: op.begin for op in timed if op.verb != "list"}
    order = sorted(begun)
    latest = dict(zip(order, itertools.accumulate((begun[r] for r in order), max), strict=True))
    for op in timed:
        i = bisect_right(order, op.revision)
        if op.verb == "list" and i and latest[order[i - 1]] > op.end:
            yield f"list at {op.revision} returned before a write of it had begun"


def _of_lists(history: History) -> Iterable[str]:
    asked = sorted((op for op in history.ops if op.verb == "list" and op.verdict == "ok"), key=_revision)
    state: dict[str, tuple[str, int]] = {}
    log = iter(history.log)
    ahead = next(log, None)
    for op in asked:
        while ahead is not None and ahead.revision <= op.revision:
            if ahead.value is None:
                state.pop(ahead.key, None)
            else:
                state[ahead.key] = (ahead.value, ahead.revision)
            ahead = next(log, None)
        if dict(op.listed) != state:
            wrong = sorted(set(op.listed.items()) ^ set(state.items()))[:3]
            yield f"list at {op.revision} is not the state then: {wrong}"


def _revision(op: Op) -> int:
    return op.revision


def _of_watches(history: History) -> Iterable[str]:
    revisions = [told.revision for told in history.log]
    for watched in history.watches:
        upto = max([watched.upto, *(told.revision for told in watched.events)])
        due = history.log[bisect_right(revisions, watched.after) : bisect_right(revisions, upto)]
        if watched.events != due:
            missing = [told for told in due if told not in watched.events][:3]
            more = [told for told in watched.events if told not in due][:3]
            yield f"watch from {watched.after} to {upto}: missing {missing}, not due {more}, or out of order"


# Keys


def _of_keys(history: History) -> Iterable[str]:
    by_key: dict[str, list[Op]] = defaultdict(list)
    for op in history.ops:
        if op.verb != "list":
            by_key[op.key].append(op)
    for key, ops in sorted(by_key.items()):
        if not is_linearizable(ops):
            yield f"no order of the {len(ops)} operations on {key} explains what was seen"


def is_linearizable(ops: Sequence[Op]) -> bool:
    """Whether some order of `ops` on one register, absent at first, agrees with real time and with all answers.

    Depth first, over (the set of operations done, the value): what was met once leads nowhere new.
    """
    ops = sorted(
        (op for op in ops if not (op.verb == "get" and op.verdict == "unknown")), key=lambda o: o.begin
    )
    needed = sum(1 << i for i, op in enumerate(ops) if op.verdict != "unknown")
    stack: list[tuple[int, str | None]] = [(0, None)]
    met: set[tuple[int, str | None]] = set()
    while stack:
        done, value = stack.pop()
        if done & needed == needed:
            return True
        first_end = math.inf
        for i, op in enumerate(ops):
            if done >> i & 1:
                continue
            if op.begin > first_end:
                break  # somebody else had returned before this one was called, and has to come first
            first_end = min(first_end, op.end)
            after = _applied(op, value)
            if after == UNSEEN:
                continue
            then = (done | 1 << i, after)
            if then not in met:
                met.add(then)
                stack.append(then)
    return False


def _applied(op: Op, value: str | None) -> str | None:
    """The value after `op`, if it answers so where `value` stands; UNSEEN where it cannot."""
    fits = op.expect == ANY or (value is None if op.expect == ABSENT else value == op.expect)
    if op.verb == "delete":
        fits = fits and value is not None
    if op.verdict == "unknown":
        return (op.value if op.verb == "put" else None) if fits else UNSEEN
    if op.seen != UNSEEN and op.seen != value:
        return UNSEEN
    if op.verb == "get":
        return value
    if fits != (op.verdict == "ok"):
        return UNSEEN
    if op.verdict == "refused":
        return value
    return op.value if op.verb == "put" else None

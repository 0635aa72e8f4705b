"""Keeps etcd's file near what it holds: defragments members, and lifts the alarm that a full quota raises.

Compaction frees pages inside of etcd's file; they are used again, and the file stays as large as it ever was. Only defragmenting
makes it smaller, and a member answers nothing while that lasts. So it happens seldom: where more than half of a file of some
size is free, one member in each round, at most once an hour, and not when the estimated pause is longer than callers wait. The member that
answers us is left first, so that where there are several only those suffer who ask that one; a member by itself pauses. While
any member does not answer no other is stopped, which might be the one too many; nor is anything touched while etcd says that
what its members hold differs (the alarm CORRUPT, which is not for us to lift).

When the quota is met (`EtcdFull`) etcd takes no writes from anybody until somebody compacts, defragments and lifts the alarm. Then
`make_room` does so at once, with no regard to pauses. Lifting an alarm is always safe: a write that has no room raises it again.

`plan_defragmentation` decides; `Upkeep` asks and acts. It knows the members that --etcd-servers names, and no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from apiserver.backends.backend import StoreFigures, StoreUnavailable
from apiserver.backends.etcd_client import ALARM, DEFRAGMENT, STATUS, EtcdClient
from apiserver.backends.etcd_messages import (
    NO_SPACE,
    StatusAnswer,
    alarms_answer,
    disarm_request,
    status_answer,
)
from client.logs import get_logger
from machinery.clock import Clock

FREE_SHARE = 0.5  # of the file
FREE_BYTES = 64 << 20  # less is soon used again
SELDOM_S = 3600.0
PAUSE_S = 4.0  # below the patience of callers (etcd_client.PATIENCE_S): they wait, and are not refused
COPIED_BYTES_PER_S = 50e6  # 80 MB/s were measured with objects of 500 bytes on two busy cores
_ROOM_SHARE = 0.1  # free, from which on a full file is worth defragmenting
_STATUS_S, _DEFRAGMENT_S = 2.0, 120.0

log = get_logger("etcd")


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done about a member's file; `pause_s` is an estimate. Not `worthwhile`: the pause would be too long."""

    member: int
    pause_s: float
    worthwhile: bool = True


def plan_defragmentation(
    files: Mapping[int, StatusAnswer], current: int, last: Mapping[int, float], now: float, members: int
) -> Due | None:
    """`files`: of the members that answered, of so many `members`; `current`: who answers us; `last`: when each was
    defragmented (monotonic)."""
    if len(files) < members or any(file.corrupt for file in files.values()):
        return None
    due = [
        member
        for member, file in files.items()
        if file.size_bytes - file.used_bytes >= max(FREE_BYTES, FREE_SHARE * file.size_bytes)
        and now - last.get(member, -SELDOM_S) >= SELDOM_S
    ]
    if not due:
        return None
    # The one that answers us comes last.
    member = min(due, key=lambda each: (each == current, each))
    pause_s = files[member].used_bytes / COPIED_BYTES_PER_S
    return Due(member, pause_s, pause_s <= PAUSE_S)


class Upkeep:
    """`defragment`: whether files are made smaller and alarms lifted at all; sizes are looked at in any case."""

    def __init__(self, client: EtcdClient, clock: Clock, *, defragment: bool) -> None:
        self._client = client
        self._clock = clock
        self._allowed = defragment
        self._last: dict[int, float] = {}
        self._done = self._failed = 0
        self._took_s = 0.0
        self._files: dict[int, StatusAnswer] = {}

    def figures(self) -> StoreFigures:
        """Of the largest file, when members were asked last."""
        largest = max(self._files.values(), key=lambda file: file.size_bytes, default=StatusAnswer("", 0, 0))
        return StoreFigures(
            largest.size_bytes, largest.used_bytes, self._done, self._failed, round(self._took_s, 3)
        )

    async def look(self) -> None:
        """Asks every member how large its file is; who does not answer is left out. Raises StoreUnavailable where none does."""
        files: dict[int, StatusAnswer] = {}
        members = range(self._client.members)
        asked = (self._client.call_member(member, STATUS, b"", _STATUS_S) for member in members)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for member, answer in zip(members, answers, strict=True):
            if isinstance(answer, bytes):
                files[member] = status_answer(answer)
            elif not isinstance(answer, StoreUnavailable) or (not files and member == members[-1]):
                raise answer
        self._files = files

    @property
    def is_full(self) -> bool:
        """Whether etcd refused writes for want of space when it was looked at last."""
        return any(file.no_space for file in self._files.values())

    async def defragment_one(self) -> None:
        """After `look`: the member that is due, if any."""
        now = self._clock.monotonic()
        members = self._client.members
        due = plan_defragmentation(self._files, self._client.current, self._last, now, members)
        if due is None or not self._allowed:
            return
        if not due.worthwhile:
            self._last[due.member] = now  # so that it is told of once an hour
            log.warning(
                "more than half of etcd's file is free, but defragmenting would stop it for too long: "
                "run `etcdctl defrag` at a quiet moment",
                member=self._client.name_of(due.member),
                estimated_s=round(due.pause_s, 1),
            )
            return
        await self._defragment(due.member)

    async def make_room(self, *, compacted: bool) -> bool:
        """Full: gives free pages back and lifts the alarm. `compacted`: history just now; etcd counts those pages as free only
        after a further write, which it does not take. Whether that was tried. Raises StoreUnavailable."""
        if not self._allowed:
            return False
        await self.look()
        files = dict(self._files)
        if any(file.corrupt for file in files.values()):
            log.error("etcd is full, and its members hold different data: nothing is done about it here")
            return True
        for member, file in files.items():
            free = file.size_bytes - file.used_bytes
            if compacted or member not in self._last or free >= _ROOM_SHARE * file.size_bytes:
                await self._defragment(member)
        current = self._client.current
        for alarm in alarms_answer(await self._client.call_member(current, ALARM, b"", _STATUS_S)):
            if alarm.kind == NO_SPACE:
                await self._client.call_member(current, ALARM, disarm_request(alarm), _STATUS_S)
        await self.look()
        return True

    async def _defragment(self, member: int) -> None:
        """Tells what it did; a failure is told, counted, and not tried again for a while."""
        before = self._files[member]
        name = self._client.name_of(member)
        self._client.leave_member(member)
        self._last[member] = began = self._clock.monotonic()
        try:
            await self._client.call_member(member, DEFRAGMENT, b"", _DEFRAGMENT_S)
            after = status_answer(await self._client.call_member(member, STATUS, b"", _STATUS_S))
        except StoreUnavailable as error:
            self._failed += 1
            log.warning("etcd could not be defragmented", member=name, error=str(error))
            return
        took_s = self._clock.monotonic() - began
        self._done += 1
        self._took_s += took_s
        self._files[member] = after
        log.info(
            "etcd was defragmented",
            member=name,
            before_mib=before.size_bytes >> 20,
            after_mib=after.size_bytes >> 20,
            stood_still_s=round(took_s, 3),
        )

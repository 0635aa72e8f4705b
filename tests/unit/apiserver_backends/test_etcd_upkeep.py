"""Which member of etcd is defragmented, if any."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from apiserver.backends.etcd_client import STATUS
from apiserver.backends.etcd_messages import StatusAnswer, alarms_answer, disarm_request, status_answer
from apiserver.backends.etcd_upkeep import FREE_BYTES, SELDOM_S, Due, Upkeep, plan_defragmentation
from machinery.clock import SystemClock

MIB = 1 << 20


def file(size_mib: int, used_mib: int) -> StatusAnswer:
    return StatusAnswer("3.4", size_mib * MIB, used_mib * MIB)


FULL, FREE, SMALL = file(200, 190), file(300, 100), file(64, 1)
CORRUPT = replace(FREE, corrupt=True)


@pytest.mark.parametrize(
    ("situation", "files", "members", "current", "member"),
    [
        ("nothing is free", {0: FULL}, 1, 0, None),
        ("much is free", {0: FREE}, 1, 0, 0),
        ("much of little is free", {0: SMALL}, 1, 0, None),
        ("the one that answers us comes last", {0: FREE, 1: FREE, 2: FREE}, 3, 0, 1),
        ("only the one that answers us", {0: FREE, 1: FULL}, 2, 0, 0),
        ("nobody answered", {}, 1, 0, None),
        ("another member is down", {0: FREE, 1: FREE}, 3, 0, None),
        ("the members disagree", {0: FREE, 1: CORRUPT}, 2, 0, None),
    ],
)
def test_member_that_is_defragmented(
    situation: str, files: dict[int, StatusAnswer], members: int, current: int, member: int | None
) -> None:
    due = plan_defragmentation(files, current, {}, 0.0, members)
    assert (due.member if due else None) == member, situation


def test_free_part_is_weighed_against_the_file_and_a_least_size() -> None:
    least = StatusAnswer("", 2 * FREE_BYTES, FREE_BYTES)
    assert plan_defragmentation({0: least}, 0, {}, 0.0, 1) == Due(0, FREE_BYTES / 50e6)
    assert plan_defragmentation({0: StatusAnswer("", 2 * FREE_BYTES, FREE_BYTES + 1)}, 0, {}, 0.0, 1) is None


def test_member_is_left_in_peace_for_an_hour() -> None:
    assert plan_defragmentation({0: FREE, 1: FREE}, 0, {1: 10.0}, 20.0, 2) == Due(0, 100 * MIB / 50e6)
    assert plan_defragmentation({1: FREE}, 0, {1: 10.0}, 20.0, 1) is None
    assert plan_defragmentation({1: FREE}, 0, {1: 10.0}, 10.0 + SELDOM_S, 1) is not None


def test_pause_longer_than_callers_wait_is_not_worth_it() -> None:
    due = plan_defragmentation({0: file(4000, 1000)}, 0, {}, 0.0, 1)
    assert due is not None and not due.worthwhile and due.pause_s > 20


def test_messages_of_the_alarm_are_etcds() -> None:
    listed = alarms_answer(bytes.fromhex("0a00 1205 08e707 1001"))
    assert [(alarm.member, alarm.kind) for alarm in listed] == [(999, 1)]
    assert disarm_request(listed[0]) == bytes.fromhex("0802 10e707 1801")
    words = b"memberID:1 alarm:NOSPACE "
    full = status_answer(b"\x42" + bytes([len(words)]) + words)
    assert full.no_space and not full.corrupt
    words = b"memberID:1 alarm:CORRUPT "
    assert status_answer(b"\x42" + bytes([len(words)]) + words).corrupt
    assert not status_answer(b"\x18\x05").no_space


def test_full_store_whose_members_disagree_is_left_as_it_is() -> None:
    asked: list[str] = []

    class Client:
        members, current = 1, 0

        async def call_member(self, member: int, method: str, *_: object) -> bytes:
            asked.append(method)
            words = b"memberID:1 alarm:NOSPACE memberID:1 alarm:CORRUPT "
            return b"\x42" + bytes([len(words)]) + words

    upkeep = Upkeep(Client(), SystemClock(), defragment=True)
    asyncio.run(upkeep.make_room(compacted=True))
    assert set(asked) == {STATUS}

"""The few messages of etcd's v3 API that the backend speaks, to bytes and back.

Field numbers are those of etcd's `rpc.proto` and `kv.proto`, which never change. Written by hand because nine
messages need neither a protobuf runtime nor generated code bound to one version of it (decision 0005). A value is
sliced out of the answer once.

Requests are functions that return bytes; answers are decoded from bytes into frozen values. Unknown fields are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from machinery.codec.wire import bytes_field as _bytes
from machinery.codec.wire import int_field as _int
from machinery.codec.wire import message_field as _message
from machinery.codec.wire import put_varint as _varint

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOD = 2  # Compare.CompareTarget
NO_SPACE = 1  # AlarmType
_DEACTIVATE = 2  # AlarmRequest.AlarmAction


class BadMessage(Exception):
    """Bytes that are no message of etcd's."""


@dataclass(frozen=True, slots=True)
class RawKV:
    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int


@dataclass(frozen=True, slots=True)
class RangeAnswer:
    revision: int
    kvs: list[RawKV]
    more: bool
    count: int


@dataclass(frozen=True, slots=True)
class TxnAnswer:
    """`kvs` are those of every range and every deletion in the branch that ran, in order; `deleted` their number."""

    revision: int
    succeeded: bool
    kvs: list[RawKV]
    deleted: int


@dataclass(frozen=True, slots=True)
class RawEvent:
    kv: RawKV
    prev: RawKV | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class WatchAnswer:
    revision: int
    created: bool
    canceled: bool
    compact_revision: int  # set where the watch asked for what is compacted
    reason: str
    fragment: bool  # more of the same answer follows
    events: list[RawEvent]


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    version: str
    size_bytes: int  # of the member's file
    used_bytes: int  # the rest of the file is free pages
    no_space: bool = False  # the file has met etcd's quota, and no member takes writes
    corrupt: bool = (
        False  # members disagree about what is stored: somebody has to look, and nothing may be touched
    )


@dataclass(frozen=True, slots=True)
class Alarm:
    """`kind` is etcd's AlarmType, NO_SPACE or another."""

    member: int
    kind: int


# Requests


def prefix_end(prefix: bytes) -> bytes:
    """The first key behind all that begin with `prefix`; b"\\0", which means no end, where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else b"\0"


def range_request(
    key: bytes,
    end: bytes = b"",
    *,
    limit: int = 0,
    revision: int = 0,
    keys_only: bool = False,
    count_only: bool = False,
) -> bytes:
    return (
        _bytes(1, key)
        + _bytes(2, end)
        + _int(3, limit)
        + _int(4, revision)
        + _int(8, keys_only)
        + _int(9, count_only)
    )


def put_request(key: bytes, value: bytes) -> bytes:
    return _bytes(1, key) + _bytes(2, value)


def delete_request(key: bytes, end: bytes = b"", *, prev: bool = True) -> bytes:
    return _bytes(1, key) + _bytes(2, end) + _int(3, prev)


def put_txn(key: bytes, value: bytes, expect: int | None) -> bytes:
    """Puts if `expect` is the mod revision (None: anyway) and asks when the key was made; else reads what is there."""
    put = _bytes(2, _message(2, put_request(key, value)))
    made = _bytes(2, _message(1, range_request(key, keys_only=True)))
    return _if_mod(key, expect) + put + made + _otherwise_read(key, expect)


def delete_txn(key: bytes, expect: int | None) -> bytes:
    """Deletes if `expect` is the mod revision (None: anyway) and answers what stood there; else reads it."""
    return (
        _if_mod(key, expect)
        + _bytes(2, _message(3, delete_request(key, prev=True)))
        + _otherwise_read(key, expect)
    )


def replace_txn(start: bytes, end: bytes, key: bytes, value: bytes) -> bytes:
    """Deletes [start, end) and puts `key`, which must lie outside of it, in one revision."""
    delete = _bytes(2, _message(3, delete_request(start, end, prev=False)))
    return delete + _bytes(2, _message(2, put_request(key, value)))


def delete_all_txn(ranges: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Deletes every [start, end) in one revision; they must not overlap."""
    return b"".join(_bytes(2, _message(3, delete_request(start, end, prev=False))) for start, end in ranges)


def compaction_request(revision: int, *, physical: bool = False) -> bytes:
    """`physical`: the answer comes when the pages are free."""
    return _int(1, revision) + _int(2, physical)


def disarm_request(alarm: Alarm) -> bytes:
    return _int(1, _DEACTIVATE) + _int(2, alarm.member) + _int(3, alarm.kind)


def watch_request(key: bytes, end: bytes, start_revision: int) -> bytes:
    """Changes of [key, end) from `start_revision` on, with what stood there before, in pieces where they are large."""
    create = _bytes(1, key) + _bytes(2, end) + _int(3, start_revision) + _int(4, 1) + _int(6, 1) + _int(8, 1)
    return _message(1, create)


# Answers


def range_answer(data: bytes) -> RangeAnswer:
    return _range_answer(data, 0, len(data))


def revision_of(data: bytes) -> int:
    """The revision in the header, which every answer begins with."""
    return next((_revision(data, start, end) for number, start, end in _fields(data) if number == 1), 0)


def txn_answer(data: bytes) -> TxnAnswer:
    revision, succeeded, deleted = 0, False, 0
    kvs: list[RawKV] = []
    for number, value, end in _fields(data):
        if number == 1:
            revision = _revision(data, value, end)
        elif number == 2:
            succeeded = bool(value)
        elif number == 3:
            for kind, start, stop in _fields(data, value, end):
                if kind == 1:
                    kvs.extend(_range_answer(data, start, stop).kvs)
                elif kind == 3:
                    for field, at, upto in _fields(data, start, stop):
                        if field == 2:
                            deleted += at
                        elif field == 3:
                            kvs.append(_kv(data, at, upto))
    return TxnAnswer(revision, succeeded, kvs, deleted)


def watch_answer(data: bytes) -> WatchAnswer:
    revision, compacted = 0, 0
    created = canceled = fragment = False
    reason = ""
    events: list[RawEvent] = []
    for number, value, end in _fields(data):
        if number == 11:
            events.append(_event(data, value, end))
        elif number == 1:
            revision = _revision(data, value, end)
        elif number == 3:
            created = bool(value)
        elif number == 4:
            canceled = bool(value)
        elif number == 5:
            compacted = value
        elif number == 6:
            reason = data[value:end].decode(errors="replace")
        elif number == 7:
            fragment = bool(value)
    return WatchAnswer(revision, created, canceled, compacted, reason, fragment, events)


def status_answer(data: bytes) -> StatusAnswer:
    version, size, used, no_space, corrupt = "", 0, 0, False, False
    for number, value, end in _fields(data):
        if number == 2:
            version = data[value:end].decode(errors="replace")
        elif number == 3:
            size = value
        elif number == 8:
            no_space = no_space or b"NOSPACE" in data[value:end]
            corrupt = corrupt or b"CORRUPT" in data[value:end]
        elif number == 9:
            used = value
    return StatusAnswer(version, size, used or size, no_space, corrupt)


def alarms_answer(data: bytes) -> list[Alarm]:
    alarms = []
    for number, start, stop in _fields(data):
        if number == 2:
            fields = {field: value for field, value, _ in _fields(data, start, stop)}
            alarms.append(Alarm(fields.get(1, 0), fields.get(2, 0)))
    return alarms


def _range_answer(data: bytes, start: int, stop: int) -> RangeAnswer:
    revision, more, count = 0, False, 0
    kvs: list[RawKV] = []
    for number, value, end in _fields(data, start, stop):
        if number == 2:
            kvs.append(_kv(data, value, end))
        elif number == 1:
            revision = _revision(data, value, end)
        elif number == 3:
            more = bool(value)
        elif number == 4:
            count = value
    return RangeAnswer(revision, kvs, more, count)


def _revision(data: bytes, start: int, stop: int) -> int:
    return next((value for number, value, _ in _fields(data, start, stop) if number == 3), 0)


def _kv(data: bytes, start: int, stop: int) -> RawKV:
    key = content = b""
    create = mod = 0
    for number, value, end in _fields(data, start, stop):
        if number == 1:
            key = data[value:end]
        elif number == 2:
            create = value
        elif number == 3:
            mod = value
        elif number == 5:
            content = data[value:end]
    return RawKV(key, content, create, mod)


def _event(data: bytes, start: int, stop: int) -> RawEvent:
    kv = RawKV(b"", b"", 0, 0)
    prev: RawKV | None = None
    deleted = False
    for number, value, end in _fields(data, start, stop):
        if number == 1:
            deleted = value == 1
        elif number == 2:
            kv = _kv(data, value, end)
        elif number == 3:
            prev = _kv(data, value, end)
    return RawEvent(kv, prev, deleted)


# The encoding


def _if_mod(key: bytes, expect: int | None) -> bytes:
    if expect is None:
        return b""
    target = _int(2, _MOD) + _bytes(3, key) + _varint(6 << 3) + _varint(expect)
    return _bytes(1, target)


def _otherwise_read(key: bytes, expect: int | None) -> bytes:
    return b"" if expect is None else _bytes(3, _message(1, range_request(key)))


def _fields(data: bytes, pos: int = 0, stop: int = -1) -> Iterator[tuple[int, int, int]]:
    """(number, value, 0) of numbers, (number, start, end) of bytes. Raises BadMessage."""
    stop = len(data) if stop < 0 else stop
    try:
        while pos < stop:
            tag, pos = _read_varint(data, pos)
            kind = tag & 7
            if kind == _BYTES:
                length, pos = _read_varint(data, pos)
                end = pos + length
                if end > stop:
                    raise BadMessage("a message of etcd's is cut short")
                yield tag >> 3, pos, end
                pos = end
            elif kind == _VARINT:
                value, pos = _read_varint(data, pos)
                yield tag >> 3, value, 0
            elif kind == _FIXED64:
                pos += 8
            elif kind == _FIXED32:
                pos += 4
            else:
                raise BadMessage(f"a message of etcd's has a field of kind {kind}")
    except IndexError as error:
        raise BadMessage("a message of etcd's is cut short") from error


def _read_varint(data: bytes, pos: int) -> tuple[int, int]:
    byte = data[pos]
    pos += 1
    if byte < 0x80:
        return byte, pos
    value, shift = byte & 0x7F, 7
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
        shift += 7

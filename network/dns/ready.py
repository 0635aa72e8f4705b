"""Answers that were given before, as bytes: the same question gets the same until a name changes.

Only what the zone answers alone and in one order is kept. The key is the whole question but its number, so that flags, sizes
and the case of letters count. Bounded: when it is full it begins anew, and long questions do not get in.
"""

from __future__ import annotations

from typing import NamedTuple

MOST = 2048
LONGEST = 320  # bytes of a question


class Ready(NamedTuple):
    version: int  # of the zone
    rest: bytes  # behind the number
    kind: str
    rcode: str


class ReadyAnswers:
    def __init__(self) -> None:
        self._found: dict[bytes, Ready] = {}

    def get(self, question: bytes, version: int) -> Ready | None:
        found = self._found.get(question[2:])
        return found if found is not None and found.version == version else None

    def put(self, question: bytes, answer: bytes, version: int, kind: str, rcode: str) -> None:
        if len(question) > LONGEST:
            return
        if len(self._found) >= MOST:
            self._found.clear()
        self._found[question[2:]] = Ready(version, answer[2:], kind, rcode)

"""What other resolvers said, for as long as they say it holds, and half a minute at the most.

Bounded by count and by the size of each, the least lately used goes first. Times come from outside; an answer taken out has what is left of its
TTLs. Failures are not kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import dns.rcode
import dns.rdatatype
import dns.rrset

from network.dns.message import Answer

LIMIT = 2048
LONGEST_S = 30
MOST_RECORDS = 64  # an answer that is larger is not kept
MOST_BYTES = 4096


@dataclass(slots=True)
class _Kept:
    answer: Answer
    since: float
    until: float


class Cache:
    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, now: float) -> Answer | None:
        kept = self._kept.get(key)
        if kept is None or not kept.since <= now < kept.until:
            self.misses += 1
            self._kept.pop(key, None)
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        age = int(now - kept.since)
        return _aged(kept.answer, age) if age else kept.answer

    def put(self, key: Hashable, answer: Answer, now: float) -> None:
        lasting_s = lasts(answer)
        if lasting_s <= 0:
            return
        self._kept[key] = _Kept(answer, now, now + lasting_s)
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()


def lasts(answer: Answer) -> int:
    """Seconds: the shortest TTL; of a name or record that is not there, what its zone's SOA says (RFC 2308)."""
    sections = (*answer.answer, *answer.authority, *answer.additional)
    if answer.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return 0
    if answer.size > MOST_BYTES or sum(map(len, sections)) > MOST_RECORDS:
        return 0
    times = [rrset.ttl for rrset in sections]
    denials = [
        min(rrset.ttl, rrset[0].minimum) for rrset in answer.authority if rrset.rdtype == dns.rdatatype.SOA
    ]
    if not answer.answer and not denials:
        return 0  # nothing says how long it holds
    return min(LONGEST_S, *times, *denials) if times else 0


def _aged(answer: Answer, age_s: int) -> Answer:
    def older(rrsets: Iterable[dns.rrset.RRset]) -> tuple[dns.rrset.RRset, ...]:
        found = []
        for rrset in rrsets:
            aged = dns.rrset.from_rdata_list(rrset.name, max(0, rrset.ttl - age_s), list(rrset))
            found.append(aged)
        return tuple(found)

    return replace(
        answer,
        answer=older(answer.answer),
        authority=older(answer.authority),
        additional=older(answer.additional),
    )

"""Between bytes and values: questions as they arrive, answers as they leave, and what other resolvers said.

Questions come from anybody, so of one only the header, the question and an OPT record behind it are read, and
everything else in it is refused before a library looks at it. Who sends an answer is never answered: two servers would
talk for ever. Answers are never longer than the asker takes; what does not fit is cut, and marked so.

dnspython does names, records and compression. It is only loaded with this module, at the first question.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.wire

from network.dns.records import Record

HEADER = struct.Struct("!HHHHHH")
UDP_BYTES = 1232  # what passes every path in one piece (DNS flag day 2020)
PLAIN_BYTES = 512
TCP_BYTES = 65535
_QR, _OPCODE, _RD, _RA, _AA, _AD, _CD = 0x8000, 0x7800, 0x0100, 0x0080, 0x0400, 0x0020, 0x0010
_DO = 0x8000


class Unanswerable(Exception):
    """Not a question: nothing may be sent back."""


@dataclass(frozen=True, slots=True)
class Query:
    """`rcode` other than NOERROR: what it is to be refused with. `payload`: 0 without EDNS."""

    id: int
    flags: int
    rcode: dns.rcode.Rcode
    name: dns.name.Name = dns.name.root
    kind: int = 0
    rdclass: int = dns.rdataclass.IN
    payload: int = 0
    wants_dnssec: bool = False

    @property
    def text(self) -> str:
        """As the zone writes names."""
        return self.name.to_text(omit_final_dot=True).lower()

    @property
    def limit(self) -> int:
        """Of an answer over UDP, in bytes."""
        return min(max(self.payload, PLAIN_BYTES), UDP_BYTES)

    @property
    def wants_recursion(self) -> bool:
        return bool(self.flags & _RD)

    @property
    def checking_disabled(self) -> bool:
        return bool(self.flags & _CD)


@dataclass(frozen=True, slots=True)
class Answer:
    rcode: dns.rcode.Rcode
    answer: tuple[dns.rrset.RRset, ...] = ()
    authority: tuple[dns.rrset.RRset, ...] = ()
    additional: tuple[dns.rrset.RRset, ...] = ()
    is_authoritative: bool = False
    is_authentic: bool = False  # somebody validated it by DNSSEC and says so
    size: int = 0  # bytes, of what another resolver said


def read_query(wire: bytes) -> Query:
    """Raises Unanswerable."""
    if len(wire) < HEADER.size:
        raise Unanswerable
    number, flags, questions, answers, authorities, additional = HEADER.unpack_from(wire)
    if flags & _QR:
        raise Unanswerable
    if flags & _OPCODE:
        return Query(number, flags, dns.rcode.NOTIMP)
    if (questions, answers, authorities) != (1, 0, 0) or additional > 1:
        return Query(number, flags, dns.rcode.FORMERR)
    parser = dns.wire.Parser(wire, HEADER.size)
    try:
        name = parser.get_name()
        kind, rdclass = parser.get_struct("!HH")
        payload, edns = 0, 0
        if additional:
            owner, option, payload, edns, length = parser.get_struct("!BHHIH")
            if (owner, option) != (0, dns.rdatatype.OPT) or length > parser.remaining():
                return Query(number, flags, dns.rcode.FORMERR)
            payload = max(payload, PLAIN_BYTES)
    except dns.exception.DNSException:
        return Query(number, flags, dns.rcode.FORMERR)
    rcode = dns.rcode.NOERROR
    if edns >> 16 & 0xFF:
        rcode = dns.rcode.BADVERS
    elif rdclass != dns.rdataclass.IN or not _is_askable(kind):
        rcode = dns.rcode.REFUSED
    return Query(number, flags, rcode, name, kind, rdclass, payload, bool(edns & _DO))


def _is_askable(kind: int) -> bool:
    """Not zone transfers, nor what only ever stands in messages."""
    return kind == dns.rdatatype.ANY or (
        kind != 0 and not dns.rdatatype.is_metatype(dns.rdatatype.RdataType.make(kind))
    )


def write_answer(query: Query, answer: Answer, limit: int) -> bytes:
    """At most `limit` bytes."""
    message = dns.message.Message(query.id)
    flags = _QR | query.flags & (_OPCODE | _RD | _CD) | _RA
    if answer.is_authoritative:
        flags |= _AA
    if answer.is_authentic and (query.wants_dnssec or query.flags & _AD):
        flags |= _AD
    message.flags = dns.flags.Flag(flags)
    if query.payload:
        message.use_edns(0, _DO if query.wants_dnssec else 0, UDP_BYTES)
    message.set_rcode(answer.rcode)
    if query.kind:
        message.question.append(_rrset(query.name, query.kind, query.rdclass))
    message.answer.extend(answer.answer)
    message.authority.extend(answer.authority)
    message.additional.extend(answer.additional)
    return message.to_wire(max_size=limit, prefer_truncation=True, want_shuffle=False)


def refusal(query: Query) -> bytes:
    return write_answer(query, Answer(query.rcode), PLAIN_BYTES)


def failure(query: Query) -> bytes:
    """The asker may try elsewhere, or again."""
    return write_answer(query, Answer(dns.rcode.SERVFAIL), PLAIN_BYTES)


def rrsets(records: Iterable[Record], ttl_s: int, asked: dns.name.Name) -> list[dns.rrset.RRset]:
    """In the order of `records`; the name asked for is written as it was asked."""
    found: dict[tuple[str, str], dns.rrset.RRset] = {}
    lower = asked.to_text(omit_final_dot=True).lower()
    for record in records:
        data = _rdata(record.kind, record.data)
        rrset = found.get(record[:2])
        if rrset is None:
            name = asked if record.name == lower else dns.name.from_text(record.name)
            rrset = found[record[:2]] = _rrset(name, data.rdtype, data.rdclass)
        rrset.add(data, ttl_s)
    return list(found.values())


def write_question(number: int, name: dns.name.Name, kind: int, *, dnssec: bool, unchecked: bool) -> bytes:
    """What other resolvers are asked."""
    message = dns.message.Message(number)
    message.flags = dns.flags.Flag(_RD | _AD | (_CD if unchecked else 0))
    message.question.append(_rrset(name, kind, dns.rdataclass.IN))
    message.use_edns(0, _DO if dnssec else 0, UDP_BYTES)
    return message.to_wire()


@dataclass(frozen=True, slots=True)
class Reply:
    """What another resolver said; `is_cut`: over UDP, and there is more."""

    answer: Answer
    is_cut: bool


def read_reply(wire: bytes, number: int, name: dns.name.Name, kind: int) -> Reply | None:
    """None for what is no answer to this question."""
    if len(wire) < HEADER.size or HEADER.unpack_from(wire)[0] != number:
        return None
    try:
        message = dns.message.from_wire(wire, raise_on_truncation=False, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None
    if not message.flags & dns.flags.QR or message.opcode() != 0:
        return None
    asked = [(each.name, each.rdtype) for each in message.question]
    if asked != [(name, kind)] and (asked or message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)):
        return None
    answer = Answer(
        dns.rcode.Rcode(message.rcode()),
        tuple(message.answer),
        tuple(message.authority),
        tuple(each for each in message.additional if each.rdtype != dns.rdatatype.TSIG),
        is_authentic=bool(message.flags & dns.flags.AD),
        size=len(wire),
    )
    return Reply(answer, bool(message.flags & dns.flags.TC))


def _rrset(name: dns.name.Name, kind: int, rdclass: int) -> dns.rrset.RRset:
    return dns.rrset.RRset(name, dns.rdataclass.RdataClass.make(rdclass), dns.rdatatype.RdataType.make(kind))


@functools.lru_cache(maxsize=4096)
def _rdata(kind: str, data: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text("IN", kind, data)

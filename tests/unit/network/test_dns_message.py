"""Questions as bytes: which are answered, which refused, which passed over; and answers within their bounds."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from network.dns.message import Answer, Unanswerable, read_query, read_reply, refusal, rrsets, write_answer
from network.dns.records import Record

NAME = "web.ns.svc.cluster.local"


def question(name: str = NAME, kind: str = "A", **more: object) -> dns.message.Message:
    return dns.message.make_query(name, kind, **more)


def answered(wire: bytes, records: list[Record], limit: int = 0) -> dns.message.Message:
    query = read_query(wire)
    answer = Answer(dns.rcode.NOERROR, tuple(rrsets(records, 5, query.name)), is_authoritative=True)
    return dns.message.from_wire(write_answer(query, answer, limit or query.limit))


def test_case_of_the_question_is_kept() -> None:
    asked = "wEb.Ns.sVc.ClusTer.LocaL."
    made = answered(question(asked).to_wire(), [Record(NAME, "A", "10.96.0.9")])
    assert made.question[0].name.to_text() == made.answer[0].name.to_text() == asked


def test_answer_bears_the_questions_number_and_flags() -> None:
    wire = question(flags=dns.flags.RD | dns.flags.CD, id=77).to_wire()
    made = answered(wire, [Record(NAME, "A", "10.96.0.9")])
    assert made.id == 77
    assert made.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD | dns.flags.RA | dns.flags.CD


def test_edns_is_answered_only_where_it_was_used() -> None:
    records = [Record(NAME, "A", "10.96.0.9")]
    assert answered(question().to_wire(), records).edns == -1
    with_it = answered(question(use_edns=0, payload=4096, want_dnssec=True).to_wire(), records)
    assert (with_it.edns, with_it.payload, bool(with_it.ednsflags & dns.flags.DO)) == (0, 1232, True)


@pytest.mark.parametrize(("payload", "most"), [(None, 512), (100, 512), (1000, 1000), (65535, 1232)])
def test_answer_is_cut_to_what_the_asker_takes(payload: int | None, most: int) -> None:
    edns = {} if payload is None else {"use_edns": 0, "payload": payload}
    wire = question(**edns).to_wire()
    query = read_query(wire)
    records = [Record(NAME, "A", f"10.1.{number}.1") for number in range(200)]
    answer = Answer(dns.rcode.NOERROR, tuple(rrsets(records, 5, query.name)))
    made = write_answer(query, answer, query.limit)
    assert len(made) <= most
    assert dns.message.from_wire(made).flags & dns.flags.TC
    whole = dns.message.from_wire(write_answer(query, answer, 65535))
    assert not whole.flags & dns.flags.TC and len(whole.answer[0]) == 200


def _patched(wire: bytes, at: int, value: bytes) -> bytes:
    return wire[:at] + value + wire[at + len(value) :]


PLAIN = question(id=9).to_wire()
EDNS = question(id=9, use_edns=0).to_wire()


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (_patched(PLAIN, 2, b"\x29\x00"), "NOTIMP"),  # an update
        (_patched(PLAIN, 4, b"\x00\x02"), "FORMERR"),  # two questions, one there
        (_patched(PLAIN, 4, b"\x00\x00"), "FORMERR"),
        (_patched(PLAIN, 6, b"\x00\x01"), "FORMERR"),  # an answer in a question
        (_patched(PLAIN, 10, b"\x00\x01"), "FORMERR"),  # one more record, which is not there
        (_patched(PLAIN, 12, b"\xc0\x0c"), "FORMERR"),  # a name that is itself
        (_patched(PLAIN, 12, b"\x40"), "FORMERR"),
        (PLAIN[:20], "FORMERR"),
        (PLAIN + b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00", "NOERROR"),  # behind the end
        (_patched(EDNS, len(EDNS) - 5, b"\x01"), "BADVERS"),
        (_patched(PLAIN, len(PLAIN) - 2, b"\x00\x03"), "REFUSED"),  # class CH
        (question(kind="AXFR", id=9).to_wire(), "REFUSED"),
        (_patched(PLAIN, len(PLAIN) - 4, b"\x00\x00"), "REFUSED"),  # kind 0
    ],
)
def test_odd_questions_are_refused_by_code(wire: bytes, rcode: str) -> None:
    query = read_query(wire)
    assert dns.rcode.to_text(query.rcode) == rcode
    told = dns.message.from_wire(refusal(query))
    assert (told.id, dns.rcode.to_text(told.rcode())) == (9, rcode)


@pytest.mark.parametrize("wire", [b"", PLAIN[:11], _patched(PLAIN, 2, b"\x81\x80")])
def test_what_is_no_question_is_not_answered(wire: bytes) -> None:
    with pytest.raises(Unanswerable):
        read_query(wire)


def test_reply_to_another_question_does_not_count() -> None:
    name, kind = dns.name.from_text("www.example"), 1
    reply = dns.message.make_response(dns.message.make_query("www.example", "A", id=5))
    assert read_reply(reply.to_wire(), 5, name, kind) is not None
    assert read_reply(reply.to_wire(), 6, name, kind) is None
    assert read_reply(reply.to_wire(), 5, name, 28) is None
    assert read_reply(reply.to_wire(), 5, dns.name.from_text("other.example"), kind) is None
    assert read_reply(dns.message.make_query("www.example", "A", id=5).to_wire(), 5, name, kind) is None
    assert read_reply(reply.to_wire()[:-3], 5, name, kind) is None

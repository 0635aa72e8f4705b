"""Whatever arrives, the DNS does not fall over it, answers are well formed and fit, and names come back as they went."""

from __future__ import annotations

import random

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from hypothesis import given, settings
from hypothesis import strategies as st
from service_objects import endpoint, service, slice_of

from network.dns.message import HEADER, Answer, Unanswerable, read_query, read_reply, write_answer
from network.dns.records import plan_records
from network.dns.responder import Responder
from network.dns.zone import Outcome, Zone

ZONE = Zone("cluster.local", 1)
ZONE.put("web", plan_records(service(), [slice_of(endpoint("10.1.0.2", "db-0"))], "cluster.local"))
ZONE.put(
    "peers",
    plan_records(
        service("peers", clusterIP="None"),
        [slice_of(*(endpoint(f"10.1.{i}.3") for i in range(90)))],
        "cluster.local",
    ),
)
ZONE.put(
    "out",
    plan_records(
        service("out", type="ExternalName", externalName="web.ns.svc.cluster.local"), [], "cluster.local"
    ),
)


async def nobody(name: dns.name.Name, kind: int, *, dnssec: bool = False, unchecked: bool = False) -> Answer:
    return Answer(dns.rcode.SERVFAIL)


RESPONDER = Responder(lambda: ZONE, nobody, random.Random(1))
HEADERS = st.builds(
    HEADER.pack,
    st.integers(0, 65535),
    st.sampled_from([0, 0x0100, 0x0110, 0x8180, 0x2800, 0xFFFF]),
    *[st.integers(0, 2)] * 4,
)
LABELS = st.sampled_from(
    [
        b"\x03web",
        b"\x02ns",
        b"\x03svc",
        b"\x07cluster",
        b"\x05LOCAL",
        b"\x00",
        b"\xc0\x0c",
        b"\xc0",
        b"\x3f",
        b"\x05peers",
        b"\x03pod",
    ]
)
TAILS = st.lists(
    st.one_of(
        LABELS,
        st.binary(max_size=8),
        st.sampled_from([b"\0\x01\0\x01", b"\0\xff\0\x01", b"\0\0\x29\x04\xd0\0\0\0\0\0\0"]),
    ),
    max_size=12,
).map(b"".join)
PACKETS = st.one_of(st.binary(max_size=80), st.builds(lambda head, tail: head + tail, HEADERS, TAILS))


@settings(max_examples=300, deadline=None)
@given(PACKETS)
def test_any_packet_is_answered_well_or_not_at_all(wire: bytes) -> None:
    try:
        query = read_query(wire)
    except Unanswerable:
        assert len(wire) < 12 or wire[2] & 0x80
        return
    answer = Answer(query.rcode) if query.rcode else RESPONDER.at_once(query) or Answer(dns.rcode.SERVFAIL)
    made = write_answer(query, answer, query.limit)
    assert len(made) <= query.limit
    told = dns.message.from_wire(made)
    assert told.flags & dns.flags.QR and told.id == query.id


@settings(max_examples=100, deadline=None)
@given(PACKETS)
def test_any_reply_is_understood_or_passed_over(wire: bytes) -> None:
    number = int.from_bytes(wire[:2])
    read_reply(wire, number, dns.name.from_text("web.ns.svc.cluster.local"), 1)


LABEL = st.binary(min_size=1, max_size=63)
NAMES = st.lists(LABEL, max_size=6).filter(lambda found: sum(map(len, found)) + len(found) < 255)


@settings(max_examples=150, deadline=None)
@given(NAMES, st.integers(1, 65535), st.integers(512, 65535), st.booleans())
def test_names_of_any_bytes_come_back_as_they_were_asked(
    labels: list[bytes], kind: int, payload: int, dnssec: bool
) -> None:
    name = dns.name.Name((*labels, b""))
    asked = dns.message.Message(7)
    asked.find_rrset(
        asked.question, name, 1, dns.rdatatype.RdataType.make(kind), create=True, force_unique=True
    )
    asked.use_edns(0, 0x8000 if dnssec else 0, payload)
    query = read_query(asked.to_wire())
    assert (query.name.labels, query.kind, query.wants_dnssec) == (name.labels, kind, dnssec)
    told = dns.message.from_wire(write_answer(query, Answer(dns.rcode.NXDOMAIN), query.limit))
    assert told.question[0].name.labels == name.labels and told.question[0].rdtype == kind


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 5), max_size=4)), max_size=12))
def test_zone_is_what_its_owners_last_said_whatever_they_said_before(
    changes: list[tuple[int, set[int]]],
) -> None:
    def records(owner: int, ends: set[int]) -> tuple[object, ...]:
        slices = [slice_of(*(endpoint(f"10.1.0.{i}", f"db-{i}") for i in sorted(ends)))]
        return plan_records(service(f"s{owner}", clusterIP="None"), slices, "cluster.local")

    changed, last = Zone("cluster.local", 1), {}
    for owner, ends in changes:
        changed.put(owner, records(owner, ends))
        last[owner] = ends
    fresh = Zone("cluster.local", 1)
    for owner, ends in last.items():
        fresh.put(owner, records(owner, ends))
    names = [f"s{o}.ns.svc.cluster.local" for o in range(4)]
    names += [f"db-{i}.{name}" for i in range(6) for name in names[:4]] + [
        f"_tcp.{name}" for name in names[:4]
    ]
    names += [f"{i}.0.1.10.in-addr.arpa" for i in range(6)] + ["ns.svc.cluster.local"]
    for name in names:
        for kind in ("A", "SRV", "PTR"):
            one, other = changed.find(name, kind), fresh.find(name, kind)
            assert one.outcome is other.outcome
            assert set(one.records) == set(other.records)
    assert changed.find("svc.cluster.local", "A").outcome is Outcome.NO_DATA

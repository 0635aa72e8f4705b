"""What exists, what has no data and what does not exist; and that records of changed owners come and go."""

from __future__ import annotations

import pytest

from network.dns.records import Record
from network.dns.zone import Outcome, Zone

FOUND, NO_DATA, NO_NAME, ELSEWHERE = Outcome.FOUND, Outcome.NO_DATA, Outcome.NO_NAME, Outcome.ELSEWHERE
WEB = "web.ns.svc.cluster.local"
RECORDS = (
    Record(WEB, "A", "10.96.0.9"),
    Record(f"_http._tcp.{WEB}", "SRV", f"0 100 80 {WEB}."),
    Record("9.0.96.10.in-addr.arpa", "PTR", f"{WEB}."),
    Record("out.ns.svc.cluster.local", "CNAME", "www.example.com."),
)


@pytest.fixture
def zone() -> Zone:
    made = Zone("Cluster.Local.", 7)
    made.put("web", RECORDS)
    return made


@pytest.mark.parametrize(
    ("name", "kind", "outcome"),
    [
        (WEB, "A", FOUND),
        (WEB, "AAAA", NO_DATA),
        (WEB, "TXT", NO_DATA),
        (WEB, "ANY", FOUND),
        (f"_http._tcp.{WEB}", "SRV", FOUND),
        (f"_http._tcp.{WEB}", "A", NO_DATA),
        (f"_tcp.{WEB}", "SRV", NO_DATA),  # nothing of its own, but something below
        (f"_udp.{WEB}", "SRV", NO_NAME),
        ("ns.svc.cluster.local", "A", NO_DATA),
        ("other.svc.cluster.local", "A", NO_NAME),
        ("nope.ns.svc.cluster.local", "A", NO_NAME),
        ("out.ns.svc.cluster.local", "A", FOUND),  # by its alias
        ("svc.cluster.local", "A", NO_DATA),
        ("pod.cluster.local", "A", NO_DATA),
        ("ns.pod.cluster.local", "A", NO_DATA),
        ("10-1-2-3.ns.pod.cluster.local", "A", FOUND),
        ("10-1-2-3.ns.pod.cluster.local", "AAAA", NO_DATA),
        ("fd00--1.ns.pod.cluster.local", "AAAA", FOUND),
        ("10-1-2-300.ns.pod.cluster.local", "A", NO_NAME),
        ("10-1-2.ns.pod.cluster.local", "A", NO_NAME),
        ("x.10-1-2-3.ns.pod.cluster.local", "A", NO_NAME),
        ("cluster.local", "SOA", FOUND),
        ("cluster.local", "NS", FOUND),
        ("cluster.local", "A", NO_DATA),
        ("dns-version.cluster.local", "TXT", FOUND),
        ("9.0.96.10.in-addr.arpa", "PTR", FOUND),
        ("9.0.96.10.in-addr.arpa", "A", NO_DATA),
        ("8.0.96.10.in-addr.arpa", "PTR", ELSEWHERE),
        ("example.com", "A", ELSEWHERE),
        ("notcluster.local", "A", ELSEWHERE),
        ("", "NS", ELSEWHERE),
    ],
)
def test_name_and_kind_give_their_outcome(zone: Zone, name: str, kind: str, outcome: Outcome) -> None:
    assert zone.find(name, kind).outcome is outcome


def test_version_of_the_schema_is_told(zone: Zone) -> None:
    assert [each.data for each in zone.find("dns-version.cluster.local", "TXT").records] == ['"1.1.0"']


def test_srv_brings_the_addresses_of_its_targets(zone: Zone) -> None:
    assert zone.find(f"_http._tcp.{WEB}", "SRV").extra == (Record(WEB, "A", "10.96.0.9"),)


def test_changed_owner_replaces_its_records_and_raises_the_serial(zone: Zone) -> None:
    before = zone.version
    assert zone.put("web", [Record(WEB, "A", "10.96.0.10")])
    assert [each.data for each in zone.find(WEB, "A").records] == ["10.96.0.10"]
    assert zone.find(f"_tcp.{WEB}", "SRV").outcome is NO_NAME
    assert zone.version > before and f" {zone.version} " in zone.soa("cluster.local").data
    assert not zone.put("web", [Record(WEB, "A", "10.96.0.10")])


def test_owner_without_records_leaves_nothing_behind(zone: Zone) -> None:
    zone.put("web", ())
    assert zone.find(WEB, "A").outcome is NO_NAME
    assert zone.find("ns.svc.cluster.local", "A").outcome is NO_NAME
    assert zone.find("svc.cluster.local", "A").outcome is NO_DATA
    assert zone.find("9.0.96.10.in-addr.arpa", "PTR").outcome is ELSEWHERE


def test_record_that_two_want_stays_until_both_are_gone() -> None:
    zone = Zone("cluster.local", 1)
    shared = Record("3.2.1.10.in-addr.arpa", "PTR", f"db-0.{WEB}.")
    zone.put("a", [shared])
    zone.put("b", [shared])
    zone.put("a", ())
    assert zone.find(shared.name, "PTR").records == (shared,)
    zone.put("b", ())
    assert zone.find(shared.name, "PTR").outcome is ELSEWHERE

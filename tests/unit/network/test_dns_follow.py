"""Objects that no server should have let in cost their own names, and nobody else's."""

from __future__ import annotations

import pytest
from dns_world import HandFed
from service_objects import endpoint, service, slice_of

from machinery.gvk import ENDPOINTSLICES, SERVICES
from network.dns.follow import ZoneKeeper
from network.dns.records import Record, plan_records
from network.dns.zone import Outcome, Zone


def test_address_that_is_none_is_passed_over() -> None:
    found = plan_records(
        service(clusterIP="None"), [slice_of(endpoint("10.01.0.2"), endpoint("10.1.0.3"))], "cluster.local"
    )
    assert {record.data for record in found if record.kind == "A"} == {"10.1.0.3"}
    assert plan_records(service(clusterIP="10.096.0.9"), [], "cluster.local") == ()


def test_service_that_cannot_be_told_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(each: dict[str, object], slices: object, domain: str) -> tuple[Record, ...]:
        meta = each["metadata"]
        assert isinstance(meta, dict)
        if meta["name"] == "bad":
            raise ValueError("spoilt")
        return plan_records(each, (), domain)

    monkeypatch.setattr("network.dns.follow.plan_records", plan)
    fed = HandFed()
    for name in ("bad", "web"):
        fed.put(SERVICES, service(name))
    keeper = ZoneKeeper(Zone("cluster.local", 1), fed.informer(SERVICES), fed.informer(ENDPOINTSLICES))
    zone = keeper.current()
    assert zone.find("bad.ns.svc.cluster.local", "A").outcome is Outcome.NO_NAME
    assert zone.find("web.ns.svc.cluster.local", "A").outcome is Outcome.FOUND

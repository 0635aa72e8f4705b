"""Which records Services ask for: section by section of the Kubernetes DNS specification 1.1.0."""

from __future__ import annotations

from service_objects import endpoint, service, slice_of

from network.dns.records import Record, plan_records

ZONE = "cluster.local"
WEB = "web.ns.svc.cluster.local"


def records(*args: object, **spec: object) -> set[tuple[str, str, str]]:
    return {tuple(record) for record in plan_records(service(**spec), args, ZONE)}


def test_cluster_address_has_a_record_and_is_found_in_reverse() -> None:
    found = records()
    assert (WEB, "A", "10.96.0.9") in found
    assert ("9.0.96.10.in-addr.arpa", "PTR", f"{WEB}.") in found


def test_cluster_addresses_of_version_6_are_aaaa() -> None:
    found = records(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9", "fd00::9"])
    assert (WEB, "AAAA", "fd00::9") in found
    reverse = "9" + ".0" * 29 + ".d.f.ip6.arpa"
    assert (reverse, "PTR", f"{WEB}.") in found


def test_named_ports_have_srv_records_by_protocol() -> None:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 54},
        {"port": 55, "protocol": "TCP"},
    ]
    found = {each for each in records(ports=ports) if each[1] == "SRV"}
    assert found == {
        (f"_dns._udp.{WEB}", "SRV", f"0 100 53 {WEB}."),
        (f"_dns-tcp._tcp.{WEB}", "SRV", f"0 100 54 {WEB}."),
        *((WEB, "SRV", f"0 100 {port} {WEB}.") for port in (53, 54, 55)),
    }


def test_headless_service_has_its_ready_endpoints() -> None:
    ends = slice_of(endpoint("10.1.0.2", "db-0"), endpoint("10.1.0.3"), endpoint("10.1.0.4", ready=False))
    found = records(ends, clusterIP="None")
    assert {each for each in found if each[1] == "A"} == {
        (WEB, "A", "10.1.0.2"),
        (WEB, "A", "10.1.0.3"),
        (f"db-0.{WEB}", "A", "10.1.0.2"),
        (f"10-1-0-3.{WEB}", "A", "10.1.0.3"),
    }
    assert {each[2] for each in found if each[0] == f"_http._tcp.{WEB}"} == {
        f"0 50 8080 db-0.{WEB}.",
        f"0 50 8080 10-1-0-3.{WEB}.",
    }
    assert {each[2] for each in found if each[1] == "PTR"} == {f"db-0.{WEB}.", f"10-1-0-3.{WEB}."}


def test_headless_service_without_ready_endpoints_has_nothing() -> None:
    assert records(slice_of(endpoint("10.1.0.2", ready=False)), clusterIP="None") == set()


def test_endpoints_that_are_not_ready_are_told_where_the_service_asks_for_it() -> None:
    ends = slice_of(endpoint("10.1.0.2", "db-0", ready=False))
    assert (f"db-0.{WEB}", "A", "10.1.0.2") in records(ends, clusterIP="None", publishNotReadyAddresses=True)
    old = service(clusterIP="None")
    old["metadata"]["annotations"] = {"service.alpha.kubernetes.io/tolerate-unready-endpoints": "true"}
    assert Record(WEB, "A", "10.1.0.2") in plan_records(old, [ends], ZONE)


def test_headless_service_without_ports_is_found_by_peers_over_srv() -> None:
    found = records(slice_of(endpoint("10.1.0.2", "db-0"), ports=[]), clusterIP="None", ports=[])
    assert (WEB, "SRV", f"0 100 0 db-0.{WEB}.") in found


def test_pods_of_a_service_with_an_address_have_names_too() -> None:
    found = records(slice_of(endpoint("10.1.0.2", "db-0"), endpoint("10.1.0.3")))
    assert (f"db-0.{WEB}", "A", "10.1.0.2") in found
    assert {each[2] for each in found if each[0] == "2.0.1.10.in-addr.arpa"} == {f"db-0.{WEB}."}
    assert not [each for each in found if each[0] == "3.0.1.10.in-addr.arpa"]


def test_external_name_is_an_alias() -> None:
    for written in ("www.example.com", "www.example.com."):
        found = records(type="ExternalName", externalName=written, clusterIP="")
        assert found == {(WEB, "CNAME", "www.example.com.")}


def test_external_name_that_is_an_address_has_no_record() -> None:
    assert records(type="ExternalName", externalName="192.0.2.1") == set()


def test_service_whose_address_is_not_allocated_has_no_record() -> None:
    assert records(clusterIP="") == set()

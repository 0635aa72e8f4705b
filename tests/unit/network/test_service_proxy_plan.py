"""Which forwards Services and EndpointSlices ask for."""

from __future__ import annotations

from service_objects import Obj, endpoint, service, slice_of

from network.proxy.nft import render
from network.proxy.plan import Endpoint, Forward, plan_forwards


def only(services: Obj, *slices: Obj) -> Forward:
    (forward,) = plan_forwards([services], slices, "a")
    return forward


def test_ready_endpoints_take_the_traffic() -> None:
    ends = slice_of(endpoint("10.244.1.3"), endpoint("10.244.1.2"), endpoint("10.244.1.4", ready=False))
    forward = only(service(), ends)
    assert forward.endpoints == (Endpoint("10.244.1.2", 8080), Endpoint("10.244.1.3", 8080))


def test_no_ready_endpoint_falls_back_to_those_that_still_serve() -> None:
    going = endpoint("10.244.1.2", ready=False, serving=True, terminating=True)
    assert only(service(), slice_of(going)).endpoints == (Endpoint("10.244.1.2", 8080),)


def test_local_traffic_policy_keeps_to_the_node() -> None:
    ends = slice_of(endpoint("10.244.1.2", node="a"), endpoint("10.244.2.2", node="b"))
    assert only(service(internalTrafficPolicy="Local"), ends).endpoints == (Endpoint("10.244.1.2", 8080),)


def test_headless_and_external_name_services_need_no_forward() -> None:
    assert (
        plan_forwards([service(clusterIP="None"), service(type="ExternalName", clusterIP="")], [], "a") == ()
    )


def test_services_of_another_proxy_are_left_to_it() -> None:
    for label in ("service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name"):
        web = service()
        web["metadata"]["labels"] = {label: ""}
        assert plan_forwards([web], [slice_of(endpoint("10.244.1.2"))], "a") == ()


def test_node_port_is_masqueraded_unless_traffic_stays_local() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    for policy, masquerade in (("Cluster", True), ("Local", False)):
        web = service(type="NodePort", ports=ports, externalTrafficPolicy=policy)
        forwards = plan_forwards([web], [slice_of(endpoint("10.244.1.2"))], "a")
        assert [f.masquerade for f in forwards if not f.address] == [masquerade]


def test_service_without_endpoints_is_refused() -> None:
    assert "reject" in render([only(service())])
    assert "reject" not in render([only(service(), slice_of(endpoint("10.244.1.2")))])


def test_clients_stick_as_long_as_the_service_says() -> None:
    ends = slice_of(endpoint("10.244.1.2"))
    assert only(service(), ends).sticky_s == 0
    assert only(service(sessionAffinity="ClientIP"), ends).sticky_s == 10800
    config = {"clientIP": {"timeoutSeconds": 7}}
    assert only(service(sessionAffinity="ClientIP", sessionAffinityConfig=config), ends).sticky_s == 7


def test_sets_of_clients_outlive_a_change_and_go_with_their_endpoint() -> None:
    def sticky(*ips: str) -> list[Forward]:
        return [only(service(sessionAffinity="ClientIP"), slice_of(*map(endpoint, ips)))]

    one, both = sticky("10.244.1.2"), sticky("10.244.1.2", "10.244.1.3")
    assert "delete table" in render(both) and "delete" not in render(both, one)
    gone = [line for line in render(one, both).splitlines() if line.startswith("delete set")]
    assert len(gone) == 1 and gone[0].split()[-1] not in render(one)

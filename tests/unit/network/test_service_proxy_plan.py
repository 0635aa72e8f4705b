"""Which forwards Services and EndpointSlices ask for."""

from __future__ import annotations

from typing import Any

from network.proxy.nft import render
from network.proxy.plan import Endpoint, Forward, plan_forwards

Obj = dict[str, Any]


def service(**spec: Any) -> Obj:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {
        "metadata": {"name": "web", "namespace": "ns"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": ports, **spec},
    }


def slice_of(*endpoints: Obj) -> Obj:
    return {
        "metadata": {"name": "web-x", "namespace": "ns", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": list(endpoints),
    }


def endpoint(ip: str, node: str = "a", **conditions: bool) -> Obj:
    return {"addresses": [ip], "nodeName": node, "conditions": {"ready": True, **conditions}}


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
    ends = slice_of(endpoint("10.244.1.2", "a"), endpoint("10.244.2.2", "b"))
    assert only(service(internalTrafficPolicy="Local"), ends).endpoints == (Endpoint("10.244.1.2", 8080),)


def test_headless_and_external_name_services_need_no_forward() -> None:
    assert (
        plan_forwards([service(clusterIP="None"), service(type="ExternalName", clusterIP="")], [], "a") == ()
    )


def test_node_port_is_masqueraded_unless_traffic_stays_local() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    for policy, masquerade in (("Cluster", True), ("Local", False)):
        web = service(type="NodePort", ports=ports, externalTrafficPolicy=policy)
        forwards = plan_forwards([web], [slice_of(endpoint("10.244.1.2"))], "a")
        assert [f.masquerade for f in forwards if not f.address] == [masquerade]


def test_service_without_endpoints_is_refused() -> None:
    assert "reject" in render([only(service())])
    assert "reject" not in render([only(service(), slice_of(endpoint("10.244.1.2")))])

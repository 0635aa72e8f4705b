"""When a node's own DNS stands behind the DNS Service, and how it then gets into the node's rules."""

from __future__ import annotations

from service_objects import Obj, endpoint, service, slice_of

from network.dns.offer import plan_offer
from network.proxy.plan import Endpoint, plan_forwards

PORTS = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]


def kube_dns(**spec: object) -> Obj:
    return service("kube-dns", "kube-system", clusterIP="10.96.0.10", ports=PORTS, **spec)


def test_service_without_anybody_behind_it_is_answered_by_the_node() -> None:
    (offered,) = plan_offer([service(), kube_dns()], [], "10.99.0.11", (10053, 10054))
    forwards = plan_forwards([kube_dns()], [offered], "a")
    assert {(each.protocol, each.port, each.endpoints) for each in forwards} == {
        ("udp", 53, (Endpoint("10.99.0.11", 10053),)),
        ("tcp", 53, (Endpoint("10.99.0.11", 10054),)),
    }


def test_dns_of_the_users_own_is_stepped_aside_for() -> None:
    selected = kube_dns(selector={"k8s-app": "kube-dns"})
    assert plan_offer([selected], [], "10.99.0.11", (1, 2)) == []
    ends = slice_of(endpoint("192.0.2.53"), name="kube-dns", namespace="kube-system")
    assert plan_offer([kube_dns()], [ends], "10.99.0.11", (1, 2)) == []


def test_nothing_is_offered_without_the_service() -> None:
    elsewhere = service("kube-dns", "default", ports=PORTS)
    assert plan_offer([service(), elsewhere], [], "10.99.0.11", (1, 2)) == []


def test_slices_of_namesakes_do_not_matter() -> None:
    ends = slice_of(endpoint("192.0.2.53"), name="kube-dns", namespace="default")
    assert plan_offer([kube_dns()], [ends], "10.99.0.11", (1, 2))

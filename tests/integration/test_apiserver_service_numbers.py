"""Addresses and ranges of Services as objects, through the whole server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from machinery.errors import Invalid, NotFound
from machinery.gvk import GVR, SERVICES

RunApi = Callable[..., None]
GROUP = "networking.k8s.io"
CIDRS = GVR(GROUP, "v1", "servicecidrs", namespaced=False, kind="ServiceCIDR")
ADDRESSES = GVR(GROUP, "v1", "ipaddresses", namespaced=False, kind="IPAddress")


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}


def test_every_cluster_address_is_an_object_that_names_its_service(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        first = await api.client.get(ADDRESSES, "10.96.0.1")
        parent = {"group": "", "resource": "services", "namespace": "default", "name": "kubernetes"}
        assert first["spec"]["parentRef"] == parent
        assert first["metadata"]["labels"]["ipaddress.kubernetes.io/managed-by"] == "ipallocator.k8s.io"
        made = await api.client.create(SERVICES, service("web"))
        address = made["spec"]["clusterIP"]
        assert (await api.client.get(ADDRESSES, address))["spec"]["parentRef"]["name"] == "web"
        with pytest.raises(Invalid, match="already allocated"):
            await api.client.create(SERVICES, service("other", clusterIP=address))
        with pytest.raises(Invalid):  # refused for another reason: its address is free again
            await api.client.create(SERVICES, service("bad", sessionAffinity="Never"))
        assert len((await api.client.list(ADDRESSES))["items"]) == 2
        await api.client.delete(SERVICES, "web", "default")
        with pytest.raises(NotFound):
            await api.client.get(ADDRESSES, address)

    run_api(body)


def test_default_range_is_ready_and_protected(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        found = await api.client.get(CIDRS, "kubernetes")
        assert found["spec"]["cidrs"] == ["10.96.0.0/16"]
        assert found["metadata"]["finalizers"] == ["networking.k8s.io/service-cidr-finalizer"]
        assert found["status"]["conditions"][0]["status"] == "True"
        await api.client.delete(CIDRS, "kubernetes")
        await api.clock.sleep(1)
        held = await api.client.get(CIDRS, "kubernetes")
        assert held["status"]["conditions"][0]["reason"] == "Terminating"

    run_api(body)


def test_second_range_gives_addresses_and_goes_when_they_are_gone(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        await api.client.create(CIDRS, {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.200.0.0/28"]}})
        made = await api.client.create(SERVICES, service("web", clusterIP="10.200.0.3"))
        assert made["spec"]["clusterIP"] == "10.200.0.3"
        await api.client.delete(CIDRS, "more")
        await api.clock.sleep(1)
        with pytest.raises(Invalid, match="does not match the current range"):
            await api.client.create(SERVICES, service("late", clusterIP="10.200.0.4"))
        assert (await api.client.get(CIDRS, "more"))["metadata"]["deletionTimestamp"]
        await api.client.delete(SERVICES, "web", "default")
        await api.clock.sleep(10)
        with pytest.raises(NotFound):
            await api.client.get(CIDRS, "more")

    run_api(body)


def test_what_a_crash_left_behind_is_repaired(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        made = await api.client.create(SERVICES, service("web", type="NodePort"))
        address, numbers = made["spec"]["clusterIP"], api.server._numbers
        await numbers.addresses.take("10.96.7.7", ("default", "never-stored"))
        leaked = (await numbers.ports.take([], 1))[0]
        await api.client.delete(ADDRESSES, address)
        await api.clock.sleep(400)
        assert (await api.client.get(ADDRESSES, address))["spec"]["parentRef"]["name"] == "web"
        with pytest.raises(NotFound):
            await api.client.get(ADDRESSES, "10.96.7.7")
        taken = await numbers.ports.taken()
        assert made["spec"]["ports"][0]["nodePort"] in taken and leaked not in taken

    run_api(body)


def test_dns_has_a_service_at_its_address_where_nodes_answer_it(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        made = await api.client.get(SERVICES, "kube-dns", "kube-system")
        assert made["spec"]["clusterIP"] == "10.96.0.10" and "selector" not in made["spec"]
        ports = [(each["name"], each["port"], each["protocol"]) for each in made["spec"]["ports"]]
        assert ports == [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP")]
        chosen = {**made, "spec": {**made["spec"], "selector": {"k8s-app": "kube-dns"}}}
        await api.client.update(SERVICES, chosen)
        await api.clock.sleep(30)
        kept = await api.client.get(SERVICES, "kube-dns", "kube-system")
        assert kept["spec"]["selector"] == {"k8s-app": "kube-dns"}  # somebody's own is left alone
        await api.client.delete(SERVICES, "kube-dns", "kube-system")
        await api.clock.sleep(30)
        assert "selector" not in (await api.client.get(SERVICES, "kube-dns", "kube-system"))["spec"]

    run_api(body, cluster_dns="10.96.0.10")


def test_dns_of_somebody_at_the_same_address_is_left_alone(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        await api.client.delete(SERVICES, "kube-dns", "kube-system")
        await api.client.create(SERVICES, service("coredns", clusterIP="10.96.0.10"))
        await api.clock.sleep(30)
        with pytest.raises(NotFound):
            await api.client.get(SERVICES, "kube-dns", "kube-system")

    run_api(body, cluster_dns="10.96.0.10")


def test_without_dns_there_is_no_service_of_it(run_api: RunApi) -> None:
    async def body(api: Any) -> None:
        with pytest.raises(NotFound):
            await api.client.get(SERVICES, "kube-dns", "kube-system")

    run_api(body)

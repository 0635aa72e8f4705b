"""What objects use of a quota, and which quotas are about them."""

from __future__ import annotations

from typing import Any

import pytest

from api.quota.amounts import written
from api.quota.pod_resources import pod_limits, pod_requests
from api.quota.scopes import is_in_scope
from api.quota.usage import kind_of, lacking, usage_of

Obj = dict[str, Any]


def container(name: str = "c", limits: Obj | None = None, **requests: str) -> Obj:
    return {"name": name, "resources": {"requests": requests, "limits": limits or {}}}


def pod(*containers: Obj, **spec: Any) -> Obj:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers), **spec}}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pods", ("", "pods")),
        ("requests.cpu", ("", "pods")),
        ("requests.nvidia.com/gpu", ("", "pods")),
        ("hugepages-2Mi", ("", "pods")),
        ("count/deployments.apps", ("apps", "deployments")),
        ("count/secrets", ("", "secrets")),
        ("configmaps", ("", "configmaps")),
        ("services.nodeports", ("", "services")),
        ("requests.storage", ("", "persistentvolumeclaims")),
        ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", ("", "persistentvolumeclaims")),
        ("example.com/odd", None),
    ],
)
def test_name_is_about_one_kind(name: str, kind: Any) -> None:
    assert kind_of(name) == kind


def test_pod_asks_for_its_containers_or_its_largest_init_container_and_overhead() -> None:
    spec = pod(
        container("a", cpu="1", memory="1Gi"),
        container("b", cpu="500m"),
        initContainers=[
            {**container("side", cpu="250m"), "restartPolicy": "Always"},
            container("init", cpu="2", memory="512Mi"),
        ],
        overhead={"cpu": "100m"},
    )["spec"]
    assert written(pod_requests(spec)) == {"cpu": "2350m", "memory": "1Gi"}
    assert written(pod_limits(spec)) == {}
    whole = {**spec, "resources": {"requests": {"cpu": "3"}, "limits": {"cpu": "4"}}}
    assert written(pod_requests(whole))["cpu"] == "3100m"
    assert written(pod_limits(whole))["cpu"] == "4100m"


def test_pod_is_counted_by_every_name_until_it_is_over() -> None:
    made = pod(container(limits={"memory": "2Gi"}, cpu="1", memory="1Gi", **{"nvidia.com/gpu": "2"}))
    assert written(usage_of("", "pods", made, 0)) == {
        "count/pods": "1",
        "cpu": "1",
        "limits.memory": "2Gi",
        "memory": "1Gi",
        "pods": "1",
        "requests.cpu": "1",
        "requests.memory": "1Gi",
        "requests.nvidia.com/gpu": "2",
    }
    over = {**made, "status": {"phase": "Succeeded"}}
    assert written(usage_of("", "pods", over, 0)) == {"count/pods": "1"}
    meta = {"name": "p", "deletionTimestamp": "1970-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30}
    lost = {**made, "metadata": meta}
    assert "pods" in usage_of("", "pods", lost, 80) and "pods" not in usage_of("", "pods", lost, 91)


def test_service_is_counted_by_its_ports() -> None:
    def used(**spec: Any) -> Obj:
        return written(usage_of("", "services", {"metadata": {}, "spec": spec}, 0))

    ports = [{"port": 1, "nodePort": 30001}, {"port": 2}]
    plain = {"count/services": "1", "services": "1", "services.nodeports": "0", "services.loadbalancers": "0"}
    assert used(ports=ports) == plain
    assert used(type="NodePort", ports=ports) == {**plain, "services.nodeports": "2"}
    balanced = {**plain, "services.nodeports": "2", "services.loadbalancers": "1"}
    assert used(type="LoadBalancer", ports=ports) == balanced
    bare = used(type="LoadBalancer", ports=ports, allocateLoadBalancerNodePorts=False)
    assert bare == {**balanced, "services.nodeports": "1"}


def test_claim_is_counted_by_its_class_too() -> None:
    claim = {
        "metadata": {},
        "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}},
    }
    assert written(usage_of("", "persistentvolumeclaims", claim, 0)) == {
        "count/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
        "persistentvolumeclaims": "1",
        "requests.storage": "1Gi",
    }
    assert written(usage_of("apps", "deployments", {}, 0)) == {"count/deployments.apps": "1"}


def test_container_must_say_what_a_quota_limits() -> None:
    made = pod(container("a", cpu="1"), container("b"), initContainers=[container("i", cpu="1")])
    assert lacking("", "pods", made, ["requests.cpu", "limits.memory", "pods"]) == (
        "must specify limits.memory for: a,b,i; requests.cpu for: b"
    )
    whole = {**made, "spec": {**made["spec"], "resources": {"requests": {"cpu": "1"}}}}
    assert lacking("", "pods", whole, ["requests.cpu"]) == ""
    assert lacking("", "services", made, ["cpu"]) == ""


def quota(*scopes: str, **selector: Any) -> Obj:
    spec: Obj = {"scopes": list(scopes)}
    if selector:
        spec["scopeSelector"] = {"matchExpressions": [selector]}
    return {"spec": spec}


SMALL = pod(container(cpu="1"), activeDeadlineSeconds=5, priorityClassName="high")
BARE = pod({"name": "c"})


@pytest.mark.parametrize(
    ("limited", "small", "bare"),
    [
        (quota(), True, True),
        (quota("Terminating"), True, False),
        (quota("NotTerminating"), False, True),
        (quota("BestEffort"), False, True),
        (quota("NotBestEffort", "Terminating"), True, False),
        (quota("PriorityClass"), True, False),
        (quota(scopeName="PriorityClass", operator="In", values=["high"]), True, False),
        (quota(scopeName="PriorityClass", operator="NotIn", values=["high"]), False, True),
        (quota(scopeName="PriorityClass", operator="DoesNotExist"), False, True),
        (quota("CrossNamespacePodAffinity"), False, False),
    ],
)
def test_scopes_choose_pods(limited: Obj, small: bool, bare: bool) -> None:
    assert is_in_scope(limited, "pods", SMALL) is small
    assert is_in_scope(limited, "pods", BARE) is bare


def test_scoped_quota_is_about_no_other_kind() -> None:
    assert is_in_scope(quota(), "services", {})
    assert not is_in_scope(quota("BestEffort"), "services", {})
    across = pod(
        container(),
        affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["b"]}]}},
    )
    assert is_in_scope(quota("CrossNamespacePodAffinity"), "pods", across)

"""Workloads, Services and configuration: defaults, what is refused, what cannot change, and their columns."""

from __future__ import annotations

from typing import Any

import pytest
from kind_rows import made, problems, resource, row, update_problems, workload

from machinery.objects import deep_copy

# --- deployments and replica sets --------------------------------------------------------------------------


def test_deployment_gets_upstreams_defaults() -> None:
    obj = made("Deployment", spec=workload())
    spec = {k: v for k, v in obj["spec"].items() if k not in ("selector", "template")}
    assert spec == {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
    }
    assert problems("Deployment", obj) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (workload(replicas=-1), ("Invalid", "spec.replicas")),
        (workload(selector={}), ("Invalid", "spec.selector")),
        (workload(selector=None), ("Required", "spec.selector")),
        (workload(selector={"matchLabels": {"app": "other"}}), ("Invalid", "spec.template.metadata.labels")),
        (
            workload(strategy={"type": "Recreate", "rollingUpdate": {}}),
            ("Forbidden", "spec.strategy.rollingUpdate"),
        ),
        (workload(strategy={"type": "Magic"}), ("NotSupported", "spec.strategy")),
        (
            workload(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            ("Invalid", "spec.strategy.rollingUpdate.maxUnavailable"),
        ),
        (
            workload(strategy={"rollingUpdate": {"maxSurge": "x%"}}),
            ("Invalid", "spec.strategy.rollingUpdate.maxSurge"),
        ),
        (workload(progressDeadlineSeconds=5, minReadySeconds=5), ("Invalid", "spec.progressDeadlineSeconds")),
    ],
)
def test_wrong_deployment_names_the_field(spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in problems("Deployment", made("Deployment", spec=spec))


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_template_is_validated_under_its_own_path(kind: str) -> None:
    spec = workload()
    spec["template"]["spec"] = {"containers": [{"name": "c"}], "restartPolicy": "Never"}
    found = problems(kind, made(kind, spec=spec))
    assert ("Required", "spec.template.spec.containers[0].image") in found
    assert ("NotSupported", "spec.template.spec.restartPolicy") in found


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_selector_cannot_change(kind: str) -> None:
    old = made(kind, spec=workload())
    new = deep_copy(old)
    new["spec"]["selector"]["matchLabels"] = {"app": "web", "more": "x"}
    new["spec"]["template"]["metadata"]["labels"]["more"] = "x"
    assert update_problems(kind, new, old) == [("Invalid", "spec.selector")]


def test_status_endpoint_changes_status_alone() -> None:
    strategy = resource("Deployment").strategy
    old = made("Deployment", spec=workload(), metadata={"labels": {"a": "1"}})
    new = deep_copy(old)
    new["spec"]["replicas"], new["status"] = 9, {"replicas": 1}
    new["metadata"]["labels"] = {"a": "2"}
    strategy.prepare_status_update(new, old)
    assert new["spec"] == old["spec"]
    assert new["status"] == {"replicas": 1}
    assert new["metadata"]["labels"] == {"a": "1"}


def test_main_endpoint_leaves_status_alone() -> None:
    strategy = resource("Deployment").strategy
    old = {**made("Deployment", spec=workload()), "status": {"replicas": 3}}
    new = deep_copy(old)
    new["status"] = {"replicas": 99}
    strategy.prepare_update(new, old)
    assert new["status"] == {"replicas": 3}


def test_columns_of_workloads() -> None:
    obj = {
        **made("Deployment", spec=workload()),
        "status": {"readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
    }
    assert row("Deployment", obj) == {
        "Name": "x",
        "Ready": "1/1",
        "Up-to-date": 1,
        "Available": 1,
        "Age": "75s",
        "Containers": "c",
        "Images": "nginx:1",
        "Selector": "app=web",
    }
    obj = {**made("ReplicaSet", spec=workload()), "status": {"replicas": 1}}
    assert row("ReplicaSet", obj)["Desired"] == 1
    assert row("ReplicaSet", obj)["Ready"] == 0


# --- services ----------------------------------------------------------------------------------------------


def service(**spec: Any) -> dict[str, Any]:
    if "clusterIP" in spec:  # as the engine says it, both ways
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    return made("Service", spec={"ports": [{"port": 80}], "selector": {"app": "web"}, **spec})


def test_service_gets_upstreams_defaults() -> None:
    assert service()["spec"] == {
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"app": "web"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
        "internalTrafficPolicy": "Cluster",
    }
    assert problems("Service", service()) == []
    assert service(type="NodePort")["spec"]["externalTrafficPolicy"] == "Cluster"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"ports": []}, ("Required", "spec.ports")),
        ({"ports": [{"port": 1}, {"port": 2}]}, ("Required", "spec.ports[0].name")),
        (
            {"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]},
            ("Duplicate", "spec.ports[1].name"),
        ),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}, ("Duplicate", "spec.ports[1]")),
        ({"ports": [{"port": 0}]}, ("Invalid", "spec.ports[0].port")),
        ({"ports": [{"port": 1, "nodePort": 30000}]}, ("Forbidden", "spec.ports[0].nodePort")),
        ({"type": "ExternalName"}, ("Required", "spec.externalName")),
        ({"type": "Magic"}, ("NotSupported", "spec.type")),
        ({"type": "NodePort", "clusterIP": "None"}, ("Invalid", "spec.clusterIPs[0]")),
        ({"clusterIP": "1.2.3"}, ("Invalid", "spec.clusterIPs[0]")),
        ({"sessionAffinity": "Cookie"}, ("NotSupported", "spec.sessionAffinity")),
        ({"externalIPs": ["127.0.0.1"]}, ("Invalid", "spec.externalIPs[0]")),
        ({"loadBalancerSourceRanges": ["1.2.3.0/24"]}, ("Forbidden", "spec.LoadBalancerSourceRanges")),
    ],
)
def test_wrong_service_names_the_field(spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in problems("Service", service(**spec))


def test_headless_service_needs_no_ports() -> None:
    assert problems("Service", service(clusterIP="None", ports=[])) == []


def test_cluster_address_cannot_change() -> None:
    old = service(clusterIP="10.96.0.5", clusterIPs=["10.96.0.5"])
    new = deep_copy(old)
    new["spec"] |= {"clusterIP": "10.96.0.6", "clusterIPs": ["10.96.0.6"]}
    assert update_problems("Service", new, old) == [("Invalid", "spec.clusterIPs[0]")]


def test_service_that_changes_its_type_forgets_what_belonged_to_the_old() -> None:
    old = service(type="NodePort")
    new = deep_copy(old)
    new["spec"]["type"] = "ClusterIP"
    resource("Service").strategy.prepare_update(new, old)
    assert "externalTrafficPolicy" not in new["spec"]


@pytest.mark.parametrize(
    ("spec", "external", "ports"),
    [
        ({"clusterIP": "10.96.0.5"}, "<none>", "80/TCP"),
        ({"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30001}]}, "<pending>", "80:30001/TCP"),
        ({"type": "ExternalName", "externalName": "a.b", "ports": []}, "a.b", "<none>"),
        ({"externalIPs": ["1.2.3.4", "1.2.3.5"]}, "1.2.3.4,1.2.3.5", "80/TCP"),
    ],
)
def test_columns_of_services(spec: dict[str, Any], external: str, ports: str) -> None:
    cells = row("Service", service(**spec))
    assert (cells["External-IP"], cells["Port(s)"], cells["Selector"]) == (external, ports, "app=web")


# --- configuration -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "..", "a/b", "..x"])
def test_config_key_that_is_no_file_name_is_refused(key: str) -> None:
    assert ("Invalid", f"data[{key}]") in problems("ConfigMap", made("ConfigMap", data={key: "x"}))


def test_config_map_that_is_too_big_is_refused() -> None:
    assert problems("ConfigMap", made("ConfigMap", data={"a": "x" * (1024 * 1024 + 1)})) == [
        ("TooLong", "[]")
    ]


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_immutable_data_cannot_change_or_become_mutable(kind: str) -> None:
    old = made(kind, data={"a": "YQ=="}, immutable=True)
    new = {**deep_copy(old), "data": {"a": "Yg=="}, "immutable": False}
    assert update_problems(kind, new, old) == [("Forbidden", "immutable"), ("Forbidden", "data")]
    assert update_problems(kind, deep_copy(old), old) == []


def test_string_data_of_a_secret_is_folded_into_data() -> None:
    obj = made("Secret", data={"a": "YQ=="}, stringData={"b": "b", "a": "x"})
    assert obj["data"] == {"a": "eA==", "b": "Yg=="}
    assert "stringData" not in obj
    assert obj["type"] == "Opaque"


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("kubernetes.io/tls", {"tls.crt": "eA=="}, ("Required", "data[tls.key]")),
        ("kubernetes.io/ssh-auth", {}, ("Required", "data[ssh-privatekey]")),
        (
            "kubernetes.io/dockerconfigjson",
            {".dockerconfigjson": "eA=="},
            ("Invalid", "data[.dockerconfigjson]"),
        ),
        ("kubernetes.io/basic-auth", {}, ("Required", "data[username]")),
        (
            "kubernetes.io/service-account-token",
            {},
            ("Required", "metadata.annotations[kubernetes.io/service-account.name]"),
        ),
    ],
)
def test_secret_of_a_known_type_needs_its_keys(kind: str, data: Any, expected: tuple[str, str]) -> None:
    assert expected in problems("Secret", made("Secret", type=kind, data=data))


def test_type_of_a_secret_cannot_change() -> None:
    old = made("Secret")
    assert update_problems("Secret", {**old, "type": "other"}, old) == [("Invalid", "type")]

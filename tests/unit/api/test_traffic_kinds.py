"""Ingress, IngressClass, NetworkPolicy, IPAddress, ServiceCIDR, autoscalers, disruption budgets."""

from __future__ import annotations

from typing import Any

import pytest

from api.autoscaling.v1.autoscaler_view import to_v1, to_v2
from machinery.objects import deep_copy

BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def rule(
    path: str | None = "/", kind: str | None = "Prefix", backend: Any = BACKEND, **more: Any
) -> dict[str, Any]:
    entry = {"path": path, "pathType": kind, "backend": backend}
    return {"rules": [{"http": {"paths": [{k: v for k, v in entry.items() if v is not None}]}, **more}]}


AT = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("Invalid", "spec")),
        ({"defaultBackend": {}}, ("Invalid", "spec.defaultBackend")),
        ({"defaultBackend": {**BACKEND, "resource": {}}}, ("Invalid", "spec.defaultBackend")),
        (
            {"defaultBackend": {"resource": {"kind": "Bucket"}}},
            ("Required", "spec.defaultBackend.resource.name"),
        ),
        (rule(kind=None), ("Required", f"{AT}.pathType")),
        (rule(kind="Regex"), ("NotSupported", f"{AT}.pathType")),
        (rule(path="foo"), ("Invalid", f"{AT}.path")),
        (rule(path="/a//b"), ("Invalid", f"{AT}.path")),
        (rule(path="/a/.."), ("Invalid", f"{AT}.path")),
        (rule(backend={"service": {"name": "web"}}), ("Required", f"{AT}.backend")),
        (rule(backend={"service": {"port": {"number": 80}}}), ("Required", f"{AT}.backend.service.name")),
        (
            rule(backend={"service": {"name": "web", "port": {"number": 0, "name": "a_b"}}}),
            ("Invalid", f"{AT}.backend.service.port.name"),
        ),
        (
            rule(backend={"service": {"name": "web", "port": {"number": 1, "name": "a"}}}),
            ("Invalid", f"{AT}.backend"),
        ),
        (rule(host="10.0.0.1"), ("Invalid", "spec.rules[0].host")),
        (rule(host="*.*.com"), ("Invalid", "spec.rules[0].host")),
        ({"rules": [{"http": {"paths": []}}]}, ("Required", "spec.rules[0].http.paths")),
        ({**rule(), "tls": [{"hosts": ["a_b"]}]}, ("Invalid", "spec.tls[0].hosts[0]")),
        ({**rule(), "ingressClassName": "A"}, ("Invalid", "spec.ingressClassName")),
    ],
)
def test_wrong_ingress_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("Ingress", spec=spec))


def test_good_ingresses_are_good_and_show_hosts_and_ports(kinds) -> None:
    obj = kinds.made("Ingress", spec={**rule(host="*.a.com"), "tls": [{"hosts": ["*.a.com"]}]})
    assert kinds.problems(obj) == []
    assert kinds.problems(kinds.made("Ingress", spec=rule(path=None, kind="ImplementationSpecific"))) == []
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "lb.a.com"}]}}
    cells = {k: v for k, v in kinds.row(obj).items() if k not in ("Name", "Age")}
    assert cells == {"Class": "<none>", "Hosts": "*.a.com", "Address": "1.2.3.4,lb.a.com", "Ports": "80, 443"}


def test_ingress_whose_class_is_said_twice_and_differently_is_refused(kinds) -> None:
    obj = kinds.made("Ingress", spec={**rule(), "ingressClassName": "a"})
    obj["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "b"}
    assert kinds.problems(obj) == [("Invalid", "annotations.kubernetes.io/ingress.class")]
    said = kinds.resource("Ingress").strategy.warnings(obj, None)
    assert any("deprecated, please use 'spec.ingressClassName'" in each for each in said)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"controller": "nginx"}, ("Invalid", "spec.controller")),
        ({"controller": f"a.b/{'x' * 250}"}, ("TooLong", "spec.controller")),
        ({"controller": "a.b/c", "parameters": {"kind": "K"}}, ("Required", "spec.parameters.name")),
        (
            {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}},
            ("Required", "spec.parameters.namespace"),
        ),
        (
            {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "namespace": "x"}},
            ("Forbidden", "spec.parameters.namespace"),
        ),
    ],
)
def test_wrong_ingress_class_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("IngressClass", spec=spec))


def test_ingress_class_keeps_its_controller(kinds) -> None:
    old = kinds.made("IngressClass", spec={"controller": "a.b/c"})
    assert kinds.changed(old, "spec", "controller", to="a.b/d") == [("Invalid", "spec.controller")]


def egress(**peer: Any) -> dict[str, Any]:
    return {"podSelector": {}, "egress": [{"to": [peer]}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (egress(), ("Required", "spec.egress[0].to[0]")),
        (egress(ipBlock={"cidr": "10.0.0.0/8"}, podSelector={}), ("Forbidden", "spec.egress[0].to[0]")),
        (egress(ipBlock={"cidr": "nowhere"}), ("Invalid", "spec.egress[0].to[0].ipBlock.cidr")),
        (
            egress(ipBlock={"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}),
            ("Invalid", "spec.egress[0].to[0].ipBlock.except[0]"),
        ),
        ({"ingress": [{"ports": [{"port": 99999}]}]}, ("Invalid", "spec.ingress[0].ports[0].port")),
        (
            {"ingress": [{"ports": [{"port": "http", "endPort": 9}]}]},
            ("Invalid", "spec.ingress[0].ports[0].endPort"),
        ),
        (
            {"ingress": [{"ports": [{"port": 10, "endPort": 9}]}]},
            ("Invalid", "spec.ingress[0].ports[0].endPort"),
        ),
        (
            {"ingress": [{"ports": [{"protocol": "ICMP"}]}]},
            ("NotSupported", "spec.ingress[0].ports[0].protocol"),
        ),
        ({"policyTypes": ["Sideways"]}, ("NotSupported", "spec.policyTypes[0]")),
    ],
)
def test_wrong_network_policy_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("NetworkPolicy", spec=spec))


def test_network_policy_restricts_what_it_speaks_of(kinds) -> None:
    obj = kinds.made("NetworkPolicy", spec=egress(podSelector={"matchLabels": {"a": "b"}}))
    assert obj["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert kinds.problems(obj) == []
    assert kinds.row(obj)["Pod-Selector"] == "<none>"


def test_address_must_be_written_the_one_way(kinds) -> None:
    spec = {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}
    good = kinds.made("IPAddress", name="2001:db8::1", spec=spec)
    assert kinds.problems(good) == []
    assert kinds.row(good)["ParentRef"] == "services/default/web"
    for name in ("2001:DB8::1", "10.0.0.256", "web"):
        assert ("Invalid", "metadata.name") in kinds.problems(kinds.made("IPAddress", name=name, spec=spec))
    assert kinds.changed(good, "spec", "parentRef", "name", to="other") == [("Invalid", "spec.parentRef")]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], ("Required", "spec.cidrs")),
        (["10.0.0.0/24", "10.1.0.0/24"], ("Invalid", "spec.cidrs")),
        (["10.0.0.1/24"], ("Invalid", "spec.cidrs[0]")),
        (["x"], ("Invalid", "spec.cidrs[0]")),
    ],
)
def test_wrong_service_range_names_the_field(kinds, ranges: list[str], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("ServiceCIDR", spec={"cidrs": ranges}))


def test_service_range_may_gain_a_family_and_change_nothing_else(kinds) -> None:
    old = kinds.made("ServiceCIDR", spec={"cidrs": ["10.0.0.0/24"]})
    assert kinds.changed(old, "spec", "cidrs", to=["10.0.0.0/24", "2001:db8::/64"]) == []
    assert kinds.changed(old, "spec", "cidrs", to=["10.1.0.0/24"]) == [("Invalid", "spec.cidrs")]


# --- autoscalers --------------------------------------------------------------------------------------------

TARGET = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3}


def metric(kind: str, **source: Any) -> dict[str, Any]:
    field = kind[:1].lower() + kind[1:]
    return {**TARGET, "metrics": [{"type": kind, field: source}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({**TARGET, "maxReplicas": 0}, ("Invalid", "spec.maxReplicas")),
        ({**TARGET, "minReplicas": 0}, ("Invalid", "spec.minReplicas")),
        ({**TARGET, "minReplicas": 5}, ("Invalid", "spec.maxReplicas")),
        ({"maxReplicas": 1, "scaleTargetRef": {}}, ("Required", "spec.scaleTargetRef.kind")),
        ({**TARGET, "metrics": [{"type": "Guess"}]}, ("NotSupported", "spec.metrics[0].type")),
        ({**TARGET, "metrics": [{"type": "Pods"}]}, ("Required", "spec.metrics[0].pods")),
        (metric("Resource", name="cpu"), ("Required", "spec.metrics[0].resource.target.type")),
        (
            metric("Resource", name="cpu", target={"type": "Utilization"}),
            ("Required", "spec.metrics[0].resource.target.averageUtilization"),
        ),
        (
            metric("Pods", metric={"name": "rps"}, target={"type": "AverageValue", "averageValue": "0"}),
            ("Invalid", "spec.metrics[0].pods.target.averageValue"),
        ),
        (
            metric("ContainerResource", name="cpu", target={"type": "Utilization", "averageUtilization": 5}),
            ("Required", "spec.metrics[0].containerResource.container"),
        ),
        (
            metric(
                "External", metric={"name": "q"}, target={"type": "Value", "value": "1", "averageValue": "1"}
            ),
            ("Forbidden", "spec.metrics[0].external.target.value"),
        ),
        (
            {**TARGET, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}},
            ("Invalid", "spec.behavior.scaleUp.stabilizationWindowSeconds"),
        ),
        (
            {
                **TARGET,
                "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1}]}},
            },
            ("Invalid", "spec.behavior.scaleDown.policies[0].value"),
        ),
    ],
)
def test_wrong_autoscaler_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("HorizontalPodAutoscaler", version="v2", spec=spec))


def test_autoscaler_gets_upstreams_defaults(kinds) -> None:
    obj = kinds.made("HorizontalPodAutoscaler", version="v2", spec={**TARGET, "behavior": {}})
    assert kinds.problems(obj) == []
    assert obj["spec"]["minReplicas"] == 1
    assert obj["spec"]["behavior"]["scaleUp"]["policies"] == [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ]
    assert kinds.row(obj)["Targets"] == "cpu: <unknown>/80%"
    assert kinds.row(obj)["Reference"] == "Deployment/web"


def test_autoscaler_goes_to_the_old_version_and_back_without_loss() -> None:
    obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "x", "annotations": {"mine": "1"}},
        "spec": {
            **TARGET,
            "minReplicas": 2,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                },
                {
                    "type": "Resource",
                    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
                },
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "rps"},
                        "target": {"type": "AverageValue", "averageValue": "10"},
                    },
                },
                {
                    "type": "Object",
                    "object": {
                        "describedObject": {"kind": "Ingress", "name": "i"},
                        "metric": {"name": "hits", "selector": {"matchLabels": {"a": "b"}}},
                        "target": {"type": "Value", "value": "5"},
                    },
                },
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": "q"},
                        "target": {"type": "AverageValue", "averageValue": "3"},
                    },
                },
                {
                    "type": "ContainerResource",
                    "containerResource": {
                        "name": "cpu",
                        "container": "c",
                        "target": {"type": "Utilization", "averageUtilization": 7},
                    },
                },
            ],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "selectPolicy": "Max",
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 5}],
                },
                "scaleDown": {
                    "selectPolicy": "Disabled",
                    "policies": [{"type": "Percent", "value": 1, "periodSeconds": 5}],
                },
            },
        },
        "status": {
            "currentReplicas": 2,
            "desiredReplicas": 2,
            "currentMetrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "current": {"averageUtilization": 20, "averageValue": "20m"}},
                }
            ],
            "conditions": [{"type": "AbleToScale", "status": "True"}],
        },
    }
    older = to_v1(deep_copy(obj))
    assert older["spec"] == {**TARGET, "minReplicas": 2, "targetCPUUtilizationPercentage": 50}
    assert older["status"]["currentCPUUtilizationPercentage"] == 20
    assert to_v2(older) == obj


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 1, "maxUnavailable": 1}, ("Invalid", "spec")),
        ({"minAvailable": -1}, ("Invalid", "spec.minAvailable")),
        ({"maxUnavailable": "101%"}, ("Invalid", "spec.maxUnavailable")),
        ({"unhealthyPodEvictionPolicy": "Never"}, ("NotSupported", "spec.unhealthyPodEvictionPolicy")),
        ({"selector": {"matchLabels": {"a": "-"}}}, ("Invalid", "spec.selector.matchLabels")),
    ],
)
def test_wrong_disruption_budget_names_the_field(
    kinds, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert expected in kinds.problems(kinds.made("PodDisruptionBudget", spec=spec))


def test_disruption_budget_shows_its_bounds(kinds) -> None:
    cells = kinds.row(kinds.made("PodDisruptionBudget", spec={"minAvailable": "50%"}))
    assert (cells["Min Available"], cells["Max Unavailable"], cells["Allowed Disruptions"]) == (
        "50%",
        "N/A",
        0,
    )

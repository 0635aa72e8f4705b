"""Namespaces, nodes, access, endpoints and events: defaults, what is refused, what cannot change, and their columns."""

from __future__ import annotations

from typing import Any

import pytest
from kind_rows import BORN, made, problems, resource, row, update_problems

from api import registry
from machinery.objects import deep_copy

# --- cluster -----------------------------------------------------------------------------------------------


def test_new_namespace_is_active_with_its_finalizer_and_label() -> None:
    obj = made("Namespace")
    assert obj["spec"] == {"finalizers": ["kubernetes"]}
    assert obj["status"] == {"phase": "Active"}
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}


def test_finalizers_of_a_namespace_change_through_their_subresource_only() -> None:
    r = resource("Namespace")
    old = made("Namespace")
    new = {**deep_copy(old), "spec": {"finalizers": []}}
    r.strategy.prepare_update(new, old)
    assert new["spec"] == {"finalizers": ["kubernetes"]}
    rules = r.subresources["finalize"].strategy
    assert rules is not None
    new = {**deep_copy(old), "spec": {"finalizers": []}}
    rules.prepare_update(new, old)
    assert new["spec"] == {"finalizers": []}


def test_node_keeps_the_status_it_registers_with() -> None:
    obj = made("Node", status={"capacity": {"cpu": "2"}})
    assert obj["status"]["allocatable"] == {"cpu": "2"}


def test_columns_of_nodes() -> None:
    obj = made(
        "Node",
        metadata={"labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "old"}},
        spec={"unschedulable": True},
        status={
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian"},
        },
    )
    cells = row("Node", obj)
    assert cells["Status"] == "Ready,SchedulingDisabled"
    assert cells["Roles"] == "control-plane,old"
    assert (cells["Version"], cells["Internal-IP"], cells["External-IP"]) == ("v1.36.0", "10.0.0.1", "<none>")
    assert cells["Kernel-Version"] == "<unknown>"
    assert row("Node", made("Node"))["Status"] == "Unknown"


@pytest.mark.parametrize(
    ("taints", "expected"),
    [
        ([{"key": "a", "effect": "Never"}], ("NotSupported", "metadata.taints[0].effect")),
        ([{"key": "a", "effect": "NoExecute"}] * 2, ("Duplicate", "metadata.taints[1]")),
    ],
)
def test_wrong_taints_are_refused(taints: Any, expected: tuple[str, str]) -> None:
    assert expected in problems("Node", made("Node", spec={"taints": taints}))


def test_lease_must_last() -> None:
    obj = made("Lease", spec={"leaseDurationSeconds": 0})
    assert problems("Lease", obj) == [("Invalid", "spec.leaseDurationSeconds")]


def test_priority_of_users_is_limited() -> None:
    assert problems("PriorityClass", made("PriorityClass", value=1_000_000_001)) == [("Forbidden", "value")]
    system = made("PriorityClass", metadata={"name": "system-node-critical"}, value=2_000_001_000)
    assert problems("PriorityClass", system) == []
    old = made("PriorityClass", value=5)
    assert update_problems("PriorityClass", {**old, "value": 6}, old) == [("Forbidden", "value")]


# --- access ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "rule", "expected"),
    [
        ("Role", {"apiGroups": [""], "resources": ["pods"]}, ("Required", "rules[0].verbs")),
        ("Role", {"verbs": ["get"], "resources": ["pods"]}, ("Required", "rules[0].apiGroups")),
        ("Role", {"verbs": ["get"], "apiGroups": [""]}, ("Required", "rules[0].resources")),
        ("Role", {"verbs": ["get"], "nonResourceURLs": ["/x"]}, ("Invalid", "rules[0].nonResourceURLs")),
        (
            "ClusterRole",
            {"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["a"]},
            ("Invalid", "rules[0].nonResourceURLs"),
        ),
    ],
)
def test_wrong_rule_names_the_field(kind: str, rule: Any, expected: tuple[str, str]) -> None:
    assert expected in problems(kind, made(kind, rules=[rule]))


def binding(**fields: Any) -> dict[str, Any]:
    return made("RoleBinding", roleRef={"kind": "Role", "name": "r"}, **fields)


def test_binding_gets_its_groups_and_shows_its_subjects() -> None:
    obj = binding(
        subjects=[
            {"kind": "User", "name": "eve"},
            {"kind": "ServiceAccount", "name": "sa", "namespace": "ns"},
        ]
    )
    assert obj["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"
    assert problems("RoleBinding", obj) == []
    cells = row("RoleBinding", obj)
    assert (cells["Role"], cells["Users"], cells["ServiceAccounts"]) == ("Role/r", "eve", "ns/sa")


def test_role_of_a_binding_cannot_change() -> None:
    old = binding()
    new = {**old, "roleRef": {**old["roleRef"], "name": "other"}}
    assert update_problems("RoleBinding", new, old) == [("Invalid", "roleRef")]


def test_cluster_binding_grants_cluster_roles_only() -> None:
    obj = made("ClusterRoleBinding", roleRef={"kind": "Role", "name": "r"})
    assert problems("ClusterRoleBinding", obj) == [("NotSupported", "roleRef.kind")]


# --- endpoints and events ----------------------------------------------------------------------------------


def test_columns_of_endpoint_slices_show_three_and_how_many_more() -> None:
    obj = made(
        "EndpointSlice",
        addressType="IPv4",
        ports=[{"port": 80}, {"name": "b", "port": 81}],
        endpoints=[{"addresses": [f"10.0.0.{i}"]} for i in range(1, 6)],
    )
    cells = row("EndpointSlice", obj)
    assert (cells["Ports"], cells["Endpoints"]) == ("80,81", "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...")
    assert problems("EndpointSlice", obj) == []
    assert row("EndpointSlice", made("EndpointSlice", addressType="IPv4"))["Ports"] == "<unset>"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]},
            ("Invalid", "endpoints[0].addresses[0]"),
        ),
        ({"addressType": "IPv4", "endpoints": [{"addresses": []}]}, ("Required", "endpoints[0].addresses")),
        ({"addressType": "IPv5"}, ("NotSupported", "addressType")),
    ],
)
def test_wrong_endpoint_slice_names_the_field(fields: Any, expected: tuple[str, str]) -> None:
    assert expected in problems("EndpointSlice", made("EndpointSlice", **fields))


CORE_EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default", "creationTimestamp": BORN},
    "involvedObject": {
        "kind": "Pod",
        "name": "web",
        "namespace": "default",
        "fieldPath": "spec.containers{c}",
    },
    "reason": "Pulled",
    "message": " done \n",
    "source": {"component": "kubelet", "host": "n1"},
    "firstTimestamp": BORN,
    "lastTimestamp": "2024-01-01T00:01:00Z",
    "count": 4,
    "type": "Normal",
}


def test_columns_of_events_in_both_groups_are_the_same() -> None:
    expected = {
        "Last Seen": "15s",
        "Type": "Normal",
        "Reason": "Pulled",
        "Object": "pod/web",
        "Subobject": "spec.containers{c}",
        "Source": "kubelet, n1",
        "Message": "done",
        "First Seen": "75s",
        "Count": 4,
        "Name": "e",
    }
    assert row("Event", CORE_EVENT, "") == expected
    newer = resource("Event", "events.k8s.io")
    assert newer.from_storage is not None
    assert newer.to_storage is not None
    view = newer.from_storage(deep_copy(CORE_EVENT))
    assert view["regarding"] == CORE_EVENT["involvedObject"]
    assert row("Event", view, "events.k8s.io") == expected
    assert newer.to_storage(view) == CORE_EVENT


def test_event_outside_its_objects_namespace_is_refused() -> None:
    stray = {**CORE_EVENT, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "other"}}
    assert problems("Event", stray, "") == [("Invalid", "involvedObject.namespace")]


def test_new_event_needs_its_reporter() -> None:
    told = {"metadata": {"namespace": "default"}, "eventTime": "2024-01-01T00:00:00.000000Z"}
    found = problems("Event", told, "events.k8s.io")
    assert {field for _, field in found} >= {
        "type",
        "reportingController",
        "reportingInstance",
        "action",
        "reason",
    }


def test_both_events_share_one_store_and_expire() -> None:
    core, newer = resource("Event", ""), resource("Event", "events.k8s.io")
    assert core.storage_prefix == newer.storage_prefix == "events"
    assert core.ttl_s == newer.ttl_s == 3600


# --- bodies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "obj", "fields"),
    [
        (("", "v1", "Binding"), {"target": {}}, ["target.name"]),
        (
            ("authentication.k8s.io", "v1", "TokenRequest"),
            {"spec": {"expirationSeconds": 5}},
            ["spec.expirationSeconds"],
        ),
        (("authentication.k8s.io", "v1", "TokenRequest"), {}, []),
        (("autoscaling", "v1", "Scale"), {"spec": {"replicas": -1}}, ["spec.replicas"]),
        (("policy", "v1", "Eviction"), {}, []),
        (("meta.k8s.io", "v1", "DeleteOptions"), {"propagationPolicy": "Maybe"}, ["propagationPolicy"]),
    ],
)
def test_bodies_are_defaulted_and_judged(
    kind: tuple[str, str, str], obj: dict[str, Any], fields: list[str]
) -> None:
    body = registry.bodies()[kind]
    body.default(obj)
    assert [cause.field for cause in body.validate(obj)] == fields

"""Kinds other than Pod: defaults, what is refused, what cannot change, and their columns."""

from __future__ import annotations

from typing import Any

import pytest

from api import registry
from api.resource import Resource
from machinery.objects import deep_copy

NOW = 1_704_067_275.0  # 2024-01-01T00:01:15Z
BORN = "2024-01-01T00:00:00Z"


def resource(kind: str, group: str | None = None) -> Resource:
    return next(r for r in registry.load() if r.kind == kind and group in (None, r.gvr.group))


def made(kind: str, group: str | None = None, **fields: Any) -> dict[str, Any]:
    """A new object as the engine would have it before validation."""
    r = resource(kind, group)
    meta = {"name": "x", "namespace": "default", "creationTimestamp": BORN, **fields.pop("metadata", {})}
    obj = {"apiVersion": r.gvr.api_version, "kind": kind, "metadata": meta, **fields}
    r.strategy.default(obj)
    r.strategy.prepare_create(obj)
    return obj


def problems(kind: str, obj: dict[str, Any], group: str | None = None) -> list[tuple[str, str]]:
    causes = resource(kind, group).strategy.validate(obj)
    return [(c.reason.removeprefix("FieldValue"), c.field) for c in causes]


def update_problems(
    kind: str, obj: dict[str, Any], old: dict[str, Any], group: str | None = None
) -> list[tuple[str, str]]:
    causes = resource(kind, group).strategy.validate_update(obj, old)
    return [(c.reason.removeprefix("FieldValue"), c.field) for c in causes]


def row(kind: str, obj: dict[str, Any], group: str | None = None) -> dict[str, Any]:
    return {c.name: c.path(obj, NOW) if callable(c.path) else c.path for c in resource(kind, group).columns}


def workload(**spec: Any) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
        },
        **spec,
    }


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
        (workload(strategy={"type": "Magic"}), ("NotSupported", "spec.strategy.type")),
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
        ([{"key": "a", "effect": "Never"}], ("NotSupported", "spec.taints[0].effect")),
        ([{"key": "a", "effect": "NoExecute"}] * 2, ("Duplicate", "spec.taints[1]")),
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


def test_service_account_subject_needs_a_namespace() -> None:
    assert problems("RoleBinding", binding(subjects=[{"kind": "ServiceAccount", "name": "sa"}])) == [
        ("Required", "subjects[0].namespace")
    ]


def test_access_review_asks_exactly_one_question() -> None:
    neither = made("SelfSubjectAccessReview", spec={})
    assert problems("SelfSubjectAccessReview", neither) == [("Invalid", "spec.resourceAttributes")]
    nobody = made("SubjectAccessReview", spec={"nonResourceAttributes": {"path": "/x"}})
    assert problems("SubjectAccessReview", nobody) == [("Invalid", "spec.user")]


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
    found = problems("Event", {"metadata": {"namespace": "default"}}, "events.k8s.io")
    assert {field for _, field in found} >= {
        "eventTime",
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

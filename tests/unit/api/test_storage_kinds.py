"""Volumes, claims, classes and drivers; quotas, limits, endpoints, runtime classes."""

from __future__ import annotations

from typing import Any

import pytest

from api.validation.parameters import short_modes
from machinery.objects import deep_copy

VOLUME = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def volume(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**VOLUME, **changes}.items() if v is not None}


def claim(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**CLAIM, **changes}.items() if v is not None}


def test_volume_gets_upstreams_defaults(kinds) -> None:
    obj = kinds.made("PersistentVolume", spec=volume())
    assert obj["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert obj["spec"]["volumeMode"] == "Filesystem"
    assert obj["spec"]["hostPath"] == {"path": "/data", "type": ""}
    assert obj["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2024-01-01T00:00:00Z"}
    assert kinds.problems(obj) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (volume(accessModes=[]), ("Required", "spec.accessModes")),
        (volume(accessModes=["Once"]), ("NotSupported", "spec.accessModes")),
        (volume(accessModes=["ReadWriteOnce", "ReadWriteOncePod"]), ("Forbidden", "spec.accessModes")),
        (volume(capacity={}), ("Required", "spec.capacity")),
        (volume(capacity={"storage": "1", "cpu": "1"}), ("NotSupported", "spec.capacity")),
        (volume(capacity={"storage": "0"}), ("Invalid", "spec.capacity[storage]")),
        (volume(hostPath=None), ("Required", "spec")),
        (volume(nfs={"server": "a", "path": "/"}), ("Forbidden", "spec.nfs")),
        (volume(hostPath=None, nfs={"server": "a"}), ("Required", "spec.nfs.path")),
        (volume(hostPath=None, local={"path": "/x"}), ("Required", "spec.nodeAffinity")),
        (volume(hostPath=None, csi={"driver": "a.b"}), ("Required", "spec.csi.volumeHandle")),
        (
            volume(persistentVolumeReclaimPolicy="Burn"),
            ("NotSupported", "spec.persistentVolumeReclaimPolicy"),
        ),
        (
            volume(hostPath={"path": "/"}, persistentVolumeReclaimPolicy="Recycle"),
            ("Forbidden", "spec.persistentVolumeReclaimPolicy"),
        ),
        (volume(storageClassName="A"), ("Invalid", "spec.storageClassName")),
        (volume(volumeAttributesClassName="gold"), ("Required", "spec.csi")),
        (volume(nodeAffinity={"required": {}}), ("Required", "spec.nodeAffinity.required.nodeSelectorTerms")),
    ],
)
def test_wrong_volume_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("PersistentVolume", spec=spec))


def test_volume_keeps_its_source_and_mode(kinds) -> None:
    old = kinds.made("PersistentVolume", spec=volume())
    assert kinds.changed(old, "spec", "hostPath", "path", to="/x") == [
        ("Forbidden", "spec.persistentvolumesource")
    ]
    assert kinds.changed(old, "spec", "volumeMode", to="Block") == [("Invalid", "volumeMode")]
    assert kinds.changed(old, "spec", "persistentVolumeReclaimPolicy", to="Delete") == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (claim(accessModes=[]), ("Required", "spec.accessModes")),
        (claim(resources={}), ("Required", "spec.resources[storage]")),
        (claim(resources={"requests": {"storage": "0"}}), ("Invalid", "spec.resources[storage]")),
        (claim(volumeMode="Tape"), ("NotSupported", "spec.volumeMode")),
        (claim(dataSourceRef={"kind": "Pod", "name": "x"}), ("Invalid", "spec.dataSourceRef")),
        (claim(dataSourceRef={"kind": "PersistentVolumeClaim"}), ("Required", "spec.dataSourceRef.name")),
        (claim(storageClassName="A"), ("Invalid", "spec.storageClassName")),
    ],
)
def test_wrong_claim_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("PersistentVolumeClaim", spec=spec))


def test_claim_says_its_source_in_both_fields(kinds) -> None:
    source = {"kind": "PersistentVolumeClaim", "name": "old"}
    obj = kinds.made("PersistentVolumeClaim", spec=claim(dataSource=source))
    assert obj["spec"]["dataSourceRef"] == source
    assert kinds.problems(obj) == []


def test_claim_is_fixed_until_bound_and_may_then_grow(kinds) -> None:
    old = kinds.made("PersistentVolumeClaim", spec=claim())
    size = ("spec", "resources", "requests", "storage")
    assert kinds.changed(old, *size, to="2Gi") == [("Forbidden", "spec")]
    assert kinds.changed(old, "spec", "volumeName", to="v") == []
    bound = deep_copy(old)
    bound["spec"]["volumeName"] = "v"
    bound["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    assert kinds.changed(bound, *size, to="2Gi") == []
    assert kinds.changed(bound, *size, to="500Mi") == [("Forbidden", "spec.resources.requests.storage")]
    assert kinds.changed(bound, "spec", "accessModes", to=["ReadWriteMany"]) == [("Forbidden", "spec")]
    assert kinds.changed(bound, "spec", "volumeName", to="w") == [("Forbidden", "spec")]


def test_columns_of_storage(kinds) -> None:
    obj = kinds.made(
        "PersistentVolume", spec=volume(claimRef={"namespace": "a", "name": "b"}, storageClassName="fast")
    )
    cells = kinds.row(obj)
    assert [
        cells[k] for k in ("Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass")
    ] == [
        "1Gi",
        "RWO",
        "Retain",
        "Pending",
        "a/b",
        "fast",
    ]
    cells = kinds.row(kinds.made("PersistentVolumeClaim", spec=claim()))
    assert (cells["Status"], cells["Volume"], cells["Capacity"], cells["Access Modes"]) == (
        "Pending",
        "",
        "",
        "",
    )
    standard = kinds.made("StorageClass", name="fast", provisioner="a.b/c")
    standard["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert kinds.row(standard)["Name"] == "fast (default)"
    assert short_modes(["ReadWriteMany", "ReadWriteOnce", "ReadWriteOnce"]) == "RWO,RWX"


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("StorageClass", {}, ("Required", "provisioner")),
        ("StorageClass", {"provisioner": "a b"}, ("Invalid", "provisioner")),
        ("StorageClass", {"provisioner": "a", "reclaimPolicy": "Recycle"}, ("NotSupported", "reclaimPolicy")),
        (
            "StorageClass",
            {"provisioner": "a", "volumeBindingMode": "x"},
            ("NotSupported", "volumeBindingMode"),
        ),
        (
            "StorageClass",
            {
                "provisioner": "a",
                "allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": []}]}],
            },
            ("Required", "allowedTopologies[0].matchLabelExpressions[0].values"),
        ),
        ("VolumeAttributesClass", {"driverName": "a.b"}, ("Required", "parameters")),
        ("VolumeAttributesClass", {"parameters": {"a": "b"}}, ("Required", "driverName")),
        ("CSIDriver", {"spec": {"fsGroupPolicy": "x"}}, ("NotSupported", "spec.fsGroupPolicy")),
        (
            "CSIDriver",
            {"spec": {"tokenRequests": [{"audience": "a"}, {"audience": "a", "expirationSeconds": 1}]}},
            ("Duplicate", "spec.tokenRequests[1].audience"),
        ),
        ("CSINode", {"spec": {"drivers": [{"name": "a.b"}]}}, ("Required", "spec.drivers[0].nodeID")),
        ("CSIStorageCapacity", {"storageClassName": "A"}, ("Invalid", "storageClassName")),
        (
            "VolumeAttachment",
            {"spec": {"attacher": "a.b", "nodeName": "n", "source": {}}},
            ("Required", "spec.source"),
        ),
        ("RuntimeClass", {"handler": "A_B"}, ("Invalid", "handler")),
        (
            "RuntimeClass",
            {"handler": "a", "overhead": {"podFixed": {"cpu": "-1"}}},
            ("Invalid", "overhead.limits[cpu]"),
        ),
    ],
)
def test_wrong_class_or_driver_names_the_field(
    kinds, kind: str, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert expected in kinds.problems(kinds.made(kind, **fields))


@pytest.mark.parametrize(
    ("kind", "fields", "path", "to", "expected"),
    [
        ("StorageClass", {"provisioner": "a"}, ("provisioner",), "b", ("Forbidden", "provisioner")),
        ("StorageClass", {"provisioner": "a"}, ("parameters",), {"x": "y"}, ("Forbidden", "parameters")),
        (
            "VolumeAttributesClass",
            {"driverName": "a", "parameters": {"a": "b"}},
            ("parameters",),
            {"a": "c"},
            ("Forbidden", "parameters"),
        ),
        ("CSIDriver", {"spec": {}}, ("spec", "attachRequired"), False, ("Invalid", "spec.attachedRequired")),
        (
            "CSIStorageCapacity",
            {"storageClassName": "a"},
            ("storageClassName",),
            "b",
            ("Invalid", "storageClassName"),
        ),
        ("RuntimeClass", {"handler": "a"}, ("handler",), "b", ("Invalid", "handler")),
    ],
)
def test_fixed_field_cannot_change(
    kinds, kind: str, fields: dict[str, Any], path: tuple[str, ...], to: Any, expected: tuple[str, str]
) -> None:
    assert kinds.changed(kinds.made(kind, **fields), *path, to=to) == [expected]


# --- bounds of namespaces ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"hard": {"pods": "-1"}}, ("Invalid", "spec.hard[pods]")),
        ({"hard": {"pods": "1500m"}}, ("Invalid", "spec.hard[pods]")),
        ({"hard": {"cats": "1"}}, ("Invalid", "spec.hard[cats]")),
        ({"hard": {"pods": "1"}, "scopes": ["Odd"]}, ("Invalid", "spec.scopes")),
        ({"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}, ("Invalid", "spec.scopes")),
        ({"hard": {"limits.cpu": "1"}, "scopes": ["BestEffort"]}, ("Invalid", "spec.scopes")),
        (
            {
                "hard": {"pods": "1"},
                "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]},
            },
            ("Required", "spec.scopeSelector.matchExpressions.values"),
        ),
    ],
)
def test_wrong_quota_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("ResourceQuota", spec=spec))


def test_quota_counts_objects_of_any_kind_and_keeps_its_scopes(kinds) -> None:
    hard = {"count/deployments.apps": "5", "requests.nvidia.com/gpu": "4", "requests.storage": "10Gi"}
    old = kinds.made("ResourceQuota", spec={"hard": hard})
    assert kinds.problems(old) == []
    assert kinds.changed(old, "spec", "scopes", to=["Terminating"])[-1] == ("Invalid", "spec.scopes")
    old["status"] = {"hard": {"pods": "10", "limits.cpu": "4"}, "used": {"pods": "3"}}
    assert (kinds.row(old)["Request"], kinds.row(old)["Limit"]) == ("pods: 3/10", "limits.cpu: 0/4")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"type": "Thing"}, ("Invalid", "type")),
        ({"type": "Pod", "default": {"cpu": "1"}}, ("Forbidden", "default")),
        ({"type": "PersistentVolumeClaim"}, ("Required", "limits")),
        ({"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}}, ("Invalid", "min[cpu]")),
        ({"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "2"}}, ("Invalid", "default[cpu]")),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}},
            ("Invalid", "maxLimitRequestRatio[cpu]"),
        ),
    ],
)
def test_wrong_limit_names_the_field(kinds, item: dict[str, Any], expected: tuple[str, str]) -> None:
    reason, field = expected
    path = f"spec.limits[0].{field}".removesuffix(".")
    assert (reason, path) in kinds.problems(kinds.made("LimitRange", spec={"limits": [item]}))


def test_limit_of_containers_fills_what_is_left_out(kinds) -> None:
    obj = kinds.made(
        "LimitRange", spec={"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}
    )
    assert obj["spec"]["limits"][0]["default"] == {"cpu": "2"}
    assert obj["spec"]["limits"][0]["defaultRequest"] == {"memory": "1Mi", "cpu": "2"}
    assert kinds.problems(obj) == []


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ({}, ("Required", "subsets[0]")),
        ({"addresses": [{"ip": "x"}]}, ("Invalid", "subsets[0].addresses[0].ip")),
        ({"addresses": [{"ip": "127.0.0.1"}]}, ("Invalid", "subsets[0].addresses[0].ip")),
        ({"addresses": [{"ip": "169.254.1.1"}]}, ("Invalid", "subsets[0].addresses[0].ip")),
        (
            {"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1}, {"port": 2}]},
            ("Required", "subsets[0].ports[0].name"),
        ),
        ({"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 0}]}, ("Invalid", "subsets[0].ports[0].port")),
    ],
)
def test_wrong_endpoints_name_the_field(kinds, subset: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("Endpoints", subsets=[subset]))


def test_endpoints_show_three_addresses(kinds) -> None:
    addresses = [{"ip": f"10.0.0.{n}"} for n in range(1, 6)]
    obj = kinds.made("Endpoints", subsets=[{"addresses": addresses, "ports": [{"port": 80}]}])
    assert obj["subsets"][0]["ports"][0]["protocol"] == "TCP"
    assert kinds.row(obj)["Endpoints"] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."

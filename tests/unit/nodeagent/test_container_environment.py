from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import Any

import pytest

from nodeagent.config import AgentConfig
from nodeagent.cri_security import ConfigError
from nodeagent.env import Sources, container_env, service_env
from nodeagent.expansion import expand, missing_names
from nodeagent.fieldref import FieldError, field_value, resource_value

CONFIG = AgentConfig("node-1", PurePosixPath("/data"))
POD: dict[str, Any] = {
    "metadata": {
        "name": "p",
        "namespace": "ns",
        "uid": "u",
        "labels": {"b": "2", "a": 'x"y'},
        "annotations": {"note": "hi"},
    },
    "spec": {
        "nodeName": "node-1",
        "serviceAccountName": "sa",
        "containers": [
            {"name": "main", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}}
        ],
    },
}
MAIN = POD["spec"]["containers"][0]


def sources(config_maps: Any = None, secrets: Any = None, services: Any = ()) -> Sources:
    return Sources(
        config_map=(config_maps or {}).get,
        secret=(secrets or {}).get,
        services=services,
        allocatable={"cpu": "4", "memory": "8Gi"},
        pod_ips=("10.0.0.9",),
        host_ips=("1.2.3.4",),
    )


def service(name: str, ip: str, *ports: Any, namespace: str = "ns") -> Any:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ip, "ports": list(ports)},
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$$(A)", "$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("$(A", "$(A"),
        ("a$b$", "a$b$"),
        ("$$$(A)", "$1"),
        ("$()", "$()"),
    ],
)
def test_expand_table(text: str, wanted: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == wanted


def test_missing_names_are_told() -> None:
    assert missing_names("$(A)/$(X)/$$(Y)", {"A": "1"}) == ["X"]


def test_env_draws_on_everything_in_order() -> None:
    container = {
        "name": "main",
        "envFrom": [
            {"configMapRef": {"name": "cm"}, "prefix": "P_"},
            {"secretRef": {"name": "s"}},
            {"configMapRef": {"name": "gone", "optional": True}},
        ],
        "env": [
            {"name": "PLAIN", "value": "$(P_a)+$(LATER)"},
            {"name": "LATER", "value": "x"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
            {"name": "OPT", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "no", "optional": True}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ],
        "resources": MAIN["resources"],
    }
    config_maps = {"cm": {"data": {"a": "1"}}}
    secrets = {"s": {"data": {"pw": base64.b64encode(b"geheim").decode()}}}
    env = container_env(POD, container, sources(config_maps, secrets), CONFIG)
    assert env == {
        "P_a": "1",
        "pw": "geheim",
        "PLAIN": "1+$(LATER)",
        "LATER": "x",
        "KEY": "geheim",
        "IP": "10.0.0.9",
        "CPU": "2",
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"configMapKeyRef": {"name": "cm", "key": "k"}}, "couldn't find key k in ConfigMap ns/cm"),
        ({"fieldRef": {"fieldPath": "spec.nope"}}, "unsupported fieldPath: spec.nope"),
    ],
)
def test_env_names_what_is_missing(entry: Any, message: str) -> None:
    container = {"name": "main", "env": [{"name": "X", "valueFrom": entry}]}
    with pytest.raises(ConfigError) as raised:
        container_env(POD, container, sources({"cm": {"data": {}}}), CONFIG)
    assert str(raised.value) == message


def test_services_become_variables() -> None:
    listed = [
        service("my-db", "10.96.0.7", {"port": 5432, "name": "sql-1", "protocol": "TCP"}),
        service("headless", "None", {"port": 1}),
        service("other", "10.96.0.8", {"port": 1}, namespace="elsewhere"),
        service("kubernetes", "10.96.0.1", {"port": 443, "name": "https"}, namespace="default"),
    ]
    env = service_env(POD, listed, CONFIG)
    assert env["MY_DB_SERVICE_HOST"] == "10.96.0.7"
    assert env["MY_DB_SERVICE_PORT"] == env["MY_DB_SERVICE_PORT_SQL_1"] == "5432"
    assert env["MY_DB_PORT"] == env["MY_DB_PORT_5432_TCP"] == "tcp://10.96.0.7:5432"
    assert env["MY_DB_PORT_5432_TCP_ADDR"] == "10.96.0.7"
    assert env["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert not any("OTHER" in name or "HEADLESS" in name for name in env)
    no_links = {**POD, "spec": {**POD["spec"], "enableServiceLinks": False}}
    assert set(service_env(no_links, listed, CONFIG)) == {k for k in env if k.startswith("KUBERNETES")}


def test_field_and_resource_values() -> None:
    assert field_value(POD, "metadata.labels['b']") == "2"
    assert field_value(POD, "metadata.labels") == 'a="x\\"y"\nb="2"'
    assert field_value(POD, "spec.serviceAccountName") == "sa"
    assert (
        resource_value(POD, {"containerName": "main", "resource": "limits.cpu", "divisor": "1m"}, {})
        == "1500"
    )
    assert (
        resource_value(POD, {"containerName": "main", "resource": "requests.memory", "divisor": "1Mi"}, {})
        == "64"
    )
    node = {"memory": "8Gi"}
    assert (
        resource_value(POD, {"containerName": "main", "resource": "limits.memory", "divisor": "1Gi"}, node)
        == "8"
    )
    with pytest.raises(FieldError):
        resource_value(POD, {"containerName": "none", "resource": "limits.cpu"}, {})

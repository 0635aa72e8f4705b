"""Pods to create: a small one of about 0.9 KB and a full one of about 3.3 KB, in which only the name changes."""

from __future__ import annotations

import json
from typing import Any

NAME_MARK = "NAME-OF-THE-POD"
SMALL_BYTES, LARGE_BYTES = 900, 3300
IMAGE = "localhost/bench:1"


def small_pod() -> dict[str, Any]:
    container = {
        "name": "web",
        "image": IMAGE,
        "command": ["/bin/sleep", "3600"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": "LOG_LEVEL", "value": "info"}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi"},
        },
    }
    return _pod([container], {"app": "web", "tier": "front"})


def large_pod() -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10}
    containers = [
        {
            "name": name,
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sleep"],
            "args": ["3600"],
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}] if name == "web" else [],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "LOG_LEVEL", "value": "info"},
            ],
            "resources": {
                "requests": {"cpu": "100m", "memory": "64Mi"},
                "limits": {"cpu": "500m", "memory": "128Mi"},
            },
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/app", "readOnly": True},
                {"name": "scratch", "mountPath": "/scratch"},
            ],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            **({"livenessProbe": probe, "readinessProbe": probe} if name == "web" else {}),
        }
        for name in ("web", "sidecar")
    ]
    pod = _pod(containers, {"app": "web", "tier": "front", "app.kubernetes.io/managed-by": "bench"})
    pod["spec"] |= {
        "initContainers": [{"name": "init", "image": IMAGE, "command": ["/bin/true"]}],
        "volumes": [
            {"name": "config", "configMap": {"name": "app-config", "optional": True}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
        "terminationGracePeriodSeconds": 5,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }
        ],
    }
    return pod


def _pod(containers: list[dict[str, Any]], labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME_MARK, "labels": labels, "annotations": {}},
        "spec": {"restartPolicy": "Always", "serviceAccountName": "default", "containers": containers},
    }


def body_around_name(pod: dict[str, Any], size_bytes: int) -> tuple[bytes, bytes]:
    """(what stands before the name, what stands after it); an annotation fills up to `size_bytes`."""
    missing = size_bytes - len(json.dumps(pod)) - len('"bench/filler": ""')
    pod["metadata"]["annotations"]["bench/filler"] = "x" * max(0, missing)
    before, _, after = json.dumps(pod).encode().partition(NAME_MARK.encode())
    return before, after


def small_body() -> tuple[bytes, bytes]:
    return body_around_name(small_pod(), SMALL_BYTES)


def large_body() -> tuple[bytes, bytes]:
    return body_around_name(large_pod(), LARGE_BYTES)


# A custom resource with the small pod's fields, so that another engine's server can be asked the same.
_GROUP = "bench.example.com"
CUSTOM_PATH = f"/apis/{_GROUP}/v1/namespaces/%s/webs"
_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": _TEXT}
_QUANTITIES: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, _TEXT]},
}


def _map_list(key: str, **fields: Any) -> dict[str, Any]:
    items = {"type": "object", "required": [key], "properties": fields}
    return {
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    }


_CONTAINERS = _map_list(
    "name",
    name=_TEXT,
    image=_TEXT,
    command={"type": "array", "items": _TEXT},
    ports=_map_list(
        "containerPort",
        name=_TEXT,
        containerPort={"type": "integer", "minimum": 1, "maximum": 65535},
        protocol={"type": "string", "default": "TCP", "enum": ["TCP", "UDP", "SCTP"]},
    ),
    env=_map_list("name", name=_TEXT, value=_TEXT),
    resources={"type": "object", "properties": {"requests": _QUANTITIES, "limits": _QUANTITIES}},
    imagePullPolicy={"type": "string", "default": "IfNotPresent"},
    terminationMessagePath={"type": "string", "default": "/dev/termination-log"},
    terminationMessagePolicy={"type": "string", "default": "File"},
)
CUSTOM_DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"webs.{_GROUP}"},
    "spec": {
        "group": _GROUP,
        "scope": "Namespaced",
        "names": {"plural": "webs", "singular": "web", "kind": "Web"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "restartPolicy": {"type": "string", "default": "Always"},
                                    "dnsPolicy": {"type": "string", "default": "ClusterFirst"},
                                    "schedulerName": {"type": "string", "default": "default-scheduler"},
                                    "serviceAccountName": _TEXT,
                                    "containers": _CONTAINERS,
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


def custom_body() -> tuple[bytes, bytes]:
    """The small pod as an object of the custom kind."""
    return body_around_name(small_pod() | {"apiVersion": f"{_GROUP}/v1", "kind": "Web"}, SMALL_BYTES)

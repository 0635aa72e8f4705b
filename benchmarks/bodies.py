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

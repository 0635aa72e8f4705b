"""Defaults of pods and templates, and the quality of service class that follows from resources."""

from __future__ import annotations

from typing import Any

import pytest

from api.core.v1.pod import POD
from api.core.v1.pod_defaults import default_pod_spec, pull_policy
from api.core.v1.pod_qos import qos_class


def test_bare_pod_gets_upstreams_defaults() -> None:
    pod: dict[str, Any] = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }
    POD.strategy.default(pod)
    assert pod["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


def test_defaults_applied_twice_change_nothing() -> None:
    pod: dict[str, Any] = {
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "c", "image": "a:1", "livenessProbe": {"httpGet": {"port": 1}}}],
            "volumes": [{"name": "v"}],
            "hostNetwork": True,
        },
    }
    POD.strategy.default(pod)
    once = repr(pod)
    POD.strategy.default(pod)
    assert repr(pod) == once
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert pod["spec"]["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 1, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_limits_stand_in_for_requests_in_pods_but_not_in_templates() -> None:
    def spec() -> dict[str, Any]:
        return {
            "containers": [
                {
                    "name": "c",
                    "image": "a",
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
                }
            ]
        }

    template = spec()
    default_pod_spec(template)
    assert template["containers"][0]["resources"]["requests"] == {"cpu": "500m"}
    pod = {"metadata": {}, "spec": spec()}
    POD.strategy.default(pod)
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "a" * 64, "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_service_account_and_its_old_name_are_kept_equal() -> None:
    spec: dict[str, Any] = {"serviceAccount": "robot"}
    default_pod_spec(spec)
    assert spec["serviceAccountName"] == "robot"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        (
            [{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}],
            "Guaranteed",
        ),
        (
            [{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}, {}],
            "Burstable",
        ),
        (
            [{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}],
            "Burstable",
        ),
        ([{"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}], "BestEffort"),
    ],
)
def test_qos_class_follows_resources(resources: list[Any], expected: str) -> None:
    assert (
        qos_class({"containers": [{"name": f"c{i}", "resources": r} for i, r in enumerate(resources)]})
        == expected
    )


def test_new_pod_starts_pending_whatever_it_claims() -> None:
    pod: dict[str, Any] = {
        "metadata": {},
        "spec": {"containers": [], "schedulingGates": [{"name": "g"}]},
        "status": {"phase": "Running"},
    }
    POD.strategy.prepare_create(pod)
    assert pod["status"]["phase"] == "Pending"
    assert pod["status"]["conditions"][0]["reason"] == "SchedulingGated"


@pytest.mark.parametrize(
    ("spec", "phase", "requested", "grace"),
    [
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Running", None, 30),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Running", 5, 5),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Running", 0, 0),
        ({"nodeName": "n", "terminationGracePeriodSeconds": -1}, "Running", None, 1),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, "Succeeded", None, 0),
        ({"terminationGracePeriodSeconds": 30}, "Pending", None, 0),
    ],
)
def test_grace_depends_on_where_the_pod_is(spec: Any, phase: str, requested: int | None, grace: int) -> None:
    assert POD.strategy.grace_s({"spec": spec, "status": {"phase": phase}}, requested) == grace

"""What is wrong with a pod: upstream's paths, reasons and words, all at once."""

from __future__ import annotations

from typing import Any

import pytest
from pod_objects import pod, problems, with_container


def test_good_pod_has_no_problems() -> None:
    assert problems(pod()) == []


def test_every_problem_is_named_at_once() -> None:
    found = problems(
        pod(
            containers=[{"name": "A", "image": ""}, {"name": "A", "image": " x"}],
            restartPolicy="Sometimes",
            nodeSelector={"-bad": "x"},
        )
    )
    assert [(reason, field) for reason, field, _ in found] == [
        ("Invalid", "spec.containers[0].name"),
        ("Required", "spec.containers[0].image"),
        ("Invalid", "spec.containers[1].name"),
        ("Duplicate", "spec.containers[1].name"),
        ("NotSupported", "spec.restartPolicy"),
        ("Invalid", "spec.nodeSelector"),
        ("Invalid", "spec.containers[1].image"),
    ]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(containers=[]), ("Required", "spec.containers", "Required value")),
        (
            pod(restartPolicy="X"),
            (
                "NotSupported",
                "spec.restartPolicy",
                'Unsupported value: "X": supported values: "Always", "OnFailure", "Never"',
            ),
        ),
        (
            with_container(imagePullPolicy="Maybe"),
            (
                "NotSupported",
                "spec.containers[0].imagePullPolicy",
                'Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"',
            ),
        ),
        (
            with_container(volumeMounts=[{"name": "nope", "mountPath": "/x"}]),
            ("NotFound", "spec.containers[0].volumeMounts[0].name", 'Not found: "nope"'),
        ),
        (
            with_container(volumeMounts=[{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]),
            (
                "Invalid",
                "spec.containers[0].volumeMounts[1].mountPath",
                'Invalid value: "/x": must be unique',
            ),
        ),
        (
            with_container(volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "../y"}]),
            (
                "Invalid",
                "spec.containers[0].volumeMounts.subPath",
                "Invalid value: \"../y\": must not contain '..'",
            ),
        ),
        (
            with_container(ports=[{"containerPort": 70000}]),
            (
                "Invalid",
                "spec.containers[0].ports[0].containerPort",
                "Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
        ),
        (
            with_container(
                ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]
            ),
            ("Duplicate", "spec.containers[0].ports[1].hostPort", 'Duplicate value: "TCP//80"'),
        ),
        (
            with_container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            (
                "Invalid",
                "spec.containers[0].resources.requests",
                'Invalid value: "2": must be less than or equal to cpu limit of 1',
            ),
        ),
        (
            with_container(resources={"limits": {"memory": "-1"}, "requests": {"memory": "-1"}}),
            (
                "Invalid",
                "spec.containers[0].resources.limits[memory]",
                'Invalid value: "-1": must be greater than or equal to 0',
            ),
        ),
        (
            with_container(resources={"limits": {"gpu": "1"}, "requests": {"gpu": "1"}}),
            (
                "Invalid",
                "spec.containers[0].resources.limits[gpu]",
                'Invalid value: "gpu": must be a standard resource type or fully qualified',
            ),
        ),
        (
            with_container(env=[{"name": "A=B", "value": "x"}]),
            (
                "Invalid",
                "spec.containers[0].env[0].name",
                'Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII '
                "characters other than '='",
            ),
        ),
        (
            with_container(
                env=[{"name": "A", "value": "x", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]
            ),
            (
                "Invalid",
                "spec.containers[0].env[0].valueFrom",
                'Invalid value: "": may not be specified when `value` is not empty',
            ),
        ),
        (
            with_container(
                env=[
                    {
                        "name": "A",
                        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}},
                    }
                ]
            ),
            (
                "NotSupported",
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath",
                'Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", '
                '"metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", '
                '"status.podIP", "status.podIPs"',
            ),
        ),
        (
            with_container(livenessProbe={"httpGet": {"port": 80}, "successThreshold": 2}),
            ("Invalid", "spec.containers[0].livenessProbe.successThreshold", "Invalid value: 2: must be 1"),
        ),
        (
            with_container(readinessProbe={}),
            ("Required", "spec.containers[0].readinessProbe", "Required value: must specify a handler type"),
        ),
        (
            with_container(readinessProbe={"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}}),
            (
                "Forbidden",
                "spec.containers[0].readinessProbe.tcpSocket",
                "Forbidden: may not specify more than 1 handler type",
            ),
        ),
        (
            with_container(securityContext={"privileged": True, "allowPrivilegeEscalation": False}),
            (
                "Invalid",
                "spec.containers[0].securityContext",
                'Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set '
                "`allowPrivilegeEscalation` to false and `privileged` to true",
            ),
        ),
        (
            with_container(securityContext={"runAsUser": -1}),
            (
                "Invalid",
                "spec.containers[0].securityContext.runAsUser",
                "Invalid value: -1: must be between 0 and 2147483647, inclusive",
            ),
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
            ("Forbidden", "spec.volumes[0].hostPath", "Forbidden: may not specify more than 1 volume type"),
        ),
        (
            pod(volumes=[{"name": "v", "configMap": {}}]),
            ("Required", "spec.volumes[0].configMap.name", "Required value"),
        ),
        (
            pod(
                volumes=[
                    {"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "/abs"}]}}
                ]
            ),
            (
                "Invalid",
                "spec.volumes[0].secret.items[0].path",
                'Invalid value: "/abs": must be a relative path',
            ),
        ),
        (
            pod(volumes=[{"name": "v", "hostPath": {"path": "/x", "type": "Folder"}}]),
            (
                "NotSupported",
                "spec.volumes[0].hostPath.type",
                'Unsupported value: "Folder": supported values: "", "BlockDevice", "CharDevice", "Directory", '
                '"DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
            ),
        ),
        (
            pod(tolerations=[{"operator": "Equal"}]),
            (
                "Invalid",
                "spec.tolerations[0].operator",
                'Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values '
                'and all keys"',
            ),
        ),
        (
            pod(tolerations=[{"key": "k", "operator": "Exists", "tolerationSeconds": 5}]),
            (
                "Invalid",
                "spec.tolerations[0].effect",
                "Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
            ),
        ),
        (
            pod(
                affinity={
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}
                    }
                }
            ),
            (
                "Required",
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
                "Required value: must have at least one node selector term",
            ),
        ),
        (
            pod(
                affinity={
                    "podAntiAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]
                    }
                }
            ),
            (
                "Required",
                "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
                "Required value: can not be empty",
            ),
        ),
        (
            pod(
                topologySpreadConstraints=[
                    {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
                ]
            ),
            (
                "Invalid",
                "spec.topologySpreadConstraints[0].maxSkew",
                "Invalid value: 0: must be greater than zero",
            ),
        ),
        (
            pod(activeDeadlineSeconds=0),
            (
                "Invalid",
                "spec.activeDeadlineSeconds",
                "Invalid value: 0: must be between 1 and 2147483647, inclusive",
            ),
        ),
        (
            pod(dnsPolicy="None"),
            (
                "Required",
                "spec.dnsConfig",
                "Required value: must provide `dnsConfig` when `dnsPolicy` is None",
            ),
        ),
        (
            pod(shareProcessNamespace=True, hostPID=True),
            (
                "Invalid",
                "spec.securityContext.shareProcessNamespace",
                "Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
            ),
        ),
        (
            pod(securityContext={"sysctls": [{"name": "Foo"}]}),
            (
                "Invalid",
                "spec.securityContext.sysctls[0].name",
                'Invalid value: "Foo": must have at most 253 characters and match regex '
                r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            ),
        ),
        (
            pod(
                initContainers=[{"name": "i", "image": "x:1", "livenessProbe": {"exec": {"command": ["a"]}}}]
            ),
            (
                "Forbidden",
                "spec.initContainers[0].livenessProbe",
                "Forbidden: may not be set for init containers without restartPolicy=Always",
            ),
        ),
        (
            pod(ephemeralContainers=[{"name": "e", "image": "x:1"}]),
            ("Forbidden", "spec.ephemeralContainers", "Forbidden: cannot be set on create"),
        ),
        (
            pod(nodeName="n", schedulingGates=[{"name": "g"}]),
            (
                "Forbidden",
                "spec.nodeName",
                "Forbidden: cannot be set until all schedulingGates have been cleared",
            ),
        ),
    ],
)
def test_one_mistake_is_told_in_upstreams_words(obj: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert expected in problems(obj)


def test_whole_valid_pod_with_everything_passes() -> None:
    good = pod(
        serviceAccountName="default",
        initContainers=[
            {
                "name": "side",
                "image": "s:1",
                "restartPolicy": "Always",
                "readinessProbe": {"tcpSocket": {"port": 1}},
            },
            {"name": "init", "image": "i:1"},
        ],
        containers=[
            {
                "name": "c",
                "image": "nginx:1",
                "ports": [{"name": "http", "containerPort": 80}],
                "env": [
                    {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                    {
                        "name": "B",
                        "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}},
                    },
                ],
                "envFrom": [{"configMapRef": {"name": "m"}}],
                "resources": {"limits": {"cpu": "1", "memory": "64Mi", "example.com/gpu": "1"}},
                "volumeMounts": [{"name": "cfg", "mountPath": "/etc/x", "readOnly": True}],
                "livenessProbe": {"grpc": {"port": 9}},
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                "securityContext": {
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            }
        ],
        volumes=[
            {"name": "cfg", "configMap": {"name": "m", "items": [{"key": "a", "path": "b/c"}]}},
            {
                "name": "tok",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "t"}},
                        {
                            "downwardAPI": {
                                "items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]
                            }
                        },
                    ]
                },
            },
        ],
        tolerations=[{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        affinity={
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [{"key": "a", "operator": "Gt", "values": ["5"]}],
                            "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}],
                        }
                    ]
                }
            }
        },
        topologySpreadConstraints=[
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"a": "b"}},
            }
        ],
        dnsConfig={"nameservers": ["1.1.1.1"], "searches": ["a.b"]},
        hostAliases=[{"ip": "1.2.3.4", "hostnames": ["x.y"]}],
    )
    assert problems(good) == []

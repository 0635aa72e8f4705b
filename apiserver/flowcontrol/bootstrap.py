"""The flow schemas and priority levels that every cluster starts with.

Mandatory ones (exempt, catch-all) are kept exactly as they are here; suggested ones are made, and kept unless an
administrator says otherwise in their annotation (see `upkeep.py`).

Source: Kubernetes "API Priority and Fairness", the default configuration of 1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.resource import Obj

AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
MANDATORY = frozenset({"exempt", "catch-all"})
EXEMPT = "exempt"

_ALL = ["*"]
_NAMESPACED: Obj = {"verbs": _ALL, "apiGroups": _ALL, "resources": _ALL, "namespaces": _ALL}
_EVERY_RESOURCE: list[Obj] = [{**_NAMESPACED, "clusterScope": True}]
_EVERY_PATH: list[Obj] = [{"verbs": _ALL, "nonResourceURLs": _ALL}]
_EVERYBODY = ("system:unauthenticated", "system:authenticated")
_LEASES = {
    "verbs": ["get", "create", "update"],
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "namespaces": _ALL,
}


def priority_levels() -> list[Obj]:
    return [
        _level("exempt", {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}),
        _level("catch-all", _limited(5, 0)),
        _level("system", _limited(30, 33, 64, 6)),
        _level("node-high", _limited(40, 25, 64, 6)),
        _level("leader-election", _limited(10, 0, 16, 4)),
        _level("workload-high", _limited(40, 50, 128, 6)),
        _level("workload-low", _limited(100, 90, 128, 6)),
        _level("global-default", _limited(20, 50, 128, 6)),
    ]


def flow_schemas() -> list[Obj]:
    user, namespace = "ByUser", "ByNamespace"
    kube_system = _accounts("kube-system", "*")
    managers = _users("system:kube-controller-manager", "system:kube-scheduler")
    nodes = _groups("system:nodes")
    endpoints = {**_LEASES, "apiGroups": [""], "resources": ["endpoints"]}
    own_node = [
        {**_EVERY_RESOURCE[0], "apiGroups": [""], "resources": ["nodes", "nodes/status"]},
        {**_NAMESPACED, "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
    ]
    health = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}
    mirrors = _accounts("kube-system", "endpoint-controller", "endpointslicemirroring-controller")
    return [
        _schema("exempt", "exempt", 1, "", _everything(_groups("system:masters"))),
        _schema("probes", "exempt", 2, "", {"subjects": _groups(*_EVERYBODY), "nonResourceRules": [health]}),
        _schema(
            "system-leader-election",
            "leader-election",
            100,
            user,
            {"subjects": [*managers, *kube_system], "resourceRules": [_LEASES]},
        ),
        _schema(
            "endpoint-controller",
            "workload-high",
            150,
            user,
            {
                "subjects": [*_users("system:kube-controller-manager"), *mirrors],
                "resourceRules": [endpoints],
            },
        ),
        _schema(
            "workload-leader-election",
            "leader-election",
            200,
            user,
            {"subjects": kube_system, "resourceRules": [_LEASES]},
        ),
        _schema("system-node-high", "node-high", 400, user, {"subjects": nodes, "resourceRules": own_node}),
        _schema("system-nodes", "system", 500, user, _everything(nodes)),
        _schema("kube-controller-manager", "workload-high", 800, namespace, _everything(managers[:1])),
        _schema("kube-scheduler", "workload-high", 800, namespace, _everything(managers[1:])),
        _schema("kube-system-service-accounts", "workload-high", 900, namespace, _everything(kube_system)),
        _schema(
            "service-accounts", "workload-low", 9000, user, _everything(_groups("system:serviceaccounts"))
        ),
        _schema("global-default", "global-default", 9900, user, _everything(_groups(*_EVERYBODY))),
        _schema("catch-all", "catch-all", 10000, user, _everything(_groups(*_EVERYBODY))),
    ]


def _level(name: str, spec: Obj) -> Obj:
    return {"metadata": _metadata(name), "spec": spec}


def _limited(shares: int, lendable: int, queues: int = 0, hand: int = 0) -> Obj:
    response: Obj = {"type": "Reject"}
    if queues:
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
        response = {"type": "Queue", "queuing": queuing}
    limited = {
        "nominalConcurrencyShares": shares,
        "limitResponse": response,
        "lendablePercent": lendable,
    }
    return {"type": "Limited", "limited": limited}


def _schema(name: str, level: str, precedence: int, distinguisher: str, rule: Obj) -> Obj:
    spec: Obj = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [rule],
    }
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    return {"metadata": _metadata(name), "spec": spec}


def _metadata(name: str) -> Obj:
    return {"name": name, "annotations": {AUTOUPDATE: "true"}}


def _everything(subjects: Sequence[Obj]) -> dict[str, Any]:
    return {
        "subjects": list(subjects),
        "resourceRules": _EVERY_RESOURCE,
        "nonResourceRules": _EVERY_PATH,
    }


def _groups(*names: str) -> list[Obj]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Obj]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _accounts(namespace: str, *names: str) -> list[Obj]:
    return [
        {"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": name}} for name in names
    ]

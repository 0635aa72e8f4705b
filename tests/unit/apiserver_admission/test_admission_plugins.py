"""Each admission plugin by what it changes and what it refuses."""

from __future__ import annotations

import asyncio
import random
from typing import Any, cast

import orjson
import pytest
from admission_requests import asking, go, things

from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.chain import Outside, admission_chain
from apiserver.admission.collection import Collection
from apiserver.admission.default_tolerations import add_tolerations
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.pod_security import PodSecurity
from apiserver.admission.pod_security_standards import violations
from apiserver.admission.priority import Priority, builtin_classes
from apiserver.admission.service_account import MOUNT_PATH, ServiceAccount
from apiserver.admission.taint_nodes import TaintNodesByCondition
from apiserver.storage.store import Store
from machinery import virtual_loop
from machinery.clock import Clock, LoopClock
from machinery.errors import Forbidden, Invalid, NotFound

Obj = dict[str, Any]


def pod(name: str = "p", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c"}], **spec}}


NO_WAITING = cast(Clock, None)
NAMESPACES = things(
    {"metadata": {"name": "a"}, "status": {"phase": "Active"}},
    {"metadata": {"name": "going"}, "status": {"phase": "Terminating"}},
)


def test_create_needs_a_living_namespace() -> None:
    plugin = NamespaceLifecycle(NAMESPACES)
    go(plugin, asking("CREATE", "pods", pod()))
    with pytest.raises(NotFound, match='namespaces "none" not found'):
        go(plugin, asking("CREATE", "pods", pod(), namespace="none"))
    with pytest.raises(Forbidden, match="because it is being terminated") as caught:
        go(plugin, asking("CREATE", "pods", pod(), namespace="going"))
    assert [c.reason for c in caught.value.causes] == ["NamespaceTerminating"]
    go(plugin, asking("UPDATE", "pods", pod(), old=pod(), namespace="going"))
    go(plugin, asking("DELETE", "pods", old=pod(), namespace="going"))
    go(plugin, asking("CREATE", "nodes", {"metadata": {"name": "n"}}, namespace=""))


def test_system_namespaces_may_not_be_deleted() -> None:
    plugin = NamespaceLifecycle(NAMESPACES)
    with pytest.raises(
        Forbidden, match='namespaces "default" is forbidden: this namespace may not be deleted'
    ):
        go(plugin, asking("DELETE", "namespaces", old={"metadata": {"name": "default"}}, namespace=""))
    go(plugin, asking("DELETE", "namespaces", old={"metadata": {"name": "a"}}, namespace=""))


def accounts(**more: Any) -> ServiceAccount:
    default = {"metadata": {"name": "default", "namespace": "a"}, **more}
    return ServiceAccount(things(default), random.Random(1), NO_WAITING)


def test_pod_gets_the_default_account_and_its_token_where_nothing_is_mounted() -> None:
    made = pod(
        initContainers=[{"name": "i"}],
        containers=[{"name": "c"}, {"name": "own", "volumeMounts": [{"name": "x", "mountPath": MOUNT_PATH}]}],
    )
    spec = go(accounts(imagePullSecrets=[{"name": "pull"}]), asking("CREATE", "pods", made)).obj["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    (volume,) = spec["volumes"]
    assert (
        volume["name"].startswith("kube-api-access-") and len(volume["name"]) == len("kube-api-access-") + 5
    )
    assert volume["projected"]["defaultMode"] == 420
    assert volume["projected"]["sources"] == [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                ]
            }
        },
    ]
    mount = {"name": volume["name"], "readOnly": True, "mountPath": MOUNT_PATH}
    assert spec["initContainers"][0]["volumeMounts"] == spec["containers"][0]["volumeMounts"] == [mount]
    assert spec["containers"][1]["volumeMounts"] == [{"name": "x", "mountPath": MOUNT_PATH}]
    assert spec["imagePullSecrets"] == [{"name": "pull"}]


def created_beside_its_account(after_s: float, name: str = "default") -> tuple[AdmissionRequest, float]:
    """A pod made when its account will exist `after_s` seconds later; also how long it took."""

    async def main() -> tuple[AdmissionRequest, float]:
        clock = LoopClock(asyncio.get_running_loop(), 0.0)

        async def look_up(namespace: str, wanted: str) -> Obj | None:
            there = clock.monotonic() >= after_s
            return {"metadata": {"name": wanted, "namespace": namespace}} if there else None

        request = asking("CREATE", "pods", pod(serviceAccountName=name))
        await ServiceAccount(look_up, random.Random(1), clock).admit(request)
        return request, clock.monotonic()

    return virtual_loop.run(main())


def test_pod_waits_for_its_namespaces_default_account() -> None:
    request, took_s = created_beside_its_account(0.5)
    assert request.obj and request.obj["spec"]["serviceAccountName"] == "default"
    assert 0.5 <= took_s <= 0.7
    with pytest.raises(
        Forbidden, match='error looking up service account a/default: serviceaccount "default"'
    ):
        created_beside_its_account(3.0)


def test_pod_waits_for_no_other_account() -> None:
    with pytest.raises(Forbidden, match='serviceaccount "builder" not found'):
        created_beside_its_account(0.001, "builder")


@pytest.mark.parametrize(
    ("pod_says", "account_says", "mounted"),
    [
        (None, None, True),
        (False, None, False),
        (None, False, False),
        (True, False, True),
        (False, True, False),
    ],
)
def test_token_is_mounted_unless_pod_or_account_says_no(
    pod_says: bool | None, account_says: bool | None, mounted: bool
) -> None:
    made = pod() if pod_says is None else pod(automountServiceAccountToken=pod_says)
    plugin = accounts() if account_says is None else accounts(automountServiceAccountToken=account_says)
    go(plugin, asking("CREATE", "pods", made))
    assert ("volumes" in made["spec"]) is mounted


def test_pod_of_an_absent_account_is_refused() -> None:
    with pytest.raises(
        Forbidden, match='error looking up service account a/bot: serviceaccount "bot" not found'
    ):
        go(accounts(), asking("CREATE", "pods", pod(serviceAccountName="bot")))


class Classes:
    """A Store of PriorityClasses, as far as the plugin asks it."""

    def __init__(self, *objs: Obj) -> None:
        self.blob = b",".join(orjson.dumps(o) for o in objs)

    async def list_json(self, namespace: str = "") -> tuple[bytes, int]:
        return self.blob, 1

    def is_newest(self, blob: bytes, namespace: str = "") -> bool:
        return blob is self.blob


def priority_of(classes: Classes) -> Priority:
    return Priority(Collection(cast(Store, classes)))


def priority_class(name: str, value: int, default: bool = False, policy: str = "PreemptLowerPriority") -> Obj:
    return {"metadata": {"name": name}, "value": value, "globalDefault": default, "preemptionPolicy": policy}


def test_priority_comes_from_the_class() -> None:
    plugin = priority_of(
        Classes(*builtin_classes(), priority_class("high", 9), priority_class("mild", 5, policy="Never"))
    )
    for name, value, policy in (
        ("", 0, "PreemptLowerPriority"),
        ("high", 9, "PreemptLowerPriority"),
        ("mild", 5, "Never"),
        ("system-node-critical", 2_000_001_000, "PreemptLowerPriority"),
    ):
        made = pod(**({"priorityClassName": name} if name else {}))
        go(plugin, asking("CREATE", "pods", made))
        assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (value, policy)
        assert made["spec"].get("priorityClassName", "") == name
    with pytest.raises(Forbidden, match="no PriorityClass with name none was found"):
        go(plugin, asking("CREATE", "pods", pod(priorityClassName="none")))
    with pytest.raises(Forbidden, match=r"the integer value of priority \(7\) must not be provided"):
        go(plugin, asking("CREATE", "pods", pod(priorityClassName="high", priority=7)))
    changed = pod()
    go(plugin, asking("UPDATE", "pods", changed, old=pod(priority=9)))
    assert changed["spec"]["priority"] == 9


def test_default_class_is_taken_and_only_one_may_be() -> None:
    plugin = priority_of(Classes(priority_class("usual", 3, default=True)))
    made = pod()
    go(plugin, asking("CREATE", "pods", made))
    assert (made["spec"]["priority"], made["spec"]["priorityClassName"]) == (3, "usual")
    second = priority_class("second", 4, default=True)
    with pytest.raises(Forbidden, match="PriorityClass usual is already marked as default"):
        go(plugin, asking("CREATE", "priorityclasses", second, group="scheduling.k8s.io", namespace=""))
    again = priority_class("usual", 3, default=True)
    go(plugin, asking("UPDATE", "priorityclasses", again, old=again, group="scheduling.k8s.io", namespace=""))


def test_tolerations_are_added_only_where_none_speaks() -> None:
    both = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
    spec: Obj = {}
    add_tolerations(spec)
    assert {t["key"] for t in spec["tolerations"]} == both
    assert all(t["tolerationSeconds"] == 300 and t["effect"] == "NoExecute" for t in spec["tolerations"])
    before = list(spec["tolerations"])
    add_tolerations(spec)
    assert spec["tolerations"] == before
    everything: Obj = {"tolerations": [{"operator": "Exists"}]}
    add_tolerations(everything)
    assert len(everything["tolerations"]) == 1
    other: Obj = {"tolerations": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}
    add_tolerations(other)
    assert len(other["tolerations"]) == 3


def test_new_node_starts_not_ready() -> None:
    node: Obj = {"metadata": {"name": "n1"}}
    for _ in range(2):
        go(TaintNodesByCondition(), asking("CREATE", "nodes", node))
        assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


def test_restricted_level_names_everything_at_once() -> None:
    found = violations({"containers": [{"name": "c"}]}, "restricted")
    assert found == [
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")',
    ]
    good = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "c",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }
    assert violations(good, "restricted") == []


@pytest.mark.parametrize(
    "spec",
    [
        {"hostNetwork": True},
        {"containers": [{"name": "c", "securityContext": {"privileged": True}}]},
        {"containers": [{"name": "c", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        {"containers": [{"name": "c", "ports": [{"hostPort": 80}]}]},
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        {"containers": [{"name": "c", "securityContext": {"procMount": "Unmasked"}}]},
        {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
        {"securityContext": {"seLinuxOptions": {"user": "root"}}},
    ],
)
def test_baseline_refuses_what_reaches_the_host(spec: Obj) -> None:
    assert len(violations(spec, "baseline")) == 1 and violations(spec, "privileged") == []


def test_namespace_labels_enforce_and_warn() -> None:
    label = "pod-security.kubernetes.io/"
    strict = {
        "metadata": {"name": "a", "labels": {f"{label}enforce": "baseline", f"{label}warn": "restricted"}}
    }
    plugin = PodSecurity(things(strict))
    with pytest.raises(Forbidden, match='violates PodSecurity "baseline:latest": host namespaces'):
        go(plugin, asking("CREATE", "pods", pod(hostNetwork=True)))
    warned = go(plugin, asking("CREATE", "pods", pod())).warnings
    assert len(warned) == 1 and warned[0].startswith(
        'would violate PodSecurity "restricted:latest": allowPriv'
    )
    workload = {"metadata": {"name": "d"}, "spec": {"template": pod(hostNetwork=True)}}
    assert len(go(plugin, asking("CREATE", "deployments", workload, group="apps")).warnings) == 1
    bad = {"metadata": {"name": "b", "labels": {f"{label}enforce": "strict"}}}
    with pytest.raises(Invalid, match="must be one of privileged, baseline, restricted"):
        go(plugin, asking("CREATE", "namespaces", bad, namespace=""))


ORDER = [
    "NamespaceLifecycle",
    "LimitRanger",
    "ServiceAccount",
    "NodeRestriction",
    "TaintNodesByCondition",
    "PodSecurity",
    "Priority",
    "DefaultTolerationSeconds",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "PersistentVolumeClaimResize",
    "RuntimeClass",
    "CertificateRecord",
    "CertificateSubjectRestriction",
    "DefaultIngressClass",
    "PodTopologyLabels",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
    "PolicyTypes",
    "AdmissionExpressions",
    "ResourceQuota",
]


def chain_names(find: Any) -> list[str]:
    return [each.name for each in admission_chain(find, Outside(NO_WAITING, random.Random(1)))]


def test_chain_runs_in_upstreams_order() -> None:
    assert chain_names(lambda group, plural: cast(Store, object())) == ORDER


def test_plugin_whose_kind_is_not_served_is_not_in_the_chain() -> None:
    names = chain_names(lambda group, plural: None if plural == "limitranges" else cast(Store, object()))
    assert names == [name for name in ORDER if name != "LimitRanger"]

"""What each controller may do: ClusterRoles `system:controller:NAME`.

Each is bound to the controller's ServiceAccount in kube-system, and to the user that the controllers'
process as a whole authenticates as.
"""

from __future__ import annotations

from apiserver.auth.policy import EVENTS, READ, Obj, account, cluster_role, cluster_role_binding, rule, user

_POD_OWNER = f"{READ} create delete patch"


def _owner_of_pods(group: str, plural: str) -> list[Obj]:
    """A controller whose kind makes pods."""
    return [
        rule(f"{READ} update patch", group, plural),
        rule("update patch", group, f"{plural}/status {plural}/finalizers"),
        rule(_POD_OWNER, "core", "pods"),
        EVENTS,
    ]


_REVISIONS = rule(f"{READ} create delete patch update", "apps", "controllerrevisions")
_SCALE = [rule("get update", "*", "*/scale")]

CONTROLLERS: dict[str, list[Obj]] = {
    "attachdetach-controller": [
        rule("list watch", "core", "persistentvolumes persistentvolumeclaims"),
        rule(READ, "core", "nodes pods"),
        rule("patch update", "core", "nodes/status"),
        rule(f"{READ} create delete patch", "storage.k8s.io", "volumeattachments"),
        rule(READ, "storage.k8s.io", "csidrivers csinodes"),
        EVENTS,
    ],
    "certificate-controller": [
        rule(f"{READ} delete", "certificates.k8s.io", "certificatesigningrequests"),
        rule(
            "update",
            "certificates.k8s.io",
            "certificatesigningrequests/status certificatesigningrequests/approval",
        ),
        rule(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
        ),
        rule(
            "sign",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet "
            "kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown",
        ),
        rule(READ, "core", "nodes"),
        rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        EVENTS,
    ],
    "clusterrole-aggregation-controller": [
        rule(f"escalate {READ} patch update", "rbac.authorization.k8s.io", "clusterroles"),
    ],
    "cronjob-controller": [
        rule(f"{READ} update", "batch", "cronjobs"),
        rule(f"{READ} create delete patch update", "batch", "jobs"),
        rule("update patch", "batch", "cronjobs/status cronjobs/finalizers"),
        rule("delete list", "core", "pods"),
        EVENTS,
    ],
    "daemon-set-controller": [
        *_owner_of_pods("apps", "daemonsets"),
        rule(READ, "core", "nodes"),
        rule("create", "core", "pods/binding"),
        _REVISIONS,
    ],
    "deployment-controller": [
        rule(f"{READ} update patch", "apps", "deployments"),
        rule("update patch", "apps", "deployments/status deployments/finalizers"),
        rule(f"{READ} create delete patch update", "apps", "replicasets"),
        rule(f"{READ} update patch", "core", "pods"),
        EVENTS,
    ],
    "disruption-controller": [
        rule(READ, "apps", "deployments replicasets statefulsets"),
        rule(READ, "core", "replicationcontrollers pods"),
        rule("patch update", "core", "pods/status"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule("update patch", "policy", "poddisruptionbudgets/status"),
        rule("get", "*", "*/scale"),
        EVENTS,
    ],
    "endpoint-controller": [
        rule(READ, "core", "pods services"),
        rule(f"{READ} create delete update patch", "core", "endpoints"),
        rule("create", "core", "endpoints/restricted"),
        EVENTS,
    ],
    "endpointslice-controller": [
        rule(READ, "core", "nodes pods services"),
        rule("update patch", "core", "services/finalizers"),
        rule(f"{READ} create delete update patch", "discovery.k8s.io", "endpointslices"),
        rule("create", "discovery.k8s.io", "endpointslices/restricted"),
        EVENTS,
    ],
    "endpointslicemirroring-controller": [
        rule(READ, "core", "endpoints services"),
        rule(f"{READ} create delete update patch", "discovery.k8s.io", "endpointslices"),
        EVENTS,
    ],
    "ephemeral-volume-controller": [
        rule(READ, "core", "pods"),
        rule("update", "core", "pods/finalizers"),
        rule(f"{READ} create", "core", "persistentvolumeclaims"),
        EVENTS,
    ],
    "expand-controller": [
        rule(
            f"{READ} patch update",
            "core",
            "persistentvolumes persistentvolumeclaims persistentvolumeclaims/status",
        ),
        rule(READ, "storage.k8s.io", "storageclasses"),
        EVENTS,
    ],
    "generic-garbage-collector": [rule(f"{READ} delete patch update", "*", "*"), EVENTS],
    "horizontal-pod-autoscaler": [
        rule(READ, "autoscaling", "horizontalpodautoscalers"),
        rule("update patch", "autoscaling", "horizontalpodautoscalers/status"),
        *_SCALE,
        rule("list", "core", "pods"),
        rule("get list", "metrics.k8s.io custom.metrics.k8s.io external.metrics.k8s.io", "*"),
        EVENTS,
    ],
    "job-controller": _owner_of_pods("batch", "jobs"),
    "namespace-controller": [
        rule(f"{READ} delete", "core", "namespaces"),
        rule("update patch", "core", "namespaces/finalize namespaces/status"),
        rule("delete deletecollection get list watch", "*", "*"),
    ],
    "node-controller": [
        rule(f"{READ} delete patch update", "core", "nodes"),
        rule("patch update", "core", "nodes/status pods/status"),
        rule(f"{READ} delete", "core", "pods"),
        rule(READ, "coordination.k8s.io", "leases"),
        EVENTS,
    ],
    "persistent-volume-binder": [
        rule(f"{READ} create delete patch update", "core", "persistentvolumes"),
        rule(f"{READ} patch update", "core", "persistentvolumeclaims"),
        rule("patch update", "core", "persistentvolumes/status persistentvolumeclaims/status"),
        rule(READ, "storage.k8s.io", "storageclasses"),
        rule(READ, "core", "nodes"),
        rule(f"{READ} create delete", "core", "pods"),
        EVENTS,
    ],
    "pod-garbage-collector": [
        rule(f"{READ} delete", "core", "pods"),
        rule("patch update", "core", "pods/status"),
        rule(READ, "core", "nodes"),
    ],
    "pv-protection-controller": [rule(f"{READ} update", "core", "persistentvolumes"), EVENTS],
    "pvc-protection-controller": [
        rule(f"{READ} update", "core", "persistentvolumeclaims"),
        rule(READ, "core", "pods"),
        EVENTS,
    ],
    "replicaset-controller": _owner_of_pods("apps", "replicasets"),
    "replication-controller": _owner_of_pods("core", "replicationcontrollers"),
    "resourcequota-controller": [
        rule("list watch", "*", "*"),
        rule("update patch", "core", "resourcequotas/status"),
        EVENTS,
    ],
    "root-ca-cert-publisher": [
        rule(f"{READ} create update patch", "core", "configmaps"),
        rule(READ, "core", "namespaces"),
        EVENTS,
    ],
    "legacy-service-account-token-cleaner": [
        rule("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
        rule("patch delete", "core", "secrets"),
    ],
    "service-account-controller": [
        rule(f"{READ} create", "core", "serviceaccounts"),
        rule(READ, "core", "namespaces"),
        EVENTS,
    ],
    "statefulset-controller": [
        *_owner_of_pods("apps", "statefulsets"),
        rule("update", "core", "pods"),
        rule(f"{READ} create delete update", "core", "persistentvolumeclaims"),
        _REVISIONS,
    ],
    "taint-eviction-controller": [
        rule(f"{READ} delete", "core", "pods"),
        rule("patch update", "core", "pods/status"),
        rule(READ, "core", "nodes"),
        EVENTS,
    ],
    "ttl-after-finished-controller": [rule(f"{READ} delete", "batch", "jobs"), EVENTS],
    "ttl-controller": [rule(f"{READ} patch update", "core", "nodes"), EVENTS],
    "validatingadmissionpolicy-status-controller": [
        rule(READ, "admissionregistration.k8s.io", "validatingadmissionpolicies"),
        rule("update patch", "admissionregistration.k8s.io", "validatingadmissionpolicies/status"),
    ],
}


def controller_roles() -> list[Obj]:
    return [cluster_role(f"system:controller:{name}", rules) for name, rules in CONTROLLERS.items()]


def controller_bindings() -> list[Obj]:
    process = user("system:kube-controller-manager")
    return [
        cluster_role_binding(
            f"system:controller:{name}", f"system:controller:{name}", [account(name), process]
        )
        for name in CONTROLLERS
    ]

"""The roles and bindings every cluster starts with, under upstream's names.

Source: Kubernetes "Using RBAC Authorization", default roles and role bindings. The controllers' roles
are in `controller_roles.py`.
"""

from __future__ import annotations

from apiserver.auth.controller_roles import controller_bindings, controller_roles
from apiserver.auth.node import NODE_RULES
from apiserver.auth.policy import (
    EVENTS,
    READ,
    READ_WRITE,
    WRITE,
    Obj,
    account,
    cluster_role,
    cluster_role_binding,
    group,
    path_rule,
    role,
    role_binding,
    rule,
    user,
)

_REQUESTS = "system:certificates.k8s.io:certificatesigningrequests"
_JOINING = "system:bootstrappers:kubeadm:default-node-token"
_CONTROLLER = "system:controller"
_CLUSTER_INFO = "kubeadm:bootstrap-signer-clusterinfo"
_READER = "extension-apiserver-authentication-reader"
_TO = "rbac.authorization.k8s.io/aggregate-to-"
_INFO = "/healthz /livez /readyz /version /version/"
_APPS = (
    "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"
)
_STATUSES = "daemonsets/status deployments/status replicasets/status statefulsets/status controllerrevisions"
_CORE = "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale serviceaccounts services"
_WORKLOADS = (
    ("apps", _APPS),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs jobs"),
    ("policy", "poddisruptionbudgets"),
    ("networking.k8s.io", "ingresses networkpolicies"),
)

_VIEW = [
    rule(READ, "core", f"{_CORE} endpoints persistentvolumeclaims/status pods services/status"),
    rule(READ, "core", "bindings events limitranges namespaces/status pods/log pods/status"),
    rule(READ, "core", "replicationcontrollers/status resourcequotas resourcequotas/status namespaces"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    *(rule(READ, api_group, resources) for api_group, resources in _WORKLOADS),
    rule(READ, "apps", _STATUSES),
    rule(READ, "autoscaling", "horizontalpodautoscalers/status"),
    rule(READ, "batch", "cronjobs/status jobs/status"),
    rule(READ, "policy", "poddisruptionbudgets/status"),
    rule(READ, "networking.k8s.io", "ingresses/status"),
]
_EDIT = [
    rule(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    rule("impersonate", "core", "serviceaccounts"),
    rule(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    rule("create", "core", "pods/eviction serviceaccounts/token"),
    rule(WRITE, "core", f"{_CORE} events secrets services/proxy"),
    *(rule(WRITE, api_group, resources) for api_group, resources in _WORKLOADS),
    rule("create patch update", "apps", "deployments/rollback"),
    rule(READ_WRITE, "coordination.k8s.io", "leases"),
]
_ADMIN = [
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(READ_WRITE, "rbac.authorization.k8s.io", "roles rolebindings"),
]
_DELEGATED = [
    rule("create", "authentication.k8s.io", "tokenreviews"),
    rule("create", "authorization.k8s.io", "subjectaccessreviews"),
]
_SCHEDULER = [
    EVENTS,
    rule("create get list watch update patch", "coordination.k8s.io", "leases"),
    rule(READ, "core", "nodes namespaces replicationcontrollers services persistentvolumes"),
    rule(f"{READ} delete", "core", "pods"),
    rule("create", "core", "bindings pods/binding"),
    rule("patch update", "core", "pods/status"),
    rule(READ, "apps", "replicasets statefulsets"),
    rule(READ, "policy", "poddisruptionbudgets"),
    rule(f"{READ} patch update", "core", "persistentvolumeclaims persistentvolumes"),
    rule(READ, "storage.k8s.io", "storageclasses csinodes csidrivers csistoragecapacities volumeattachments"),
    rule(READ, "scheduling.k8s.io", "priorityclasses"),
    rule(f"{READ} patch update", "resource.k8s.io", "resourceclaims resourceclaims/status"),
    rule(READ, "resource.k8s.io", "deviceclasses resourceslices"),
    *_DELEGATED,
]
_CONTROLLER_MANAGER = [
    EVENTS,
    rule("create get list watch update patch", "coordination.k8s.io", "leases"),
    rule("create", "core", "secrets serviceaccounts serviceaccounts/token"),
    rule("get", "core", "namespaces secrets serviceaccounts configmaps"),
    rule("update", "core", "secrets serviceaccounts"),
    rule("delete", "core", "secrets"),
    rule("list watch", "*", "*"),
    *_DELEGATED,
]


def cluster_roles() -> list[Obj]:
    return [
        cluster_role("cluster-admin", [rule("*", "*", "*"), path_rule("*", "*")]),
        cluster_role("admin", [*_ADMIN, *_EDIT, *_VIEW], aggregates="admin"),
        cluster_role("edit", [*_EDIT, *_VIEW], aggregates="edit", labels={f"{_TO}admin": "true"}),
        cluster_role("view", _VIEW, aggregates="view", labels={f"{_TO}edit": "true"}),
        cluster_role("system:aggregate-to-admin", _ADMIN, labels={f"{_TO}admin": "true"}),
        cluster_role("system:aggregate-to-edit", _EDIT, labels={f"{_TO}edit": "true"}),
        cluster_role("system:aggregate-to-view", _VIEW, labels={f"{_TO}view": "true"}),
        cluster_role(
            "system:discovery", [path_rule("get", f"{_INFO} /api /api/* /apis /apis/* /openapi /openapi/*")]
        ),
        cluster_role("system:public-info-viewer", [path_rule("get", _INFO)]),
        cluster_role(
            "system:monitoring",
            [
                path_rule(
                    "get", "/healthz /healthz/* /livez /livez/* /readyz /readyz/* /metrics /metrics/slis"
                )
            ],
        ),
        cluster_role(
            "system:basic-user",
            [
                rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
                rule("create", "authentication.k8s.io", "selfsubjectreviews"),
            ],
        ),
        cluster_role("system:auth-delegator", _DELEGATED),
        cluster_role(
            "system:service-account-issuer-discovery",
            [
                path_rule(
                    "get",
                    "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
                )
            ],
        ),
        cluster_role("system:node", list(NODE_RULES)),
        cluster_role(
            "system:node-bootstrapper",
            [rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests")],
        ),
        *(
            cluster_role(
                f"{_REQUESTS}:{kind}",
                [rule("create", "certificates.k8s.io", f"certificatesigningrequests/{kind}")],
            )
            for kind in ("nodeclient", "selfnodeclient", "selfnodeserver")
        ),
        *(
            cluster_role(
                f"system:certificates.k8s.io:{signer}-approver",
                [rule("approve", "certificates.k8s.io", "signers", f"kubernetes.io/{signer}")],
            )
            for signer in (
                "kube-apiserver-client",
                "kube-apiserver-client-kubelet",
                "kubelet-serving",
                "legacy-unknown",
            )
        ),
        cluster_role(
            "system:node-proxier",
            [
                rule("list watch", "core", "services endpoints"),
                rule(READ, "core", "nodes"),
                rule("list watch", "discovery.k8s.io", "endpointslices"),
                EVENTS,
            ],
        ),
        cluster_role(
            "system:kubelet-api-admin",
            [
                rule(READ, "core", "nodes"),
                rule("proxy", "core", "nodes"),
                rule(
                    "*",
                    "core",
                    "nodes/log nodes/metrics nodes/proxy nodes/stats nodes/configz nodes/healthz nodes/pods",
                ),
            ],
        ),
        cluster_role("system:kube-dns", [rule("list watch", "core", "endpoints services")]),
        cluster_role("system:kube-scheduler", _SCHEDULER),
        cluster_role("system:kube-controller-manager", _CONTROLLER_MANAGER),
        *controller_roles(),
    ]


def cluster_role_bindings() -> list[Obj]:
    everybody, anybody = group("system:authenticated"), group("system:unauthenticated")
    return [
        cluster_role_binding("cluster-admin", "cluster-admin", [group("system:masters")]),
        cluster_role_binding("system:discovery", "system:discovery", [everybody]),
        cluster_role_binding("system:basic-user", "system:basic-user", [everybody]),
        cluster_role_binding("system:public-info-viewer", "system:public-info-viewer", [everybody, anybody]),
        cluster_role_binding("system:monitoring", "system:monitoring", [group("system:monitoring")]),
        cluster_role_binding(
            "system:service-account-issuer-discovery",
            "system:service-account-issuer-discovery",
            [group("system:serviceaccounts")],
        ),
        cluster_role_binding("system:node", "system:node", []),  # the Node authorizer does it, more narrowly
        cluster_role_binding("system:node-proxier", "system:node-proxier", [user("system:kube-proxy")]),
        cluster_role_binding(
            "system:kube-scheduler", "system:kube-scheduler", [user("system:kube-scheduler")]
        ),
        cluster_role_binding(
            "system:kube-controller-manager",
            "system:kube-controller-manager",
            [user("system:kube-controller-manager")],
        ),
        # Under the names and for the group that kubeadm gives them, so that its tokens work here too.
        cluster_role_binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", [group(_JOINING)]),
        cluster_role_binding(
            "kubeadm:node-autoapprove-bootstrap", f"{_REQUESTS}:nodeclient", [group(_JOINING)]
        ),
        cluster_role_binding(
            "kubeadm:node-autoapprove-certificate-rotation",
            f"{_REQUESTS}:selfnodeclient",
            [group("system:nodes")],
        ),
        cluster_role_binding(
            "kctl:node-autoapprove-server", f"{_REQUESTS}:selfnodeserver", [group("system:nodes")]
        ),
        *controller_bindings(),
    ]


def roles() -> list[Obj]:
    return [
        role("kube-system", f"{_CONTROLLER}:bootstrap-signer", [rule(READ, "core", "secrets")]),
        role(
            "kube-system", f"{_CONTROLLER}:token-cleaner", [rule(f"{READ} delete", "core", "secrets"), EVENTS]
        ),
        role(
            "kube-public",
            f"{_CONTROLLER}:bootstrap-signer",
            [
                rule(f"{READ} create", "core", "configmaps"),
                rule("update", "core", "configmaps", "cluster-info"),
                EVENTS,
            ],
        ),
        role("kube-public", _CLUSTER_INFO, [rule("get", "core", "configmaps", "cluster-info")]),
        role(
            "kube-system",
            _READER,
            [rule("get list watch", "core", "configmaps", "extension-apiserver-authentication")],
        ),
    ]


def role_bindings() -> list[Obj]:
    manager = user("system:kube-controller-manager")
    own = [
        role_binding(namespace, f"{_CONTROLLER}:{name}", f"{_CONTROLLER}:{name}", [account(name), manager])
        for namespace, name in (
            ("kube-system", "bootstrap-signer"),
            ("kube-system", "token-cleaner"),
            ("kube-public", "bootstrap-signer"),
        )
    ]
    # What a machine reads that is to join: the server believes it to nobody without bootstrap tokens.
    anybody = role_binding("kube-public", _CLUSTER_INFO, _CLUSTER_INFO, [user("system:anonymous")])
    reader = role_binding(
        "kube-system", f"system::{_READER}", _READER, [manager, user("system:kube-scheduler")]
    )
    return [*own, anybody, reader]

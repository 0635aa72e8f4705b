"""The explicit table: which module describes which kind. A kind that is not here has `generic`."""

from __future__ import annotations

# (group, kind) → (module below kctl.describe, whether its events are shown)
DESCRIBERS: dict[tuple[str, str], tuple[str, bool]] = {
    ("", "Pod"): ("pod", True),
    ("", "Service"): ("service", True),
    ("", "Node"): ("node", True),
    ("", "Namespace"): ("namespace", False),
    ("", "ConfigMap"): ("configmap", True),
    ("", "Secret"): ("secret", False),
    ("", "ServiceAccount"): ("serviceaccount", True),
    ("apps", "Deployment"): ("deployment", True),
    ("apps", "ReplicaSet"): ("replicaset", True),
    ("discovery.k8s.io", "EndpointSlice"): ("endpointslice", True),
    ("rbac.authorization.k8s.io", "Role"): ("role", False),
    ("rbac.authorization.k8s.io", "ClusterRole"): ("role", False),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("rolebinding", False),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("rolebinding", False),
    ("scheduling.k8s.io", "PriorityClass"): ("priorityclass", True),
}
GENERIC = ("generic", True)

"""Names for kinds and resources: the coordinates every request, cache and controller speaks in."""

from __future__ import annotations

from typing import Any, NamedTuple


class GVR(NamedTuple):  # no dataclass: the command line would pay for its imports
    """A resource by group, version and plural. `namespaced` tells where its collection lies.

    >>> GVR("apps", "v1", "deployments").path("default", "web")
    '/apis/apps/v1/namespaces/default/deployments/web'
    """

    group: str
    version: str
    resource: str
    namespaced: bool = True
    kind: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The URL path; without namespace and name, the collection over all namespaces."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            base += f"/namespaces/{namespace}"
        base += f"/{self.resource}"
        if name:
            base += f"/{name}"
        if subresource:
            base += f"/{subresource}"
        return base

    def __str__(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


class Key(NamedTuple):
    """An object's place within its resource; namespace is "" for cluster-scoped objects."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: dict[str, Any]) -> Key:
    meta = obj["metadata"]
    return Key(meta.get("namespace", ""), meta["name"])


def split_api_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` → ("apps", "v1"); `v1` → ("", "v1")."""
    group, _, version = api_version.rpartition("/")
    return group, version


# The resources that components talk about. A kind's model lives in api/, its name here, so that a
# scheduler or an agent can speak of Pods without importing 130 types.
PODS = GVR("", "v1", "pods", kind="Pod")
NODES = GVR("", "v1", "nodes", namespaced=False, kind="Node")
NAMESPACES = GVR("", "v1", "namespaces", namespaced=False, kind="Namespace")
SERVICES = GVR("", "v1", "services", kind="Service")
CONFIGMAPS = GVR("", "v1", "configmaps", kind="ConfigMap")
SECRETS = GVR("", "v1", "secrets", kind="Secret")
SERVICEACCOUNTS = GVR("", "v1", "serviceaccounts", kind="ServiceAccount")
EVENTS = GVR("", "v1", "events", kind="Event")
EVENTS_V1 = GVR("events.k8s.io", "v1", "events", kind="Event")
DEPLOYMENTS = GVR("apps", "v1", "deployments", kind="Deployment")
REPLICASETS = GVR("apps", "v1", "replicasets", kind="ReplicaSet")
ENDPOINTSLICES = GVR("discovery.k8s.io", "v1", "endpointslices", kind="EndpointSlice")
LEASES = GVR("coordination.k8s.io", "v1", "leases", kind="Lease")
RUNTIMECLASSES = GVR("node.k8s.io", "v1", "runtimeclasses", namespaced=False, kind="RuntimeClass")
CERTIFICATESIGNINGREQUESTS = GVR(
    "certificates.k8s.io",
    "v1",
    "certificatesigningrequests",
    namespaced=False,
    kind="CertificateSigningRequest",
)
CRDS = GVR(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    namespaced=False,
    kind="CustomResourceDefinition",
)
ROLES = GVR("rbac.authorization.k8s.io", "v1", "roles", kind="Role")
ROLEBINDINGS = GVR("rbac.authorization.k8s.io", "v1", "rolebindings", kind="RoleBinding")
CLUSTERROLES = GVR("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False, kind="ClusterRole")
CLUSTERROLEBINDINGS = GVR(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False, kind="ClusterRoleBinding"
)

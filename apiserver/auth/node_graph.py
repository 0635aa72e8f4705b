"""What the pods of each node refer to: the part of the cluster that a node has any business with.

Pure bookkeeping over pod events. A pod counts for a node from its binding until it is gone or done;
mirror pods (which a node makes itself) count for nothing, or a node could name what it wants to read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Obj = Mapping[str, Any]
MIRROR = "kubernetes.io/config.mirror"


class Ref(NamedTuple):
    resource: str  # secrets, configmaps, persistentvolumeclaims, serviceaccounts, pods
    namespace: str
    name: str


class NodeGraph:
    def __init__(self) -> None:
        self._of_pod: dict[tuple[str, str], tuple[str, tuple[Ref, ...]]] = {}
        self._counts: dict[str, Counter[Ref]] = {}

    def knows_pod(self, namespace: str, name: str) -> bool:
        """Whether the pod is bound to any node."""
        return (namespace, name) in self._of_pod

    def refers(self, node: str, ref: Ref) -> bool:
        counts = self._counts.get(node)
        return counts is not None and ref in counts

    def set_pod(self, namespace: str, name: str, pod: Obj | None) -> None:
        """The pod's state now; None where it is gone."""
        old = self._of_pod.pop((namespace, name), None)
        if old is not None:
            counts = self._counts[old[0]]
            for ref in old[1]:
                counts[ref] -= 1
                if not counts[ref]:
                    del counts[ref]
            if not counts:
                del self._counts[old[0]]
        node = pod["spec"].get("nodeName") if pod is not None else None
        if pod is None or not node:
            return
        refs = tuple(dict.fromkeys(pod_refs(namespace, name, pod)))
        self._of_pod[namespace, name] = (node, refs)
        self._counts.setdefault(node, Counter()).update(refs)


def pod_refs(namespace: str, name: str, pod: Obj) -> Iterator[Ref]:
    """Everything a node has to read to run the pod, and the pod itself."""
    yield Ref("pods", namespace, name)
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        return
    spec = pod["spec"]
    yield Ref("serviceaccounts", namespace, spec.get("serviceAccountName") or "default")
    for secret in spec.get("imagePullSecrets") or ():
        yield Ref("secrets", namespace, secret.get("name", ""))
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            yield from _environment(namespace, container)
    for volume in spec.get("volumes") or ():
        yield from _volume(namespace, volume, name)


def pod_secrets(spec: Obj) -> Iterator[str]:
    """Names of the Secrets that a pod's containers, volumes and images need."""
    refs = pod_refs("", "", {"metadata": {}, "spec": spec})
    return (ref.name for ref in refs if ref.resource == "secrets")


def _environment(namespace: str, container: Obj) -> Iterator[Ref]:
    for source in container.get("envFrom") or ():
        for key, resource in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if source.get(key):
                yield Ref(resource, namespace, source[key].get("name", ""))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for key, resource in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if source.get(key):
                yield Ref(resource, namespace, source[key].get("name", ""))


def _volume(namespace: str, volume: Obj, pod_name: str) -> Iterator[Ref]:
    if "secret" in volume:
        yield Ref("secrets", namespace, volume["secret"].get("secretName", ""))
    if (volume.get("azureFile") or {}).get("secretName"):
        yield Ref("secrets", namespace, volume["azureFile"]["secretName"])
    if "configMap" in volume:
        yield Ref("configmaps", namespace, volume["configMap"].get("name", ""))
    if "persistentVolumeClaim" in volume:
        yield Ref("persistentvolumeclaims", namespace, volume["persistentVolumeClaim"].get("claimName", ""))
    if "ephemeral" in volume:
        yield Ref("persistentvolumeclaims", namespace, f"{pod_name}-{volume['name']}")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "secret" in source:
            yield Ref("secrets", namespace, source["secret"].get("name", ""))
        if "configMap" in source:
            yield Ref("configmaps", namespace, source["configMap"].get("name", ""))
    for driver, key in (
        ("csi", "nodePublishSecretRef"),
        ("flexVolume", "secretRef"),
        ("cephfs", "secretRef"),
        ("rbd", "secretRef"),
        ("iscsi", "secretRef"),
        ("scaleIO", "secretRef"),
        ("storageos", "secretRef"),
    ):
        secret = (volume.get(driver) or {}).get(key)
        if secret:
            yield Ref("secrets", namespace, secret.get("name", ""))

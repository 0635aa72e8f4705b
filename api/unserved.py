"""Kinds that are stored and answered for, but on which nothing in this cluster acts yet.

Whoever creates one is told so (`Strategy.warnings`). A controller, an admission plugin or the like that starts to act
on a kind takes its line out of here; nothing else has to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# group/Kind; the core group has no slash.
UNSERVED: frozenset[str] = frozenset(
    {
        "Endpoints",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "ReplicationController",
        "apps/DaemonSet",
        "apps/StatefulSet",
        "autoscaling/HorizontalPodAutoscaler",
        "batch/CronJob",
        "batch/Job",
        "networking.k8s.io/Ingress",
        "networking.k8s.io/IngressClass",
        "networking.k8s.io/NetworkPolicy",
        "resource.k8s.io/DeviceClass",
        "resource.k8s.io/ResourceClaim",
        "resource.k8s.io/ResourceClaimTemplate",
        "resource.k8s.io/ResourceSlice",
        "storage.k8s.io/CSIDriver",
        "storage.k8s.io/CSINode",
        "storage.k8s.io/CSIStorageCapacity",
        "storage.k8s.io/StorageClass",
        "storage.k8s.io/VolumeAttachment",
        "storage.k8s.io/VolumeAttributesClass",
    }
)


def notices(obj: Mapping[str, Any]) -> tuple[str, ...]:
    """What the creator of `obj` should know: one sentence, or nothing where something acts on the kind."""
    kind = obj.get("kind", "")
    group = obj.get("apiVersion", "").rpartition("/")[0]
    if (f"{group}/{kind}" if group else kind) not in UNSERVED:
        return ()
    return (
        f"no controller acts on {_plural(kind)} in this cluster yet: the object is stored, nothing happens",
    )


def _plural(kind: str) -> str:
    if kind == "Endpoints":
        return kind
    if kind.endswith("y"):
        return kind[:-1] + "ies"
    return kind + ("es" if kind.endswith("s") else "s")

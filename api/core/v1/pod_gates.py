"""Fields of pods behind feature gates that are off in Kubernetes 1.36: read, and forgotten before they are stored.

An update keeps what the stored pod or template has already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Obj = dict[str, Any]

# Projected sources that need beta APIs which are not served.
_PROJECTIONS = ("clusterTrustBundle", "podCertificate")


def _containers(spec: Obj) -> Iterator[Obj]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def _sources(spec: Obj) -> Iterator[Obj]:
    for volume in spec.get("volumes") or ():
        if volume.get("projected") is not None:
            yield from volume["projected"].get("sources") or ()


def drop_disabled(spec: Obj, old: Obj | None = None) -> None:
    """Changes `spec` in place."""
    was = old or {}
    if "schedulingGroup" not in was:
        spec.pop("schedulingGroup", None)
    dropped = [kind for kind in _PROJECTIONS if not any(kind in source for source in _sources(was))]
    for source in _sources(spec):
        for kind in dropped:
            source.pop(kind, None)
    if not any("stopSignal" in (container.get("lifecycle") or {}) for container in _containers(was)):
        for container in _containers(spec):
            lifecycle = container.get("lifecycle")
            if lifecycle is not None and lifecycle.pop("stopSignal", None) is not None and not lifecycle:
                del container["lifecycle"]

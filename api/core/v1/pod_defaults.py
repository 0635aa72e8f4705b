"""Static defaults of pods and pod templates: what is stored where a user said nothing.

`default_pod_spec` serves templates too; `default_pod` adds what only a pod itself gets.
"""

from __future__ import annotations

from typing import Any

from api.core.v1.amounts import round_up, round_up_in
from api.quota.pod_resources import is_pod_level, of_containers
from machinery.short_texts import keeping

Obj = dict[str, Any]

_LASTING = ("initContainers", "containers")
_WITH_EPHEMERAL = (*_LASTING, "ephemeralContainers")
_FILE_MODE = 0o644
_VOLUME_MODES = ("secret", "configMap", "downwardAPI", "projected")


def default_pod(spec: Obj) -> None:
    """Defaults that a bare pod gets and a template does not."""
    if spec.get("hostNetwork"):
        for container in _containers(spec, ephemeral=False):
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)
    spec.setdefault("enableServiceLinks", True)
    for container in _containers(spec, ephemeral=False):
        resources = container.get("resources") or {}
        if resources.get("limits"):
            requests = resources.get("requests") or {}
            resources["requests"] = {**resources["limits"], **requests}
    if spec.get("resources"):
        _default_pod_level(spec, spec["resources"])


def _default_pod_level(spec: Obj, resources: Obj) -> None:
    """What a pod asks for as a whole, where it says a part of it: huge pages are limited by what its containers may
    have; what its containers ask for, it asks for; and what none asks for, it asks for as much as it may have.
    """
    limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
    if not limits and not requests:
        return
    for name, total in of_containers(spec, "limits").items():
        if name.startswith("hugepages-") and name not in limits and name not in requests:
            limits[name] = str(total)
    if limits:
        resources["limits"] = limits
        for name, total in of_containers(spec, "requests").items():
            if name in ("cpu", "memory"):
                requests.setdefault(name, str(total))
        for name, amount in limits.items():
            if is_pod_level(name):
                requests.setdefault(name, amount)
    if requests:
        resources["requests"] = requests


def default_pod_spec(spec: Obj) -> None:
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:  # the second is the first's old name; both are shown
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    round_up(spec.get("overhead"))
    round_up_in(spec.get("resources"), "limits", "requests")
    for container in _containers(spec):
        _default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)


def _containers(spec: Obj, *, ephemeral: bool = True) -> list[Obj]:
    found: list[Obj] = []
    for field in _WITH_EPHEMERAL if ephemeral else _LASTING:
        if spec.get(field):
            found += spec[field]
    return found


def _default_container(container: Obj) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    round_up_in(container.setdefault("resources", {}), "limits", "requests")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom")
        if not source:
            continue
        if "fieldRef" in source:
            source["fieldRef"].setdefault("apiVersion", "v1")
        if "resourceFieldRef" in source:
            source["resourceFieldRef"].setdefault("divisor", "0")
        if "fileKeyRef" in source:
            source["fileKeyRef"].setdefault("optional", False)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _default_probe(container[name])
    if lifecycle := container.get("lifecycle"):
        for name in ("postStart", "preStop"):
            if name in lifecycle:
                _default_http(lifecycle[name])


@keeping(1024)
def pull_policy(image: str) -> str:
    """Always for a moving tag (`latest`, or none), IfNotPresent for a fixed tag or a digest."""
    if "@" in image or not image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "IfNotPresent" if colon and tag != "latest" else "Always"


def _default_probe(probe: Obj) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    _default_http(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _default_http(handler: Obj) -> None:
    if "httpGet" in handler:
        if not handler["httpGet"].get("path"):
            handler["httpGet"]["path"] = "/"
        if not handler["httpGet"].get("scheme"):
            handler["httpGet"]["scheme"] = "HTTP"


def default_volume(volume: Obj) -> None:
    """A volume without a source is an emptyDir; modes are 0644."""
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    for kind in _VOLUME_MODES:
        if kind in volume:
            volume[kind].setdefault("defaultMode", _FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if "ephemeral" in volume:
        default_claim_spec((volume["ephemeral"].get("volumeClaimTemplate") or {}).get("spec"))
    if "image" in volume and volume["image"].get("reference"):
        volume["image"].setdefault("pullPolicy", pull_policy(volume["image"]["reference"]))
    _default_downward(volume.get("downwardAPI") or {})
    for source in (volume.get("projected") or {}).get("sources") or ():
        _default_downward(source.get("downwardAPI") or {})
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        if "podCertificate" in source:
            source["podCertificate"].setdefault("maxExpirationSeconds", 86400)
    default_network_volume(volume)


def default_claim_spec(spec: Obj | None) -> None:
    if spec is not None:
        spec.setdefault("volumeMode", "Filesystem")
        round_up_in(spec.get("resources"), "limits", "requests")


def _default_downward(source: Obj) -> None:
    for item in source.get("items") or ():
        if "fieldRef" in item:
            item["fieldRef"].setdefault("apiVersion", "v1")
        if "resourceFieldRef" in item:
            item["resourceFieldRef"].setdefault("divisor", "0")


_NETWORK_VOLUMES: dict[str, dict[str, Any]] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_network_volume(volume: Obj) -> None:
    """What storage of other people is reached by, in a pod and in a persistent volume."""
    for kind, defaults in _NETWORK_VOLUMES.items():
        if kind in volume:
            for field, value in defaults.items():
                volume[kind].setdefault(field, value)

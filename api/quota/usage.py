"""What one object uses, in the names that quotas limit: `pods`, `requests.cpu`, `count/deployments.apps`, ...

    kind_of("requests.cpu") → ("", "pods")        which kind a name is about
    usage_of("", "pods", pod, now) → amounts      what one object takes of every name about its kind
    lacking("", "pods", pod, names) → text        what the object must say before it can be counted, "" if nothing

Every kind is counted as `count/PLURAL.GROUP`. Pods that have ended use nothing but that.

Source: Kubernetes "Resource Quotas"; pkg/quota/v1/evaluator/core.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from api.quota.amounts import NONE, ONE, Amounts, read
from api.quota.pod_resources import amounts_of, containers, pod_limits, pod_requests
from machinery.clock import parse_rfc3339
from machinery.quantity import Quantity, of_units

Obj = dict[str, Any]

PODS, SERVICES, CLAIMS = ("", "pods"), ("", "services"), ("", "persistentvolumeclaims")
# Counted by their plain names too, as before there was `count/`.
_PLAIN = (
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_MUST_SAY = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
_OF_CLASS = ".storageclass.storage.k8s.io/"


def kind_of(name: str) -> tuple[str, str] | None:
    """(group, plural) of the kind that the name limits; None where no kind is."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return group, plural
    if name in _PLAIN:
        return "", name
    if name in ("services.nodeports", "services.loadbalancers"):
        return SERVICES
    if name == "requests.storage" or _OF_CLASS in name:
        return CLAIMS
    if name in _COMPUTE or name.startswith(("requests.", "limits.", "hugepages-")):
        return PODS
    return None


def names_about(kind: tuple[str, str], names: Collection[str]) -> list[str]:
    return [name for name in names if kind_of(name) == kind]


def usage_of(group: str, plural: str, obj: Obj, now: float) -> Amounts:
    kind = (group, plural)
    used: Amounts = {f"count/{plural}.{group}" if group else f"count/{plural}": ONE}
    if kind == PODS:
        if not is_over(obj, now):
            spec = obj.get("spec") or {}
            used |= {"pods": ONE, **compute_usage(pod_requests(spec), pod_limits(spec))}
    elif group == "" and plural in _PLAIN:
        used[plural] = ONE
        if kind == SERVICES:
            used |= _ports_usage(obj.get("spec") or {})
        elif kind == CLAIMS:
            used |= _storage_usage(obj)
    return used


def changes_with_updates(group: str, plural: str, subresource: str) -> bool:
    """Whether an update may take more than its object did before."""
    if (group, plural) == PODS:
        return subresource == "resize"
    return not subresource and (group, plural) in (SERVICES, CLAIMS)


def is_over(pod: Obj, now: float) -> bool:
    """Ended, or past the time it was given to end."""
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return True
    meta = pod["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("deletionGracePeriodSeconds") is None:
        return False
    return now > parse_rfc3339(meta["deletionTimestamp"]) + int(meta["deletionGracePeriodSeconds"])


def compute_usage(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> Amounts:
    used: Amounts = {}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            used[name] = used[f"requests.{name}"] = amount
        elif "/" in name and not name.partition("/")[0].endswith("kubernetes.io"):
            used[f"requests.{name}"] = amount
    for name in _COMPUTE:
        if name in limits:
            used[f"limits.{name}"] = limits[name]
    return used


def lacking(group: str, plural: str, obj: Obj, names: Collection[str]) -> str:
    """A pod under a quota on cpu or memory must say its own in every container: `must specify limits.cpu for: c`."""
    must = sorted(name for name in names if name in _MUST_SAY)
    if (group, plural) != PODS or not must:
        return ""
    spec = obj.get("spec") or {}
    of_pod = (
        compute_usage(amounts_of(spec, "requests"), amounts_of(spec, "limits"))
        if spec.get("resources")
        else {}
    )
    missing: dict[str, list[str]] = {}
    for container in containers(spec):
        said = compute_usage(amounts_of(container, "requests"), amounts_of(container, "limits"))
        for name in must:
            if name not in said and name not in of_pod:
                missing.setdefault(name, []).append(container.get("name", ""))
    if not missing:
        return ""
    return "must specify " + "; ".join(
        f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing)
    )


def _ports_usage(spec: Obj) -> Amounts:
    ports = spec.get("ports") or ()
    if spec.get("type") == "NodePort":
        return {"services.nodeports": of_units(len(ports)), "services.loadbalancers": NONE}
    if spec.get("type") == "LoadBalancer":
        if spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
        return {"services.nodeports": of_units(len(ports)), "services.loadbalancers": ONE}
    return {"services.nodeports": NONE, "services.loadbalancers": NONE}


def _storage_usage(claim: Obj) -> Amounts:
    spec = claim.get("spec") or {}
    asked = read((spec.get("resources") or {}).get("requests")).get("storage")
    granted = read((claim.get("status") or {}).get("allocatedResources")).get("storage")
    if asked is not None and granted is not None:
        asked = max(asked, granted)
    annotations = claim["metadata"].get("annotations") or {}
    class_ = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName")
    used: Amounts = {f"{class_}{_OF_CLASS}persistentvolumeclaims": ONE} if class_ else {}
    if asked is not None:
        used["requests.storage"] = asked
        if class_:
            used[f"{class_}{_OF_CLASS}requests.storage"] = asked
    return used

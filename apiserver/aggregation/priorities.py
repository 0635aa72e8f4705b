"""How far to the front each group and version goes in discovery: upstream's numbers for the groups it serves."""

from __future__ import annotations

from typing import NamedTuple


class Priority(NamedTuple):
    group: int
    version: int


CUSTOM = Priority(1000, 100)
# kube-aggregator's own group is served by itself: it needs no APIService and comes before all others.
OWN_GROUP = "apiregistration.k8s.io"

_GROUPS = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "internal.apiserver.k8s.io": 16000,
    "resource.k8s.io": 15900,
    "storagemigration.k8s.io": 15800,
}
_VERSIONS = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("resource.k8s.io", "v1"): 20,
}
_STABLE, _BETA = 15, 9


def priority_of(group: str, version: str) -> Priority:
    """A built-in group's priorities; those of custom resources for any other group."""
    place = _GROUPS.get(group)
    if place is None:
        return CUSTOM
    stable = "alpha" not in version and "beta" not in version
    return Priority(place, _VERSIONS.get((group, version), _STABLE if stable else _BETA))


def group_place(group: str) -> int:
    """The larger, the further to the front."""
    return 20001 if group == OWN_GROUP else _GROUPS.get(group, CUSTOM.group)

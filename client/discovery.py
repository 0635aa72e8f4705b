"""Which resources a server has, as GVRs: for whatever works on all kinds alike.

Two requests where the server has aggregated discovery (Kubernetes 1.27 and newer); elsewhere one for each version of
each group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from client.client import Client
from machinery.errors import NotFound, ServiceUnavailable
from machinery.gvk import GVR

Obj = dict[str, Any]
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class _Version:
    group: str
    version: str
    resources: tuple[tuple[GVR, frozenset[str]], ...]  # with their verbs; no subresources
    answered: bool = True

    @property
    def name(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


async def discover(client: Client, verbs: Collection[str] = ()) -> tuple[list[GVR], list[str]]:
    """(resources that have all `verbs`, group versions that could not be asked), in the server's order.

    Each resource once, in its group's preferred version or else the first that has it; no subresources.
    """
    found: dict[tuple[str, str], GVR] = {}
    failed = []
    for each in [*await _versions(client, "/api"), *await _versions(client, "/apis")]:
        if not each.answered:
            failed.append(each.name)
        for gvr, has in each.resources:
            if has.issuperset(verbs):
                found.setdefault((gvr.group, gvr.resource), gvr)
    return list(found.values()), failed


async def _versions(client: Client, root: str) -> list[_Version]:
    answer = await client.get_raw(root, accept=_AGGREGATED)
    if answer.get("kind") == "APIGroupDiscoveryList":
        return list(_aggregated(answer))
    if root == "/api":
        return [await _asked(client, "", version) for version in answer.get("versions") or ()]
    return [await _asked(client, group, version) for group, version in _named(answer)]


def _named(answer: Obj) -> Iterator[tuple[str, str]]:
    """Groups and versions of an APIGroupList, the preferred version of a group first."""
    for group in answer.get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("version")
        versions = [each["version"] for each in group.get("versions") or ()]
        yield from ((group["name"], each) for each in sorted(versions, key=lambda name: name != preferred))


def _aggregated(answer: Obj) -> Iterator[_Version]:
    for group in answer.get("items") or ():
        name = group["metadata"].get("name", "")
        for each in group.get("versions") or ():
            version = each["version"]
            resources = tuple(
                (
                    GVR(
                        name,
                        version,
                        resource["resource"],
                        resource.get("scope") == "Namespaced",
                        resource["responseKind"]["kind"],
                    ),
                    frozenset(resource.get("verbs") or ()),
                )
                for resource in each.get("resources") or ()
                if resource.get("responseKind")
            )
            yield _Version(name, version, resources, each.get("freshness") != "Stale")


async def _asked(client: Client, group: str, version: str) -> _Version:
    try:
        answer = await client.get_raw(f"/apis/{group}/{version}" if group else f"/api/{version}")
    except (NotFound, ServiceUnavailable):
        return _Version(group, version, (), answered=False)
    resources = tuple(
        (
            GVR(group, version, each["name"], bool(each["namespaced"]), each["kind"]),
            frozenset(each.get("verbs") or ()),
        )
        for each in answer.get("resources") or ()
        if "/" not in each["name"]
    )
    return _Version(group, version, resources)

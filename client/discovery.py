"""Which resources a server has, as GVRs: for whatever works on all kinds alike."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from client.client import Client
from machinery.errors import NotFound, ServiceUnavailable
from machinery.gvk import GVR

Obj = dict[str, Any]


async def discover(client: Client, verbs: Collection[str] = ()) -> tuple[list[GVR], list[str]]:
    """(resources that have all `verbs`, groups that could not be asked), in the server's order.

    Each resource once, in its group's preferred version or else the first that has it; no subresources.
    """
    group_versions = ["v1"]
    for group in (await client.get_raw("/apis")).get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("groupVersion")
        versions = [version["groupVersion"] for version in group.get("versions") or ()]
        group_versions += [each for each in versions if each == preferred]
        group_versions += [each for each in versions if each != preferred]
    found: dict[tuple[str, str], GVR] = {}
    failed = []
    for group_version in group_versions:
        group, _, version = group_version.rpartition("/")
        try:
            path = f"/apis/{group_version}" if group else "/api/v1"
            resources = (await client.get_raw(path)).get("resources") or ()
        except (NotFound, ServiceUnavailable):
            failed.append(group_version)
            continue
        for each in resources:
            name = each["name"]
            if "/" not in name and set(verbs) <= set(each.get("verbs") or ()):
                gvr = GVR(group, version, name, bool(each["namespaced"]), each["kind"])
                found.setdefault((group, name), gvr)
    return list(found.values()), failed

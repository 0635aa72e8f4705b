"""What is served, as clients ask for it: aggregated discovery (v2) with an ETag, and the legacy documents.

Made from the catalog and from what extension API servers tell of themselves, once per generation of both. Groups come
in the order of their APIServices' priorities.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from api.resource import Resource, Subresource
from apiserver.aggregation.documents import remote_version
from apiserver.aggregation.priorities import group_place, priority_of
from apiserver.aggregation.remote import Remotes
from apiserver.engine.catalog import Catalog, Served, version_priority
from apiserver.http.negotiation import media_ranges
from apiserver.http.reply import JSON, PageNotFound, Reply, json_reply
from machinery.errors import NotAcceptable

_AGGREGATED = b"application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList"


class Discovery:
    def __init__(self, catalog: Catalog, server_address: str, remotes: Remotes) -> None:
        self._catalog = catalog
        self._remotes = remotes
        self._address = server_address
        self._generation = (-1, -1)
        self._made: dict[tuple[str, str], tuple[bytes, bytes]] = {}

    def reply(self, path: str, accept: str, if_none_match: str) -> Reply | None:
        """The answer for /api, /apis and everything below that is discovery; None for any other path."""
        parts = path.rstrip("/").split("/")[1:]
        if parts == ["api"] or parts == ["apis"]:
            version = aggregated_version(accept)
            if version:
                return self._aggregated(parts[0], version, if_none_match)
            return json_reply(self._versions() if parts[0] == "api" else self._groups())
        if parts[0] == "api" and len(parts) == 2:
            return self._resources("", parts[1])
        if parts[0] == "apis" and len(parts) == 2:
            if parts[1] not in self._group_names():
                raise PageNotFound
            return json_reply({"kind": "APIGroup", "apiVersion": "v1", **self._group(parts[1])})
        if parts[0] == "apis" and len(parts) == 3:
            return self._resources(parts[1], parts[2])
        return None

    def paths(self) -> list[str]:
        """Every path that discovery answers."""
        groups = self._group_names()
        below = [f"/apis/{group}/{version}" for group in groups for version in self._versions_of(group)]
        core = [f"/api/{version}" for version in self._catalog.versions_of("")]
        return ["/api", *core, "/apis", *(f"/apis/{group}" for group in groups), *below]

    def _versions(self) -> dict[str, Any]:
        return {
            "kind": "APIVersions",
            "versions": self._catalog.versions_of(""),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}],
        }

    def _groups(self) -> dict[str, Any]:
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [self._group(group) for group in self._group_names()],
        }

    def _group_names(self) -> list[str]:
        places = {group: group_place(group) for group in self._catalog.groups()}
        for group, remotes in self._remotes.by_group().items():
            places[group] = max([places.get(group, 0), *(each.place[0] for each in remotes)])
        return sorted(places, key=lambda group: -places[group])

    def _versions_of(self, group: str) -> list[str]:
        """The preferred one first."""
        places = {
            version: priority_of(group, version).version for version in self._catalog.versions_of(group)
        }
        for remote in self._remotes.by_group().get(group, ()):
            places[remote.group_version[1]] = remote.place[1]
        return sorted(places, key=lambda each: (places[each], version_priority(each)), reverse=True)

    def _group(self, group: str) -> dict[str, Any]:
        versions = [
            {"groupVersion": f"{group}/{version}", "version": version} for version in self._versions_of(group)
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _resources(self, group: str, version: str) -> Reply:
        found = self._catalog.in_version(group, version)
        if not found:
            raise PageNotFound
        resources: list[dict[str, Any]] = []
        for served in sorted(found, key=_plural):
            resource = served.resource
            entry: dict[str, Any] = {
                "name": resource.gvr.resource,
                "singularName": resource.singular,
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": _verbs(resource),
            }
            if resource.short_names:
                entry["shortNames"] = list(resource.short_names)
            if resource.categories:
                entry["categories"] = list(resource.categories)
            if "create" in resource.verbs and "get" in resource.verbs:
                entry["storageVersionHash"] = _short_hash(
                    f"{group}/{served.base.gvr.version}/{resource.kind}"
                )
            resources.append(entry)
            for sub in _subresources(resource):
                below: dict[str, Any] = {
                    "name": f"{resource.gvr.resource}/{sub.name}",
                    "singularName": "",
                    "namespaced": resource.namespaced,
                }
                sub_group, sub_version = sub.group or ("" if sub.version else group), sub.version or version
                if (sub_group, sub_version) != (group, version):
                    below["group"], below["version"] = sub_group, sub_version
                below["kind"] = sub.kind
                below["verbs"] = sorted(sub.verbs)
                resources.append(below)
        return json_reply(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{group}/{version}" if group else version,
                "resources": resources,
            }
        )

    def _aggregated(self, root: str, version: str, if_none_match: str) -> Reply:
        generation = (self._catalog.generation, self._remotes.generation)
        if self._generation != generation:
            self._made.clear()
            self._generation = generation
        made = self._made.get((root, version))
        if made is None:
            groups = [""] if root == "api" else self._group_names()
            body = orjson.dumps(
                {
                    "kind": "APIGroupDiscoveryList",
                    "apiVersion": f"apidiscovery.k8s.io/{version}",
                    "metadata": {},
                    "items": [self._aggregated_group(group) for group in groups],
                }
            )
            etag = b'"' + hashlib.sha256(body).hexdigest().upper().encode() + b'"'
            made = self._made[root, version] = (body, etag)
        body, etag = made
        headers = [(b"etag", etag), (b"vary", b"Accept")]
        if if_none_match and etag in [each.strip() for each in if_none_match.encode().split(b",")]:
            return Reply(304, b"", JSON, headers)
        return Reply(200, body, _AGGREGATED % version.encode(), headers)

    def _aggregated_group(self, group: str) -> dict[str, Any]:
        versions = []
        for version in self._versions_of(group):
            remote = self._remotes.get(group, version)
            if remote is not None:
                versions.append(remote_version(remote))
                continue
            served = sorted(self._catalog.in_version(group, version), key=_plural)
            versions.append(
                {
                    "version": version,
                    "resources": [_aggregated_resource(each) for each in served],
                    "freshness": "Current",
                }
            )
        metadata = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        return {"metadata": metadata, "versions": versions}


def aggregated_version(accept: str) -> str:
    """v2 or v2beta1 where the client prefers aggregated discovery, "" where it wants the plain documents."""
    if not accept:
        return ""
    for media, params in media_ranges(accept):
        if media not in ("application/json", "*/*", "application/*"):
            continue
        if params.get("as") == "APIGroupDiscoveryList":
            if params.get("g") == "apidiscovery.k8s.io" and params.get("v") in ("v2", "v2beta1"):
                return params["v"]
            continue
        return ""
    raise NotAcceptable("only the following media types are accepted: application/json")


def _plural(served: Served) -> str:
    return served.resource.gvr.resource


# The order in which upstream tells what custom resources have.
_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_CUSTOM_SUBRESOURCES = ("status", "scale")


def _verbs(resource: Resource) -> list[str]:
    if resource.custom:
        return [verb for verb in _CUSTOM_VERBS if verb in resource.verbs]
    return sorted(resource.verbs)


def _subresources(resource: Resource) -> list[Subresource]:
    if resource.custom:
        return [resource.subresources[name] for name in _CUSTOM_SUBRESOURCES if name in resource.subresources]
    return sorted(resource.subresources.values(), key=lambda each: each.name)


def _aggregated_resource(served: Served) -> dict[str, Any]:
    resource = served.resource
    gvr = resource.gvr
    out: dict[str, Any] = {
        "resource": gvr.resource,
        "responseKind": {"group": gvr.group, "version": gvr.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        out["shortNames"] = list(resource.short_names)
    if resource.categories:
        out["categories"] = list(resource.categories)
    if resource.subresources:
        out["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {
                    "group": sub.group or ("" if sub.version else gvr.group),
                    "version": sub.version or gvr.version,
                    "kind": sub.kind,
                },
                "verbs": sorted(sub.verbs),
            }
            for sub in _subresources(resource)
        ]
    return out


def _short_hash(text: str) -> str:
    import base64

    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()

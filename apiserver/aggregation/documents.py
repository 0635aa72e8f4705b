"""What an extension API server tells of itself, in the forms that this server's own documents have. Pure.

In: its APIResourceList and OpenAPI documents as the checks read them. Out: a version of aggregated discovery, an
OpenAPI v3 document with its hash, and the OpenAPI v2 document with its part put in.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from api.resource import Obj
from apiserver.aggregation.remote import Remote


def remote_version(remote: Remote) -> Obj:
    """An APIVersionDiscovery; "Stale" with what was last seen while it cannot be had."""
    group, version = remote.group_version
    resources: dict[str, Obj] = {}
    for each in remote.resources:
        plural, _, below = each["name"].partition("/")
        kind = {
            "group": each.get("group") or group,
            "version": each.get("version") or version,
            "kind": each.get("kind", ""),
        }
        verbs = each.get("verbs") or []
        if below:
            parent = resources.setdefault(plural, _empty(plural, each))
            told = {"subresource": below, "responseKind": kind, "verbs": verbs}
            parent.setdefault("subresources", []).append(told)
            continue
        resource = resources.setdefault(plural, _empty(plural, each))
        resource |= {
            "responseKind": kind,
            "scope": "Namespaced" if each.get("namespaced") else "Cluster",
            "singularResource": each.get("singularName", ""),
            "verbs": verbs,
        }
        for key in ("shortNames", "categories"):
            if each.get(key):
                resource[key] = each[key]
    return {
        "version": version,
        "resources": list(resources.values()),
        "freshness": "Current" if remote.available else "Stale",
    }


def _empty(plural: str, first: Obj) -> Obj:
    scope = "Namespaced" if first.get("namespaced") else "Cluster"
    return {"resource": plural, "scope": scope, "singularResource": "", "verbs": []}


def remote_v3(remote: Remote) -> tuple[str, bytes]:
    """(hash, document); ("", b"") where it tells none."""
    url, body = remote.openapi_v3
    if not url:
        return "", b""
    if not remote.openapi_hash:
        remote.openapi_hash = hashlib.sha512(body).hexdigest().upper()
    return remote.openapi_hash, body


def merged_v2(whole: dict[str, Any], remote: Remote) -> dict[str, Any]:
    """`whole` with the paths of its group and version and the definitions they need; ours win where names clash."""
    document = remote.openapi_v2[1]
    prefix = "/apis/{}/{}/".format(*remote.group_version)
    paths = {
        path: item
        for path, item in (document.get("paths") or {}).items()
        if path == prefix or path.startswith(prefix)
    }
    there: dict[str, Any] = document.get("definitions") or {}
    needed: dict[str, Any] = {}
    todo = list(_references(paths))
    while todo:
        name = todo.pop()
        if name not in needed and name in there:
            needed[name] = there[name]
            todo += _references(there[name])
    return {
        **whole,
        "paths": {**paths, **(whole.get("paths") or {})},
        "definitions": {**needed, **(whole.get("definitions") or {})},
    }


def _references(value: Any) -> set[str]:
    found: set[str] = set()
    marker = b'"$ref":"#/definitions/'
    text = orjson.dumps(value)
    for piece in text.split(marker)[1:]:
        found.add(piece[: piece.index(b'"')].decode())
    return found

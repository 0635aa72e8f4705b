"""What a request asks for, read from its method, path and query alone.

In: `GET`, `/apis/apps/v1/namespaces/shop/deployments/web/scale`. Out: a RequestInfo with the verb and
the coordinates that authorization, audit, metrics and dispatch all read. Pure and cheap: it runs for
every request, before anybody is authenticated.

Follows upstream's RequestInfo: the namespace resource itself carries its name as namespace, `watch`
and `deletecollection` are told apart from `list` and `delete` here.
"""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.engine.query import Query
from apiserver.engine.watch import selected_name


@dataclass(slots=True)
class RequestInfo:
    """Shared by requests alike: never changed. `is_resource` False: only verb (lower-case method) and path mean anything."""

    is_resource: bool
    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    selected: str = (
        ""  # the one name that a collection's field selector admits: authorized as if it were `name`
    )
    rest: str = ""  # what follows a connector's name: pods/web/proxy/REST


# What paths without a name and a query mean: there are few of them, and each comes again and again.
_collections: dict[tuple[str, str], RequestInfo] = {}
_MOST_COLLECTIONS, _LONGEST_CHARS = 1024, 256
_WRITE_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def parse_request(method: str, path: str, query: Query) -> RequestInfo:
    """`path` is already unquoted, as ASGI hands it on. Never raises: a path that is not a resource's comes back as a non-resource request."""
    if query:
        return _parsed(method, path, query)
    info = _collections.get((method, path))
    if info is None:
        info = _parsed(method, path, query)
        if info.is_resource and not info.name and len(path) <= _LONGEST_CHARS:
            if len(_collections) >= _MOST_COLLECTIONS:
                _collections.clear()
            _collections[method, path] = info
    return info


def _parsed(method: str, path: str, query: Query) -> RequestInfo:
    parts = path.split("/")
    # parts[0] is "" for every absolute path
    if len(parts) > 3 and parts[1] == "api":
        group, version, at = "", parts[2], 3
    elif len(parts) > 4 and parts[1] == "apis":
        group, version, at = parts[2], parts[3], 4
    else:
        return RequestInfo(False, method.lower(), path)
    if parts[-1] == "":
        parts.pop()
    rest = parts[at:]
    if not rest:
        return RequestInfo(False, method.lower(), path)

    watch_prefix = rest[0] == "watch" and len(rest) > 1
    if watch_prefix:  # the long-deprecated /api/v1/watch/... form
        rest = rest[1:]

    namespace = ""
    if rest[0] == "namespaces":
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        elif len(rest) > 1:
            namespace = rest[1]
    resource = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    tail = "/".join(rest[3:]) if len(rest) > 3 else ""
    if tail and path.endswith("/"):
        tail += "/"

    if method in ("GET", "HEAD"):
        if name:  # ?watch counts for collections
            verb = "watch" if watch_prefix else "get"
        else:
            verb = "watch" if watch_prefix or (query and query.flag("watch")) else "list"
    elif method == "DELETE":
        verb = "delete" if name else "deletecollection"
    else:
        verb = _WRITE_VERBS.get(method, method.lower())
    selected = ""
    if query and not name and verb in ("list", "watch", "deletecollection"):
        selected = selected_name(query.get("fieldSelector") or "")
    return RequestInfo(
        True, verb, path, group, version, resource, subresource, namespace, name, selected, tail
    )

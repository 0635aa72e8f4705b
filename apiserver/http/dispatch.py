"""Whether what a request asks for is served at all, and the refusal in upstream's words if it is not.

Upstream has two routers. Built-in groups are known to one that answers with a Status for unknown paths (404) and methods
(405) and nothing more. Custom resources are looked up by another: what it does not know, it passes on to the end of
the chain, a bare `404 page not found`; subresources and verbs that a custom resource lacks are told by its name.
Where a namespaced resource is addressed without a namespace there is nothing but its list and watch.

Source: apiserver/pkg/endpoints/installer.go, apiextensions-apiserver/pkg/apiserver/customresource_handler.go.
"""

from __future__ import annotations

from api.resource import Resource
from apiserver.engine.catalog import Catalog, Served
from apiserver.http.reply import PageNotFound
from apiserver.http.request_info import RequestInfo
from machinery.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, not_found, qualified

_EVERYWHERE = ("list", "watch")
# The verbs that have a name; another method has none.
_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def find(catalog: Catalog, info: RequestInfo) -> Served:
    """Raises PageNotFound, NotFound, MethodNotAllowed, BadRequest."""
    served = catalog.get(info.group, info.version, info.resource)
    if served is None:
        raise unserved(catalog, info.group, info.version)
    refusal = (_custom if served.resource.custom else _built_in)(served.resource, info)
    if refusal is not None:
        raise refusal
    return served


def unserved(catalog: Catalog, group: str, version: str) -> NotFound:
    """For a resource or version that is none."""
    if any(not served.resource.custom for served in catalog.in_version(group, version)):
        return _no_such_path()
    return PageNotFound()


def _built_in(resource: Resource, info: RequestInfo) -> ApiError | None:
    if resource.namespaced and not info.namespace:
        if info.name:
            return _no_such_path()
        return None if info.verb in _EVERYWHERE and info.verb in resource.verbs else _not_allowed()
    if not resource.namespaced and info.namespace and info.resource != "namespaces":
        return _no_such_path()
    if info.subresource:
        sub = resource.subresources.get(info.subresource)
        if sub is None:
            return _no_such_path()
        return None if info.verb in sub.verbs else _not_allowed()
    return None if info.verb in resource.verbs and _is_addressed(info) else _not_allowed()


def _custom(resource: Resource, info: RequestInfo) -> ApiError | None:
    if not resource.namespaced and info.namespace:
        return PageNotFound()
    if resource.namespaced and not info.namespace and info.verb not in _EVERYWHERE:
        return PageNotFound()
    group, plural = resource.gvr.group, resource.gvr.resource
    if info.subresource:
        sub = resource.subresources.get(info.subresource)
        if sub is None:
            return not_found(group, plural, info.name)
        verbs = sub.verbs
    else:
        verbs = resource.verbs
        if info.verb in ("update", "patch") and not info.name:
            return BadRequest("name must be provided")
    if info.verb in verbs:
        return None
    verb = info.verb if info.verb in _VERBS else ""
    text = f'{verb} is not supported on resources of kind "{qualified(group, plural)}"'
    return MethodNotAllowed(text, group=group, kind=plural)


def _no_such_path() -> NotFound:
    return NotFound("the server could not find the requested resource")


def _not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource")


def _is_addressed(info: RequestInfo) -> bool:
    """POST goes to a collection, PUT and PATCH to an object; the other verbs were told apart by their path."""
    if info.verb == "create":
        return not info.name
    return bool(info.name) or info.verb not in ("update", "patch")

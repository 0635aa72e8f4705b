"""The operations of a Resource: which URL takes which method, with which parameters and bodies.

Made in a neutral form that both versions of OpenAPI are written from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.resource import Resource, Subresource

Json = dict[str, Any]

_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
)
_STRATEGIC = "application/strategic-merge-patch+json"

# name → (type, description)
PARAMETERS: dict[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Send bookmarks on a watch: how far it has come, without an object."),
    "continue": ("string", "The token of an earlier, limited list: go on from there."),
    "dryRun": ("string", "All: do everything but store."),
    "fieldManager": ("string", "The name under which the changed fields are owned."),
    "fieldSelector": ("string", "Only objects whose fields have these values."),
    "fieldValidation": ("string", "What to do about unknown and duplicate fields: Ignore, Warn or Strict."),
    "force": ("boolean", "Server-side apply: take fields from other managers."),
    "gracePeriodSeconds": ("integer", "Seconds between the request and the removal; 0 removes at once."),
    "labelSelector": ("string", "Only objects whose labels match."),
    "limit": ("integer", "At most this many objects, with a token for the rest."),
    "orphanDependents": ("boolean", "Superseded by propagationPolicy."),
    "pretty": ("string", "Indent the answer."),
    "propagationPolicy": ("string", "What becomes of dependents: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "The revision to read at, or to watch from."),
    "resourceVersionMatch": ("string", "Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with what is there already."),
    "timeoutSeconds": ("integer", "End the call after so many seconds."),
    "watch": ("boolean", "Answer with a stream of changes."),
}
_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_METHODS = {"create": "post", "get": "get", "update": "put", "patch": "patch", "delete": "delete"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` and `answer`: "object", "list", "patch", "delete", "status", "text" or ""."""

    path: str
    method: str
    action: str
    id: str
    query: tuple[str, ...]
    body: str
    answer: str
    description: str
    group: str
    version: str
    kind: str
    patches: tuple[str, ...] = ()

    def path_parameters(self) -> list[str]:
        return [name for name in ("namespace", "name") if f"{{{name}}}" in self.path]


def operations(resource: Resource) -> Iterator[Operation]:
    gvr = resource.gvr
    collection = gvr.path("{namespace}" if gvr.namespaced else None)
    one = f"{collection}/{{name}}"
    for verb in ("list", "create", "deletecollection"):
        if verb in resource.verbs:
            yield _collection(resource, verb, collection)
    if gvr.namespaced and "list" in resource.verbs:
        yield _collection(resource, "list", gvr.path(), "ForAllNamespaces")
    for verb in ("get", "update", "patch", "delete"):
        if verb in resource.verbs:
            yield _single(resource, verb, one)
    for sub in resource.subresources.values():
        for verb in sub.verbs:
            yield _subresource(resource, sub, verb, f"{one}/{sub.name}")


def _id(verb: str, resource: Resource, suffix: str = "") -> str:
    group = resource.gvr.group.partition(".")[0] or "core"
    scope = "Namespaced" if resource.namespaced and suffix != "ForAllNamespaces" else ""
    version = resource.gvr.version
    return f"{verb}{group[:1].upper()}{group[1:]}{version[:1].upper()}{version[1:]}{scope}{resource.kind}{suffix}"


def _collection(resource: Resource, verb: str, path: str, suffix: str = "") -> Operation:
    gvr, kind = resource.gvr, resource.kind
    words: tuple[str, str, tuple[str, ...], str, str, str]
    match verb:
        case "list":
            words = ("get", "list", _LIST, "", "list", f"List or watch objects of kind {kind}.")
        case "create":
            words = ("post", "post", _WRITE, "object", "object", f"Create a {kind}.")
        case _:
            words = (
                "delete",
                "deletecollection",
                (*_DELETE, *_LIST[1:-1]),
                "delete",
                "status",
                f"Delete every selected {kind}.",
            )
    method, action, query, body, answer, description = words
    return Operation(
        path,
        method,
        action,
        _id(verb, resource, suffix),
        query,
        body,
        answer,
        description,
        gvr.group,
        gvr.version,
        kind,
    )


_SINGLE: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "get": ((), "", "object", "Read a {}."),
    "update": (_WRITE, "object", "object", "Replace a {}."),
    "patch": ((*_WRITE, "force"), "patch", "object", "Change some fields of a {}."),
    "delete": (_DELETE, "delete", "status", "Delete a {}."),
}


def _patch_types(resource: Resource) -> tuple[str, ...]:
    return _PATCHES if resource.custom else (*_PATCHES, _STRATEGIC)


def _single(resource: Resource, verb: str, path: str) -> Operation:
    query, body, answer, description = _SINGLE[verb]
    if verb == "delete" and resource.returns_deleted:
        answer = "object"
    gvr = resource.gvr
    return Operation(
        path,
        _METHODS[verb],
        _METHODS[verb],
        _id(verb, resource),
        query,
        body,
        answer,
        description.format(resource.kind),
        gvr.group,
        gvr.version,
        resource.kind,
        _patch_types(resource) if verb == "patch" else (),
    )


def _subresource(resource: Resource, sub: Subresource, verb: str, path: str) -> Operation:
    gvr = resource.gvr
    is_object = sub.kind == resource.kind and sub.name != "log"
    is_connect = sub.kind.endswith("Options")
    query, body, answer, _ = _SINGLE.get(verb, (_WRITE, "object", "object", ""))
    if is_connect or sub.name == "log":
        query, body, answer = (), "", "text"
    elif not is_object:
        body, answer = ("any" if body == "object" else body), "any"
    return Operation(
        path,
        _METHODS[verb],
        "connect" if is_connect else _METHODS[verb],
        _id(
            "connect" if is_connect else verb,
            resource,
            sub.name.capitalize() + (verb.capitalize() if is_connect else ""),
        ),
        query,
        body,
        answer,
        f"{verb.capitalize()} the {sub.name} of a {resource.kind}.",
        sub.group or gvr.group,
        sub.version or gvr.version,
        sub.kind,
        _patch_types(resource) if verb == "patch" and not is_connect else (),
    )

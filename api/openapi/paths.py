"""The operations of a Resource: which URL takes which method, with which parameters and bodies.

Made in a neutral form that both versions of OpenAPI are written from.
"""

from __future__ import annotations

import re
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
_TEXTS = ("application/json", "application/yaml")
_WORDS = re.compile(r"[A-Za-z0-9]+")
_STRATEGIC = "application/strategic-merge-patch+json"

# name → (type, description)
PARAMETERS: dict[str, tuple[str, str]] = {
    "command": ("string", "The command to run, a word each."),
    "container": ("string", "The container meant; the only one, if there is one."),
    "follow": ("boolean", "Go on with what is logged from now on."),
    "insecureSkipTLSVerifyBackend": ("boolean", "Do not check the node's certificate."),
    "limitBytes": ("integer", "At most this many bytes."),
    "path": ("string", "The path to ask for at the other side."),
    "ports": ("integer", "The ports to forward."),
    "previous": ("boolean", "Of the container before its restart."),
    "sinceSeconds": ("integer", "Not older than so many seconds."),
    "sinceTime": ("string", "Not older than this time."),
    "stderr": ("boolean", "Pass on the container's errors."),
    "stdin": ("boolean", "Pass on input to the container."),
    "stdout": ("boolean", "Pass on the container's output."),
    "tailLines": ("integer", "The last lines alone."),
    "timestamps": ("boolean", "A time before each line."),
    "tty": ("boolean", "Speak to a terminal."),
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
_CONNECT: dict[str, tuple[str, ...]] = {
    "attach": ("container", "stderr", "stdin", "stdout", "tty"),
    "exec": ("command", "container", "stderr", "stdin", "stdout", "tty"),
    "log": (
        "container",
        "follow",
        "insecureSkipTLSVerifyBackend",
        "limitBytes",
        "previous",
        "sinceSeconds",
        "tailLines",
        "timestamps",
    ),
    "portforward": ("ports",),
    "proxy": ("path",),
}
_METHODS = {"create": "post", "get": "get", "update": "put", "patch": "patch", "delete": "delete"}
_ID_VERBS = {"get": "read", "update": "replace", "deletecollection": "delete"}
_ANSWERS = {"post": (200, 201, 202), "put": (200, 201), "delete": (200, 202)}


Words = tuple[str, tuple[str, ...], str, str, str]  # method, query, body, answer, description


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` and `answer`: "object", "list", "patch", "delete", "status", "text" or "". `codes`: of good answers.
    `consumes`: the body's content types. `group`, `version` and `kind` are what the operation says it is about, `spoken` the
    (kind, group, version) of its bodies; `tag` is of the path."""

    path: str
    method: str
    action: str
    id: str
    tag: str
    query: tuple[str, ...]
    body: str
    answer: str
    codes: tuple[int, ...]
    consumes: tuple[str, ...]
    description: str
    group: str
    version: str
    kind: str
    spoken: tuple[str, str, str]

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


def _camel(text: str) -> str:
    """`rbac.authorization` → RbacAuthorization."""
    return "".join(part[:1].upper() + part[1:] for part in _WORDS.findall(text))


def _group(resource: Resource) -> str:
    return resource.gvr.group.removesuffix(".k8s.io") or "core"


def _tag(resource: Resource) -> str:
    name = _camel(_group(resource))
    return f"{name[:1].lower()}{name[1:]}_{resource.gvr.version}"


def _id(verb: str, resource: Resource, suffix: str = "", *, about: str = "") -> str:
    """readAppsV1NamespacedDeploymentStatus: names that clients are generated by."""
    scope = "Namespaced" if resource.namespaced and suffix != "ForAllNamespaces" else ""
    verb, about = _ID_VERBS.get(verb, verb), about or ("Collection" if verb == "deletecollection" else "")
    return (
        f"{verb}{_camel(_group(resource))}{_camel(resource.gvr.version)}{about}{scope}{resource.kind}{suffix}"
    )


def _operation(
    resource: Resource,
    path: str,
    action: str,
    id_: str,
    words: Words,
    kind: tuple[str, str, str] | None = None,
) -> Operation:
    gvr = resource.gvr
    method, query, body, answer, description = words
    own = (resource.kind, gvr.group, gvr.version)
    spoken = kind or own
    name, group, version = own if resource.custom else spoken
    codes = _ANSWERS.get(method, (200,)) if action == method else (200,)
    consumes: tuple[str, ...]
    if method == "patch":
        consumes = _PATCHES if resource.custom else (*_PATCHES, _STRATEGIC)
        codes = (200,) if resource.custom else (200, 201)
    else:
        consumes = _TEXTS if resource.custom else ("*/*",)
    return Operation(
        path, method, action, id_, _tag(resource), query, body, answer, codes, consumes, description, group, version, name, spoken
    )  # fmt: skip


def _collection(resource: Resource, verb: str, path: str, suffix: str = "") -> Operation:
    kind = resource.kind
    words: Words
    match verb:
        case "list":
            words = ("get", _LIST, "", "list", f"List or watch objects of kind {kind}.")
        case "create":
            words = ("post", _WRITE, "object", "object", f"Create a {kind}.")
        case _:
            # Of custom resources upstream publishes how they are selected alone.
            query = _LIST if resource.custom else (*_DELETE, *_LIST[1:-1])
            body = "" if resource.custom else "delete"
            words = ("delete", query, body, "status", f"Delete every selected {kind}.")
    action = words[0] if verb == "create" else verb
    return _operation(resource, path, action, _id(verb, resource, suffix), words)


_SINGLE: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "get": ((), "", "object", "Read a {}."),
    "update": (_WRITE, "object", "object", "Replace a {}."),
    "patch": ((*_WRITE, "force"), "patch", "object", "Change some fields of a {}."),
    "delete": (_DELETE, "delete", "status", "Delete a {}."),
}


def _single(resource: Resource, verb: str, path: str) -> Operation:
    query, body, answer, description = _SINGLE[verb]
    if verb == "delete" and resource.returns_deleted:
        answer = "object"
    if verb == "get" and resource.custom:
        query = ("resourceVersion",)
    method = _METHODS[verb]
    words = (method, query, body, answer, description.format(resource.kind))
    return _operation(resource, path, method, _id(verb, resource), words)


def _subresource(resource: Resource, sub: Subresource, verb: str, path: str) -> Operation:
    gvr = resource.gvr
    is_object = sub.kind == resource.kind and sub.name != "log"
    is_connect = sub.kind.endswith("Options")
    query, body, answer, _ = _SINGLE.get(verb, (_WRITE, "object", "object", ""))
    if verb == "get" and resource.custom:
        query = ("resourceVersion",)
    method, suffix = _METHODS[verb], _camel(sub.name)
    if is_connect or sub.name == "log":
        query, body, answer = _CONNECT.get(sub.name, ()), "", "text"
    elif not is_object:
        body, answer = ("any" if body == "object" else body), "any"
    id_ = (
        _id("connect", resource, suffix, about=_camel(method)) if is_connect else _id(verb, resource, suffix)
    )
    words = (method, query, body, answer, f"{verb.capitalize()} the {sub.name} of a {resource.kind}.")
    kind = (sub.kind, sub.group or gvr.group, sub.version or gvr.version)
    return _operation(resource, path, "connect" if is_connect else method, id_, words, kind)

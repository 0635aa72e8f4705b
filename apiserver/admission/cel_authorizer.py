"""The `authorizer` of admission expressions: what may this user, or a service account, do?

    authorizer.group("apps").resource("deployments").namespace("a").check("create").allowed()
    authorizer.path("/healthz").check("get").allowed()
    authorizer.serviceAccount("a", "builder").resource("pods").check("get").reason()
    authorizer.requestResource.check("approve").allowed()

What is asked is gathered in a map that is handed on from call to call. Source: Kubernetes CEL, Authorizer library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.admission.admission import AdmissionRequest
from apiserver.auth.seams import Authorizer
from apiserver.auth.user import Attributes, User
from machinery.cel.function import Function, marked

_WHO, _ASKS, _DECISION = "$authorizer", "$check", "$decision"
_FIELDS = ("group", "resource", "subresource", "namespace", "name")


def authorizer_value(user: User) -> dict[str, Any]:
    extra = {key: list(values) for key, values in user.extra.items()}
    return {_WHO: {"name": user.name, "groups": list(user.groups), "uid": user.uid, "extra": extra}}


def request_resource_value(request: AdmissionRequest) -> dict[str, Any]:
    """`authorizer.requestResource`: a check of the very thing that is being written."""
    gvr = request.resource.gvr
    asks = {
        "group": gvr.group,
        "version": gvr.version,
        "resource": gvr.resource,
        "subresource": request.subresource,
        "namespace": request.namespace,
        "name": request.name,
    }
    return {_ASKS: {**authorizer_value(request.user), **asks}}


def authorizer_functions(authorizer: Authorizer | None) -> Sequence[Function]:
    """Without an authorizer nothing is allowed."""

    def check(asks: Any, verb: str) -> dict[str, Any]:
        asked = marked(asks, _ASKS)
        if authorizer is None:
            return {_DECISION: {"allowed": False, "reason": "nobody is authorized here"}}
        who = marked(asked, _WHO)
        user = User(who["name"], tuple(who["groups"]), who["uid"], who["extra"])
        if "path" in asked:
            attributes = Attributes(user, verb, path=asked["path"])
        else:
            said = {field: asked.get(field, "") for field in _FIELDS}
            attributes = Attributes(user, verb, version=asked.get("version", "*"), **said)
        decision = authorizer.authorize(attributes)
        if decision.pending is not None:  # an expression cannot wait for a webhook
            return {_DECISION: {"allowed": False, "reason": "", "error": "a webhook would have to be asked"}}
        return {_DECISION: {"allowed": decision.allowed, "reason": decision.reason}}

    return (
        Function("path", ("map", "string"), "map", _begin_path, True),
        Function("group", ("map", "string"), "map", _begin_group, True),
        Function("serviceAccount", ("map", "string", "string"), "map", _service_account, True),
        *(_step(field) for field in _FIELDS[1:]),
        *(
            Function(name, ("map", "string"), "map", lambda asks, selector: asks, True)
            for name in ("fieldSelector", "labelSelector")
        ),
        Function("check", ("map", "string"), "map", check, True),
        Function("allowed", ("map",), "bool", lambda it: marked(it, _DECISION)["allowed"], True),
        Function("reason", ("map",), "string", lambda it: marked(it, _DECISION)["reason"], True),
        Function("errored", ("map",), "bool", lambda it: "error" in marked(it, _DECISION), True),
        Function("error", ("map",), "string", lambda it: marked(it, _DECISION).get("error", ""), True),
    )


def _begin_path(authorizer: Any, path: str) -> dict[str, Any]:
    return {_ASKS: {_WHO: marked(authorizer, _WHO), "path": path}}


def _begin_group(authorizer: Any, group: str) -> dict[str, Any]:
    return {_ASKS: {_WHO: marked(authorizer, _WHO), "group": group}}


def _service_account(authorizer: Any, namespace: str, name: str) -> dict[str, Any]:
    marked(authorizer, _WHO)
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return authorizer_value(User(f"system:serviceaccount:{namespace}:{name}", groups))


def _step(field: str) -> Function:
    def take(asks: Any, value: str) -> dict[str, Any]:
        return {_ASKS: {**marked(asks, _ASKS), field: value}}

    return Function(field, ("map", "string"), "map", take, True)

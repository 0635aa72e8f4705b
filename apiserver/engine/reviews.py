"""Questions asked by creating an object that is only answered, never stored: may I, may they, who am I, whose token.

Source: authorization.k8s.io/v1, authentication.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson

from api.resource import Obj
from apiserver.auth.seams import Authorizer, decide
from apiserver.auth.user import Attributes, User
from apiserver.engine.engine import Call, Engine, Written
from machinery.clock import rfc3339
from machinery.errors import BadRequest, Unauthorized, invalid

# (user, namespace) → the rules that hold, and why there may be others
RulesFor = Callable[[User, str], tuple[Sequence[Mapping[str, Any]], Sequence[str]]]
# (token, wanted audiences) → whose it is and for which of the audiences. Raises Unauthorized.
ReviewToken = Callable[[str, Sequence[str]], Awaitable[tuple[User, list[str]]]]


def _refuse_wrong(call: Call, obj: Obj) -> None:
    """Raises Invalid where the question is none."""
    causes = call.served.resource.strategy.validate(obj)
    if causes:
        raise invalid(call.group, "", "", causes)  # so told by upstream, which has lost the kind here


class Reviews:
    def __init__(self, authorizer: Authorizer, rules_for: RulesFor, review_token: ReviewToken) -> None:
        self._authorizer = authorizer
        self._rules_for = rules_for
        self._review_token = review_token

    async def self_subject_access(self, engine: Engine, call: Call, obj: Obj) -> Written:
        _refuse_wrong(call, obj)
        return self._answer(call, obj, await self._decide(call.user, obj.get("spec") or {}))

    async def subject_access(self, engine: Engine, call: Call, obj: Obj) -> Written:
        _refuse_wrong(call, obj)
        return self._answer(call, obj, await self._of_subject(obj))

    async def local_subject_access(self, engine: Engine, call: Call, obj: Obj) -> Written:
        obj["metadata"].setdefault("namespace", call.namespace)
        _refuse_wrong(call, obj)
        return self._answer(call, obj, await self._of_subject(obj))

    async def _of_subject(self, obj: Obj) -> dict[str, Any]:
        spec = obj.get("spec") or {}
        user = User(
            spec.get("user", ""),
            tuple(spec.get("groups") or ()),
            spec.get("uid", ""),
            spec.get("extra") or {},
        )
        return await self._decide(user, spec)

    async def _decide(self, user: User, spec: dict[str, Any]) -> dict[str, Any]:
        resource = spec.get("resourceAttributes")
        if resource is not None:
            attributes = Attributes(
                user,
                resource.get("verb", ""),
                resource.get("group", ""),
                resource.get("version", ""),
                resource.get("resource", ""),
                resource.get("subresource", ""),
                resource.get("namespace", ""),
                resource.get("name", ""),
            )
        else:
            asked: Mapping[str, str] = spec.get("nonResourceAttributes") or {}
            attributes = Attributes(user, asked.get("verb", ""), path=asked.get("path", ""))
        decision = await decide(self._authorizer, attributes)
        status: dict[str, Any] = {"allowed": decision.allowed}
        if decision.denied:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        return status

    async def self_subject_rules(self, engine: Engine, call: Call, obj: Obj) -> Written:
        namespace = (obj.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise BadRequest("no namespace on request")
        resource_rules, path_rules = [], []
        rules, unknown = self._rules_for(call.user, namespace)
        for rule in rules:
            if rule.get("nonResourceURLs"):
                path_rules.append(
                    {"verbs": list(rule["verbs"]), "nonResourceURLs": list(rule["nonResourceURLs"])}
                )
            else:
                keys = ("verbs", "apiGroups", "resources", "resourceNames")
                resource_rules.append({key: list(rule[key]) for key in keys if rule.get(key)})
        status: dict[str, Any] = {
            "resourceRules": resource_rules,
            "nonResourceRules": path_rules,
            "incomplete": bool(unknown),
        }
        if unknown:
            status["evaluationError"] = unknown[0] if len(unknown) == 1 else f"[{', '.join(unknown)}]"
        return self._answer(call, {**obj, "spec": {}}, status)  # the question is not repeated

    async def self_subject(self, engine: Engine, call: Call, obj: Obj) -> Written:
        obj["metadata"]["creationTimestamp"] = rfc3339(engine.clock.now())
        return self._answer(call, obj, {"userInfo": user_info(call.user)})

    async def token(self, engine: Engine, call: Call, obj: Obj) -> Written:
        spec = obj.get("spec") or {}
        if not spec.get("token"):
            raise BadRequest("token is required for TokenReview in authentication")
        status: dict[str, Any] = {"user": {}}
        try:
            user, audiences = await self._review_token(spec["token"], spec.get("audiences") or ())
            status = {"authenticated": True, "user": user_info(user), "audiences": audiences}
        except Unauthorized as error:
            status["error"] = error.message
        return self._answer(call, obj, status)

    def _answer(self, call: Call, obj: Obj, status: dict[str, Any]) -> Written:
        obj["status"] = status
        return Written(201, orjson.dumps(obj), obj)


def user_info(user: User) -> dict[str, Any]:
    info: dict[str, Any] = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in sorted(user.extra.items())}
    return info

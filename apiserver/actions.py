"""Resources that are nothing stored but something to be done: reviews, bindings, evictions, tokens.

Who creates one is answered with its outcome, and that is all there ever is of it.
"""

from __future__ import annotations

from apiserver.engine.actions import bind
from apiserver.engine.bodies import BINDING, EVICTION, TOKEN_REQUEST
from apiserver.engine.eviction import evict
from apiserver.engine.reviews import Reviews
from apiserver.guard import Guard
from apiserver.http.resources import Action, ActionSpec

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


def actions_of(guard: Guard) -> tuple[dict[tuple[str, str, str], ActionSpec], dict[tuple[str, str], Action]]:
    """(by group, resource and subresource: what a create there does; the same of whole resources)"""
    reviews = Reviews(guard.authorizer, guard.rules_for, guard.review_token)
    subresources = {
        ("", "pods", "binding"): ActionSpec(bind, BINDING),
        ("", "pods", "eviction"): ActionSpec(evict, EVICTION),
    }
    if guard.issue_token is not None:
        subresources["", "serviceaccounts", "token"] = ActionSpec(guard.issue_token, TOKEN_REQUEST)
    resources: dict[tuple[str, str], Action] = {
        (_AUTHORIZATION, "selfsubjectaccessreviews"): reviews.self_subject_access,
        (_AUTHORIZATION, "subjectaccessreviews"): reviews.subject_access,
        (_AUTHORIZATION, "localsubjectaccessreviews"): reviews.local_subject_access,
        (_AUTHORIZATION, "selfsubjectrulesreviews"): reviews.self_subject_rules,
        (_AUTHENTICATION, "selfsubjectreviews"): reviews.self_subject,
        (_AUTHENTICATION, "tokenreviews"): reviews.token,
        ("", "bindings"): bind,
    }
    return subresources, resources

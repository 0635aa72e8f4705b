"""When a container is started again by itself: its own policy, rules by exit codes, and on a change of its resources.

Source: Kubernetes "Pod Lifecycle", KEP-5307 (restart rules), KEP-1287 (in-place resize).
"""

from __future__ import annotations

from typing import Any

from api.validation.errors import Errors

Obj = dict[str, Any]

_POLICIES = ("Always", "Never", "OnFailure")
_MOST_RULES, _MOST_CODES = 20, 255


def validate_restart(errors: Errors, container: Obj, path: str) -> None:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        if rules:
            errors.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif policy not in _POLICIES:
        errors.not_supported(f"{path}.restartPolicy", policy, _POLICIES)
    if len(rules) > _MOST_RULES:
        errors.too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        _validate_rule(errors, rule, f"{path}.restartPolicyRules[{index}]")


def _validate_rule(errors: Errors, rule: Obj, path: str) -> None:
    action, codes = rule.get("action", ""), rule.get("exitCodes")
    if action not in (actions := ("Restart", "RestartAllContainers")):
        errors.not_supported(f"{path}.action", action, actions)
    if codes is None:
        errors.required(f"{path}.exitCodes", "must be specified")
        return
    operator = codes.get("operator", "")
    if operator not in ("In", "NotIn"):
        errors.not_supported(f"{path}.exitCodes.operator", operator, ("In", "NotIn"))
    if len(codes.get("values") or ()) > _MOST_CODES:
        errors.too_many(f"{path}.exitCodes.values", len(codes["values"]), _MOST_CODES)


def validate_init_restart(errors: Errors, container: Obj, path: str) -> None:
    """Rules without a policy are told of once and not looked at further."""
    if container.get("restartPolicy") is None:
        if container.get("restartPolicyRules"):
            errors.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    else:
        validate_restart(errors, container, path)


def validate_resize_policy(errors: Errors, container: Obj, path: str, pod_policy: str | None) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(container.get("resizePolicy") or ()):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            errors.duplicate(f"{path}[{index}]", name)
        seen.add(name)
        errors.one_of(path, name, ("cpu", "memory"), required=True)
        errors.one_of(path, restart, ("NotRequired", "RestartContainer"), required=True)
        if pod_policy == "Never" and restart != "NotRequired":
            errors.invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")

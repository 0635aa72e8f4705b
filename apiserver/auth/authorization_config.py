"""AuthorizationConfiguration: which authorizers there are, in which order; or the --authorization-* flags, which say less.

In comes the file of --authorization-config or the flags; out goes a tuple of `Mode`s, or an Invalid that names every
wrong field at once. Source: Kubernetes "Authorization", apiserver.config.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.auth.access_webhook import AccessWebhookRules
from machinery import field_errors
from machinery.cel import CelError, Environment
from machinery.durations import parse_duration
from machinery.errors import Cause, invalid

Obj = Mapping[str, Any]
KIND = "AuthorizationConfiguration"
GROUP = "apiserver.config.k8s.io"
API_VERSIONS = tuple(f"{GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
_REPEATABLE = "Webhook"
_MOST_CONDITIONS = 64
SHAPE = {
    "apiVersion": str,
    "kind": str,
    "authorizers": [
        {
            "type": str,
            "name": str,
            "webhook": {
                "authorizedTTL": str,
                "unauthorizedTTL": str,
                "cacheAuthorizedRequests": bool,
                "cacheUnauthorizedRequests": bool,
                "timeout": str,
                "subjectAccessReviewVersion": str,
                "matchConditionSubjectAccessReviewVersion": str,
                "failurePolicy": str,
                "connectionInfo": {"type": str, "kubeConfigFile": str},
                "matchConditions": [{"expression": str}],
            },
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Mode:
    """`rules` and what follows are a Webhook's."""

    type: str
    rules: AccessWebhookRules | None = None
    kubeconfig: str = ""
    timeout_s: float = 30.0


DEFAULT_MODES = (Mode("Node"), Mode("RBAC"))


def parse_config(obj: Obj) -> tuple[Mode, ...]:
    """Raises Invalid."""
    causes = check_config(obj)
    if causes:
        raise invalid(GROUP, KIND, "", causes)
    return tuple(_mode(entry) for entry in obj["authorizers"])


def modes_of_flags(
    names: Sequence[str], kubeconfig: str = "", *, allowed_s: float = 300.0, denied_s: float = 30.0
) -> tuple[Mode, ...]:
    """Raises Invalid."""
    causes: list[Cause] = []
    for index, name in enumerate(names):
        if name not in MODES:
            causes.append(field_errors.not_supported("authorization-mode", name, MODES))
        if name in names[:index]:
            causes.append(field_errors.duplicate("authorization-mode", name))
    if not names:
        causes.append(
            field_errors.required("authorization-mode", "at least one authorization-mode must be passed")
        )
    if ("Webhook" in names) != bool(kubeconfig):
        detail = "authorization-mode Webhook and authorization-webhook-config-file belong together"
        causes.append(field_errors.invalid_value("authorization-webhook-config-file", kubeconfig, detail))
    if causes:
        raise invalid(GROUP, KIND, "", causes)
    rules = AccessWebhookRules("default", (), False, allowed_s, denied_s)
    return tuple(Mode(name, rules, kubeconfig) if name == "Webhook" else Mode(name) for name in names)


def _mode(entry: Obj) -> Mode:
    if entry["type"] != "Webhook":
        return Mode(entry["type"])
    hook = entry["webhook"]
    rules = AccessWebhookRules(
        entry["name"],
        tuple(each["expression"] for each in hook.get("matchConditions") or ()),
        hook["failurePolicy"] == "Deny",
        _seconds(hook, "authorizedTTL", "cacheAuthorizedRequests", 300.0),
        _seconds(hook, "unauthorizedTTL", "cacheUnauthorizedRequests", 30.0),
    )
    return Mode("Webhook", rules, hook["connectionInfo"]["kubeConfigFile"], parse_duration(hook["timeout"]))


def _seconds(hook: Obj, name: str, switch: str, default_s: float) -> float:
    """How long an answer is remembered; the switch of newer configurations turns that off."""
    if hook.get(switch) is False:
        return 0.0
    return parse_duration(hook[name]) if hook.get(name) else default_s


def check_config(obj: Obj) -> list[Cause]:
    if wrong := field_errors.wrong_kind(obj, (KIND,), API_VERSIONS):
        return wrong
    entries = obj.get("authorizers") or ()
    if not entries:
        return [field_errors.required("authorizers", "at least one authorization mode must be defined")]
    causes: list[Cause] = []
    types, names = set(), set()
    for index, entry in enumerate(entries):
        path, type_, name = f"authorizers[{index}]", entry.get("type", ""), entry.get("name", "")
        if type_ not in MODES:
            causes.append(field_errors.not_supported(f"{path}.type", type_, MODES))
        elif type_ != _REPEATABLE and type_ in types:
            causes.append(field_errors.duplicate(f"{path}.type", type_))
        types.add(type_)
        if not name:
            causes.append(field_errors.required(f"{path}.name"))
        elif name in names:
            causes.append(field_errors.duplicate(f"{path}.name", name))
        names.add(name)
        if type_ == "Webhook":
            causes += _check_webhook(entry.get("webhook"), f"{path}.webhook")
        elif entry.get("webhook") is not None:
            detail = "may only be specified when type=Webhook"
            causes.append(field_errors.invalid_value(f"{path}.webhook", "non-null", detail))
    return causes


def _check_webhook(hook: Obj | None, path: str) -> list[Cause]:
    if hook is None:
        return [field_errors.required(path, "required when type=Webhook")]
    causes: list[Cause] = []
    causes += _check_duration(hook, path, "timeout", wanted=True, most_s=30.0)
    for name in ("authorizedTTL", "unauthorizedTTL"):
        causes += _check_duration(hook, path, name, wanted=False)
    for name in ("subjectAccessReviewVersion", "matchConditionSubjectAccessReviewVersion"):
        wanted = name.startswith("subject") or bool(hook.get("matchConditions"))
        if not hook.get(name):
            causes += [field_errors.required(f"{path}.{name}")] if wanted else []
        elif hook[name] != "v1":
            causes.append(field_errors.not_supported(f"{path}.{name}", hook[name], ("v1",)))
    if not hook.get("failurePolicy"):
        causes.append(field_errors.required(f"{path}.failurePolicy"))
    elif hook["failurePolicy"] not in ("NoOpinion", "Deny"):
        causes.append(
            field_errors.not_supported(f"{path}.failurePolicy", hook["failurePolicy"], ("NoOpinion", "Deny"))
        )
    connection = hook.get("connectionInfo") or {}
    at = f"{path}.connectionInfo"
    if connection.get("type") != "KubeConfigFile":
        causes.append(
            field_errors.not_supported(f"{at}.type", connection.get("type", ""), ("KubeConfigFile",))
        )
    elif not connection.get("kubeConfigFile"):
        causes.append(field_errors.required(f"{at}.kubeConfigFile"))
    elif not connection["kubeConfigFile"].startswith("/"):
        causes.append(
            field_errors.invalid_value(
                f"{at}.kubeConfigFile", connection["kubeConfigFile"], "must be an absolute path"
            )
        )
    return causes + _check_conditions(hook.get("matchConditions") or (), f"{path}.matchConditions")


def _check_duration(hook: Obj, path: str, name: str, *, wanted: bool, most_s: float = 0.0) -> list[Cause]:
    text = hook.get(name)
    if not text:
        return [field_errors.required(f"{path}.{name}")] if wanted else []
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        return [field_errors.invalid_value(f"{path}.{name}", text, str(error))]
    if seconds <= 0:
        return [field_errors.invalid_value(f"{path}.{name}", text, "must be > 0s")]
    if most_s and seconds > most_s:
        return [field_errors.invalid_value(f"{path}.{name}", text, f"must be <= {most_s:g}s")]
    return []


def _check_conditions(conditions: Sequence[Obj], path: str) -> list[Cause]:
    if len(conditions) > _MOST_CONDITIONS:
        return [field_errors.too_many(path, len(conditions), _MOST_CONDITIONS)]
    causes: list[Cause] = []
    environment = Environment(("request",))
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at, text = f"{path}[{index}].expression", (condition.get("expression") or "").strip()
        if not text:
            causes.append(field_errors.required(at))
            continue
        if text in seen:
            causes.append(field_errors.duplicate(at, text))
        seen.add(text)
        try:
            if environment.compile(text).result not in ("BOOL", "DYN"):
                causes.append(field_errors.invalid_value(at, text, "must evaluate to bool"))
        except CelError as error:
            causes.append(field_errors.invalid_value(at, text, f"compilation failed: {error}"))
    return causes

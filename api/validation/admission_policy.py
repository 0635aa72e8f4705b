"""Admission policies in CEL and their bindings. Expressions are looked at for being there, not compiled.

Source: Kubernetes "Validating Admission Policy", "Mutating Admission Policy".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from api.validation.admission_rule import validate_match_conditions, validate_match_resources
from api.validation.conditions import validate_conditions
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_MAX_NOTES, _MAX_NOTE_BYTES = 20, 5 * 1024
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_PAIR = "must not contain both Deny and Warn (repeating the same validation failure information in the API response "


def validate_validating_policy(policy: Obj, old: Obj | None = None) -> Sequence[Cause]:
    """A new policy, or the successor of `old`, whose conditions are judged anew only where something changed."""
    errors = Errors()
    spec = policy.get("spec") or {}
    _validate_common(errors, spec, None if old is None else old.get("spec") or {})
    validations, notes = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not notes:
        message = "validations or auditAnnotations must contain at least one item"
        errors.required("spec.validations", message)
        errors.required("spec.auditAnnotations", message)
    for index, each in enumerate(validations):
        _validate_validation(errors, each, f"spec.validations[{index}]")
    if len(notes) > _MAX_NOTES:
        message = f"must not have more than {_MAX_NOTES} auditAnnotations"
        errors.invalid("spec.auditAnnotations", notes, message)
    seen: set[str] = set()
    for index, note in enumerate(notes):
        at, key = f"spec.auditAnnotations[{index}]", note.get("key", "")
        whole = f"{policy['metadata'].get('name', '')}/{key}"
        errors.invalid_each(f"{at}.key", whole, names.qualified_name(whole))
        value = note.get("valueExpression", "").strip()
        if not value:
            errors.required(f"{at}.valueExpression", "valueExpression is not specified")
        elif len(value.encode()) > _MAX_NOTE_BYTES:
            message = f"must not exceed {_MAX_NOTE_BYTES} bytes in length"
            errors.required(f"{at}.valueExpression", message)
        if key in seen:
            errors.duplicate(f"{at}.key", key)
        seen.add(key)
    return errors.causes


def validate_mutating_policy(policy: Obj, old: Obj | None = None) -> Sequence[Cause]:
    errors = Errors()
    spec = policy.get("spec") or {}
    _validate_common(errors, spec, None if old is None else old.get("spec") or {})
    policies = ("IfNeeded", "Never")
    errors.one_of("spec.reinvocationPolicy", spec.get("reinvocationPolicy"), policies, required=True)
    mutations = spec.get("mutations") or []
    if not mutations:
        errors.required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(mutations):
        at, kind = f"spec.mutations[{index}]", mutation.get("patchType", "")
        fields = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
        errors.one_of(f"{at}.patchType", kind, fields, required=True)
        for each, field in fields.items():
            change = mutation.get(field)
            if each != kind:
                if change is not None and kind in fields:
                    errors.invalid(f"{at}.{field}", change, f"must not be set when patchType is {kind}")
            elif change is None:
                errors.required(f"{at}.{field}", f"must be specified when patchType is {kind}")
            elif not change.get("expression", "").strip():
                errors.required(f"{at}.{field}.expression")
    return errors.causes


def _validate_common(errors: Errors, spec: Obj, old: Obj | None) -> None:
    errors.one_of("spec.failurePolicy", spec.get("failurePolicy"), ("Fail", "Ignore"), required=True)
    if spec.get("paramKind") is not None:
        _validate_param_kind(errors, spec["paramKind"])
    match = spec.get("matchConstraints")
    if match is None:
        errors.required("spec.matchConstraints")
    else:
        validate_match_resources(errors, match, "spec.matchConstraints")
        if not match.get("resourceRules"):
            errors.required("spec.matchConstraints.resourceRules")
    judged = ("paramKind", "matchConditions")
    if old is None or any(spec.get(field) != old.get(field) for field in judged):
        validate_match_conditions(errors, spec.get("matchConditions") or [], "spec.matchConditions")
    for index, variable in enumerate(spec.get("variables") or ()):
        at, name = f"spec.variables[{index}]", variable.get("name", "")
        if not name.strip():
            errors.required(f"{at}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(name) or name in names.CEL_RESERVED_WORDS:
            errors.invalid(f"{at}.name", name, "name is not a valid CEL identifier")
        if not variable.get("expression", "").strip():
            errors.required(f"{at}.expression", "expression is not specified")


def _validate_param_kind(errors: Errors, kind: Obj) -> None:
    path, version = "spec.paramKind", kind.get("apiVersion", "")
    if not version:
        errors.required(f"{path}.apiVersion")
    elif version.count("/") > 1:
        errors.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    else:
        group, _, name = version.rpartition("/")
        _joined(errors, f"{path}.apiVersion", group, names.dns1123_subdomain(group) if group else ())
        if not name:
            errors.invalid(f"{path}.apiVersion", version, "version must be specified")
        else:
            _joined(errors, f"{path}.apiVersion", name, names.dns1035_label(name))
    word = kind.get("kind", "")
    if not word:
        errors.required(f"{path}.kind")
    elif wrong := names.dns1035_label(word.lower()):
        detail = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        errors.invalid(f"{path}.kind", word, detail)


def _joined(errors: Errors, path: str, value: str, wrong: tuple[str, ...]) -> None:
    if wrong:
        errors.invalid(path, value, ",".join(wrong))


def _validate_validation(errors: Errors, validation: Obj, path: str) -> None:
    if not validation.get("expression", "").strip():
        errors.required(f"{path}.expression", "expression is not specified")
    said, message = validation.get("messageExpression", ""), validation.get("message", "")
    if said and not said.strip():
        errors.invalid(f"{path}.messageExpression", said, "must be non-empty if specified")
    if message and not message.strip():
        errors.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif set("\n\r") & set(message.strip()):
        errors.invalid(f"{path}.message", message, "message must not contain line breaks")
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        errors.not_supported(f"{path}.reason", reason, _REASONS)


def validate_policy_status(policy: Obj) -> Sequence[Cause]:
    """What the type checker found, and conditions."""
    errors = Errors()
    status = policy.get("status") or {}
    checked = (status.get("typeChecking") or {}).get("expressionWarnings") or ()
    for index, each in enumerate(checked):
        at = f"status.typeChecking.expressionWarnings[{index}]"
        if not each.get("warning"):
            errors.required(f"{at}.warning")
        if not each.get("fieldRef", "").strip():
            errors.required(f"{at}.fieldRef")
    validate_conditions(errors, status.get("conditions") or (), "status.conditions")
    return errors.causes


def validate_binding(binding: Obj, *, validating: bool) -> Sequence[Cause]:
    errors = Errors()
    spec = binding.get("spec") or {}
    name = spec.get("policyName", "")
    if not name:
        errors.required("spec.policyName")
    else:
        errors.invalid_each("spec.policyName", name, names.dns1123_subdomain(name))
    if spec.get("paramRef") is not None:
        _validate_param_ref(errors, spec["paramRef"])
    if spec.get("matchResources") is not None:
        validate_match_resources(errors, spec["matchResources"], "spec.matchResources")
    if validating:
        _validate_actions(errors, spec.get("validationActions") or [])
    return errors.causes


def _validate_param_ref(errors: Errors, ref: Obj) -> None:
    path, name, selector = "spec.paramRef", ref.get("name", ""), ref.get("selector")
    either = "name and selector are mutually exclusive"
    if name:
        errors.invalid_each(f"{path}.name", name, names.path_segment(name))
        if selector is not None:
            errors.forbidden(f"{path}.name", either)
    errors.causes += validate_label_selector(selector, f"{path}.selector")
    if name and selector is not None:
        errors.forbidden(f"{path}.selector", either)
    if not name and selector is None:
        errors.required(path, "one of name or selector must be specified")
    action = ref.get("parameterNotFoundAction")
    errors.one_of(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"), required=True)


def _validate_actions(errors: Errors, actions: list[str]) -> None:
    path = "spec.validationActions"
    if not actions:
        errors.required(path, "at least one validation action is required")
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            errors.not_supported(f"{path}[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            errors.duplicate(f"{path}[{index}]", action)
    if {"Deny", "Warn"} <= set(actions):
        errors.invalid(path, actions, f"{_PAIR}and headers serves no purpose)")

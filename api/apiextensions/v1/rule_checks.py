"""The CEL rules of a schema's node, when a definition is written: they must say what is needed, compile, name fields that
exist, and be done in reasonable time with the largest object that the schema allows.

    validate_rule_words(errors, node, path)             their words alone
    validate_rules(errors, node, path, place, root=)    their expressions, compiled against the schema

Source: apiextensions-apiserver pkg/apis/apiextensions/validation and pkg/apiserver/schema/cel/compilation.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.apiextensions.v1.cel_values import seen_schema
from api.apiextensions.v1.field_paths import PathError, declared
from api.apiextensions.v1.rules import environment, expression_of, names_old_self
from api.validation.errors import Errors
from machinery.cel import CelError
from machinery.cel.typecheck import check
from machinery.errors import Cause
from machinery.schema import Schema

Json = dict[str, Any]

# A hundred times what upstream allows, of steps that are counted more coarsely: only the hopeless are refused.
MAX_STEPS = 1_000_000_000
TOO_EXPENSIVE = (
    "estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, "
    "maxProperties, and maxLength where arrays, maps, and strings are declared)"
)
_NO_TYPE = (
    "Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: "
    "unable to convert structural schema to CEL declarations"
)
_MOST_ITEMS = 1024 * 1024  # that a request of the largest size can hold, three bytes each
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an object a node stands: in how many copies at most, and below which node whose content has no past."""

    copies: int = 1
    uncorrelatable: str = ""

    def inside(self, node: Json, path: str, *, is_map: bool) -> Place:
        """The place of the items of `node`."""
        said = node.get("maxItems" if node.get("type") == "array" else "maxProperties")
        most = min(int(said), _MOST_ITEMS) if said is not None else _MOST_ITEMS
        return Place(self.copies * most, self.uncorrelatable or ("" if is_map else path))


TOP = Place()


def validate_rule_words(errors: Errors, node: Json, path: str) -> None:
    for index, rule in enumerate(node["x-kubernetes-validations"]):
        at = f"{path}.x-kubernetes-validations[{index}]"
        text, said = str(rule.get("rule") or "").strip(), rule.get("message") or ""
        if not text:
            errors.required(f"{at}.rule", "rule is not specified")
        elif said and not said.strip():
            errors.invalid(f"{at}.message", said, "must be non-empty if specified")
        elif _has_lines(said.strip()):
            errors.invalid(f"{at}.message", said, "must not contain line breaks")
        elif _has_lines(text) and not said:
            errors.required(f"{at}.message", "message must be specified if rule contains line breaks")
        dynamic = rule.get("messageExpression") or ""
        if dynamic and not dynamic.strip():
            errors.required(f"{at}.messageExpression", "messageExpression must be non-empty if specified")
        if rule.get("reason") is not None and rule["reason"] not in _REASONS:
            errors.not_supported(f"{at}.reason", rule["reason"], _REASONS)
        _validate_field_path(errors, rule.get("fieldPath") or "", node, f"{at}.fieldPath")


def _has_lines(text: str) -> bool:
    return "\n" in text or "\r" in text


def _validate_field_path(errors: Errors, said: str, node: Json, path: str) -> None:
    if not said:
        return
    if not said.strip():
        errors.invalid(path, said, "must be non-empty if specified")
    if _has_lines(said):
        errors.invalid(path, said, "must not contain line breaks")
    try:
        declared(said, node)
    except PathError:
        errors.invalid(path, said, "must be a valid path")


def validate_rules(errors: Errors, node: Json, path: str, place: Place, *, root: bool = False) -> None:
    """Of rules whose words are right, in a schema that is structural."""
    if not node.get("type") and not node.get("x-kubernetes-int-or-string"):
        errors.causes.append(Cause("InternalError", _NO_TYPE, f"{path}.x-kubernetes-validations"))
        return
    seen = seen_schema(node, root=root)
    for index, rule in enumerate(node["x-kubernetes-validations"]):
        at, text = f"{path}.x-kubernetes-validations[{index}]", str(rule["rule"])
        judge = _Judge(errors, seen, place, rule)
        if judge.expression(f"{at}.rule", text, "BOOL", "", "cel expression must evaluate to a bool"):
            dynamic = str(rule.get("messageExpression") or "")
            if dynamic:
                wrong = "messageExpression must evaluate to a string"
                judge.expression(f"{at}.messageExpression", dynamic, "STRING", "messageExpression ", wrong)
        if names_old_self(text):
            if place.uncorrelatable:
                message = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelatable}"
                errors.invalid(f"{at}.rule", text, message)
        elif rule.get("optionalOldSelf") is not None:
            message = "may not be set if oldSelf is not used in rule"
            errors.invalid(f"{at}.optionalOldSelf", rule["optionalOldSelf"], message)


@dataclass(frozen=True, slots=True)
class _Judge:
    errors: Errors
    seen: Schema
    place: Place
    rule: Json

    def expression(self, path: str, text: str, wanted: str, whose: str, wrong_type: str) -> bool:
        """True where it compiles. `whose` begins the message where it does not."""
        whole = expression_of(self.rule, text)
        try:
            program = environment().compile(whole)
        except CelError as error:
            self._refuse(path, f"{whose}compilation failed: {error}")
            return False
        if program.result not in (wanted, "DYN"):
            self._refuse(path, wrong_type)
            return False
        mistakes, steps, result = check(program.tree(), whole, {"self": self.seen, "oldSelf": self.seen})
        for mistake in mistakes:
            self._refuse(path, f"{whose}compilation failed: {mistake}")
        if not mistakes and result not in (wanted.lower(), "dyn"):
            self._refuse(path, wrong_type)
            return False
        if steps * self.place.copies > MAX_STEPS:
            self.errors.forbidden(path, TOO_EXPENSIVE)
        return not mistakes

    def _refuse(self, path: str, why: str) -> None:
        """The value told is the whole rule, in the form that upstream keeps it in."""
        rule = self.rule
        told = {
            "Rule": rule.get("rule", ""),
            "Message": rule.get("message") or "",
            "MessageExpression": rule.get("messageExpression") or "",
            "Reason": rule.get("reason"),
            "FieldPath": rule.get("fieldPath") or "",
            "OptionalOldSelf": rule.get("optionalOldSelf"),
        }
        self.errors.invalid(path, told, why)

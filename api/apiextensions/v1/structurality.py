"""Whether a version's schema is structural: every field's type is known without looking at a value.

Types, defaults and nullability stand only at a field's own place, never inside allOf, anyOf, oneOf or not; those may
only narrow values of fields that the schema declares outside of them. All mistakes at once, in the order of their texts.

In: the openAPIV3Schema as plain JSON, and the path at which it stands. Whether its words are right at all is
`schema_words`' matter.

Source: apiextensions-apiserver pkg/apiserver/schema/{validation,complete}.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import patterns
from machinery.errors import Cause

Json = dict[str, Any]

_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_QUANTIFIERS = ("anyOf", "allOf", "oneOf")
# What says something of structure, and may not stand inside a junctor; each with how it must be there instead.
_OUTSIDE_ONLY = (
    ("type", "must be empty to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)
# Words that say something when they are 0, false or empty.
_SAY_SOMETHING = frozenset(
    ("additionalProperties", "externalDocs", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength",
     "minProperties", "minimum", "multipleOf", "not")
)  # fmt: skip
_EMPTY_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def unstructural(schema: Json, path: str) -> Sequence[Cause]:
    """What keeps the schema from being structural."""
    errors = Errors()
    _check(errors, schema, "root", path)
    _check_complete(errors, schema, schema, path, path)
    return sorted(errors.causes, key=lambda cause: f"{cause.field}: {cause.message}")


def _check(errors: Errors, node: Json, level: str, path: str) -> None:
    kind = node.get("type") or ""
    items, additional = node.get("items"), node.get("additionalProperties")
    if kind == "array" and items is None:
        errors.required(f"{path}.items", "must be specified")
    if isinstance(items, dict):
        _check(errors, items, "item", f"{path}.items")
    for name, child in (node.get("properties") or {}).items():
        _check(errors, child, "field", f"{path}.properties[{name}]")
    if additional is not None:
        if level == "root":
            errors.forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(additional, dict):
            _check(errors, additional, "field", f"{path}.additionalProperties")
    if node.get("x-kubernetes-int-or-string"):
        for word in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if node.get(word):
                errors.invalid(f"{path}.{word}", True, "must be false if x-kubernetes-int-or-string is true")
    _check_values(errors, node, path)
    _check_type(errors, node, level, kind, path)
    _check_envelope(errors, node, level, path)


def _check_type(errors: Errors, node: Json, level: str, kind: str, path: str) -> None:
    embedded = node.get("x-kubernetes-embedded-resource")
    if embedded and kind != "object":
        _object_wanted(errors, kind, path, "must be object if x-kubernetes-embedded-resource is true")
    elif (
        not kind
        and not node.get("x-kubernetes-int-or-string")
        and not node.get("x-kubernetes-preserve-unknown-fields")
    ):
        errors.required(f"{path}.type", _EMPTY_TYPE[level])
    if embedded and node.get("additionalProperties") is not None:
        message = "must not be used if x-kubernetes-embedded-resource is set"
        errors.forbidden(f"{path}.additionalProperties", message)
    if level == "root" and kind and kind != "object":
        errors.invalid(f"{path}.type", kind, "must be object at the root")
    if embedded and not node.get("x-kubernetes-preserve-unknown-fields") and not node.get("properties"):
        message = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        errors.required(f"{path}.properties", message)


def _object_wanted(errors: Errors, kind: str, path: str, message: str) -> None:
    if kind:
        errors.invalid(f"{path}.type", kind, message)
    else:
        errors.required(f"{path}.type", message)


def _check_envelope(errors: Errors, node: Json, level: str, path: str) -> None:
    """What stands in every object may be said again, but for the name not narrowed."""
    properties = node.get("properties") or {}
    if level != "root" and not node.get("x-kubernetes-embedded-resource"):
        return
    for name in ("kind", "apiVersion"):
        said = properties.get(name)
        if said is not None and said.get("type") != "string":
            errors.invalid(f"{path}.properties[{name}].type", said.get("type") or "", "must be string")
    metadata = properties.get("metadata")
    if metadata is None:
        return
    at = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        errors.invalid(f"{at}.type", metadata.get("type") or "", "must be object")
    if level == "root":
        rest = {
            key: value
            for key, value in metadata.items()
            if key not in ("type", "default") and (value or (value is not None and key in _SAY_SOMETHING))
        }
        if rest.get("properties", {}).keys() <= {"name", "generateName"}:
            rest.pop("properties", None)
        if rest:
            message = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            errors.forbidden(at, message)


def _check_values(errors: Errors, node: Json, path: str) -> None:
    """The narrowing words of a node that is itself outside of junctors."""
    first = (node.get("allOf") or [{}])[0]
    spelled = (node.get("anyOf") == _INT_OR_STRING, first.get("anyOf") == _INT_OR_STRING)
    _check_narrowing(errors, node, path, *spelled)


def _check_narrowing(errors: Errors, node: Json, path: str, skip_any: bool, skip_first: bool) -> None:
    """`skip_any`, `skip_first`: int-or-string is spelled out by types in anyOf, in the first allOf's anyOf."""
    for word in _QUANTIFIERS:
        if word == "anyOf" and skip_any:
            continue
        for index, branch in enumerate(node.get(word) or ()):
            inner = word == "allOf" and index == 0 and skip_first
            _check_branch(errors, branch, f"{path}.{word}[{index}]", skip_any=inner)
    if isinstance(node.get("not"), dict):
        _check_branch(errors, node["not"], f"{path}.not")
    if node.get("pattern"):
        try:
            patterns.check(node["pattern"])
        except patterns.PatternError as error:
            message = f"must be a valid regular expression, but isn't: {error}"
            errors.invalid(f"{path}.pattern", node["pattern"], message)


def _check_branch(errors: Errors, branch: Json, path: str, *, skip_any: bool = False) -> None:
    _check_narrowing(errors, branch, path, skip_any, False)
    if isinstance(branch.get("items"), dict):
        _check_branch(errors, branch["items"], f"{path}.items")
    properties = branch.get("properties") or {}
    for name, child in properties.items():
        _check_branch(errors, child, f"{path}.properties[{name}]")
    for word, message in _OUTSIDE_ONLY:
        if branch.get(word) not in (None, "", False, []):
            errors.forbidden(f"{path}.{word}", message)
    if branch.get("additionalProperties"):
        errors.forbidden(f"{path}.additionalProperties", "must be undefined to be structural")
    if "metadata" in properties:
        errors.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _check_complete(errors: Errors, narrowing: Json, node: Json | None, path: str, at: str) -> None:
    """Everything that the junctors of `narrowing` (at `at`) speak of is declared by `node` (at `path`)."""
    branches = [(f"{at}.not", narrowing["not"])] if isinstance(narrowing.get("not"), dict) else []
    for word in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(narrowing.get(word) or ()):
            branches.append((f"{at}.{word}[{index}]", branch))
    for where, branch in branches:
        _check_declared(errors, branch, node, path, where)


def _check_declared(errors: Errors, branch: Json, node: Json | None, path: str, at: str) -> None:
    if node is None:
        errors.required(path, f"because it is defined in {at}")
        return
    _check_complete(errors, branch, node, path, at)
    if isinstance(branch.get("items"), dict):
        items = node.get("items")
        inner = items if isinstance(items, dict) else None
        _check_declared(errors, branch["items"], inner, f"{path}.items", f"{at}.items")
    declared = node.get("properties") or {}
    for name, child in (branch.get("properties") or {}).items():
        where = f"{at}.properties[{name}]"
        _check_declared(errors, child, declared.get(name), f"{path}.properties[{name}]", where)

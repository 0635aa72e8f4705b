"""What a CustomResourceDefinition must be: names, versions, schemas, columns, subresources; and what may change.

Source: Kubernetes "CustomResourceDefinition", API conventions on names.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

from api.apiextensions.v1.approval import APPROVED, is_protected, missing_approval, says_approved
from api.apiextensions.v1.structural import validate_structural
from api.apiextensions.v1.values import validate_value
from api.validation.errors import Errors
from api.validation.webhook import validate_client_config, validate_review_versions
from machinery import jsonpath, names
from machinery.errors import Cause

Obj = dict[str, Any]

_PATH = re.compile(r"(\.[A-Za-z0-9_-]+|\[['\"]?[^\]]+['\"]?\])+")
_SIMPLE_PATH = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_-]*)+")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")


def validate_definition(crd: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec = crd.get("spec") or {}
    _validate_group(errors, crd, spec)
    _validate_names(errors, spec.get("names") or {}, "spec.names")
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        errors.one_of("spec.scope", spec.get("scope"), ("Cluster", "Namespaced"), required=True)
    _validate_versions(errors, spec)
    _validate_conversion(errors, spec)
    if spec.get("preserveUnknownFields"):
        message = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        errors.invalid("spec.preserveUnknownFields", True, message)
    return errors.causes


def _validate_group(errors: Errors, crd: Obj, spec: Obj) -> None:
    group, plural = spec.get("group", ""), (spec.get("names") or {}).get("plural", "")
    name = crd["metadata"].get("name", "")
    if name != f"{plural}.{group}":
        errors.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        errors.required("spec.group")
        return
    errors.invalid_each("spec.group", group, names.dns1123_subdomain(group))
    if "." not in group:
        errors.invalid("spec.group", group, "should be a domain with at least one dot")
    if is_protected(group):
        said = (crd["metadata"].get("annotations") or {}).get(APPROVED, "")
        at = f"metadata.annotations[{APPROVED}]"
        if not said:
            errors.required(at, missing_approval(said))
        elif not said.startswith("unapproved") and not says_approved(said):
            errors.invalid(at, said, missing_approval(said))


def _validate_names(errors: Errors, wanted: Obj, path: str) -> None:
    for field in ("plural", "singular", "kind", "listKind"):
        value = wanted.get(field, "")
        if not value:
            errors.required(f"{path}.{field}")
        else:
            errors.invalid_each(f"{path}.{field}", value, names.dns1035_label(value.lower()))
    for field in ("plural", "singular"):
        value = wanted.get(field, "")
        if value != value.lower():
            errors.invalid_each(f"{path}.{field}", value, names.dns1035_label(value))
    if wanted.get("kind") and wanted.get("kind") == wanted.get("listKind"):
        errors.invalid(f"{path}.listKind", wanted["listKind"], "kind and listKind may not be the same")
    for field in ("shortNames", "categories"):
        for index, each in enumerate(wanted.get(field) or ()):
            errors.invalid_each(f"{path}.{field}[{index}]", each, names.dns1035_label(each))


def _validate_versions(errors: Errors, spec: Obj) -> None:
    versions = spec.get("versions") or []
    if not versions:
        errors.required("spec.versions")
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        at, name = f"spec.versions[{index}]", version.get("name", "")
        errors.invalid_each(f"{at}.name", name, names.dns1035_label(name))
        if name in seen:
            errors.invalid(
                "spec.versions", [v.get("name") for v in versions], "must contain unique version names"
            )
        seen.add(name)
        _validate_version(errors, version, spec, at)
    if sum(bool(version.get("storage")) for version in versions) != 1:
        shown = [v.get("name") for v in versions]
        errors.invalid("spec.versions", shown, "must have exactly one version marked as storage version")


def _validate_version(errors: Errors, version: Obj, spec: Obj, path: str) -> None:
    if version.get("deprecationWarning") is not None and not version.get("deprecated"):
        message = "can only be set for deprecated versions"
        errors.invalid(f"{path}.deprecationWarning", version["deprecationWarning"], message)
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    at = f"{path}.schema.openAPIV3Schema"
    if schema is None:
        errors.required(at, "schemas are required")
    else:
        found = len(errors.causes)
        validate_structural(errors, schema, at)
        if len(errors.causes) == found:
            _validate_defaults(errors, schema, at)
    _validate_columns(errors, version, path)
    _validate_subresources(errors, version, path)
    _validate_selectable(errors, version, schema, path)


def _validate_defaults(errors: Errors, schema: Obj, path: str) -> None:
    """A default must itself be right."""
    if "default" in schema and schema["default"] is not None:
        inner = Errors()
        validate_value(inner, schema["default"], schema, f"{path}.default")
        errors.causes += inner.causes
        if unknown := list(unknown_fields(schema["default"], schema)):
            message = f"must not have unknown fields: {', '.join(unknown)}"
            errors.invalid(f"{path}.default", schema["default"], message)
    for name, child in (schema.get("properties") or {}).items():
        _validate_defaults(errors, child, f"{path}.properties[{name}]")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            _validate_defaults(errors, schema[word], f"{path}.{word}")


def unknown_fields(value: Any, schema: Obj, path: str = "") -> Iterator[str]:
    """Fields that pruning would take away."""
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from unknown_fields(item, schema["items"], f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    known, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    envelope = ("apiVersion", "kind", "metadata") if schema.get("x-kubernetes-embedded-resource") else ()
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        if name in known:
            yield from unknown_fields(item, known[name], here)
        elif isinstance(additional, dict):
            yield from unknown_fields(item, additional, here)
        elif (
            not additional and not schema.get("x-kubernetes-preserve-unknown-fields") and name not in envelope
        ):
            yield here


def _validate_columns(errors: Errors, version: Obj, path: str) -> None:
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        at = f"{path}.additionalPrinterColumns[{index}]"
        if not column.get("name"):
            errors.required(f"{at}.name")
        errors.one_of(f"{at}.type", column.get("type"), _COLUMN_TYPES, required=True)
        errors.one_of(f"{at}.format", column.get("format"), _COLUMN_FORMATS)
        _validate_json_path(errors, column.get("jsonPath", ""), f"{at}.jsonPath")


def _validate_json_path(errors: Errors, value: str, path: str) -> None:
    if not value:
        errors.required(path)
    elif not value.startswith("."):
        errors.invalid(path, value, "must be a simple json path starting with .")
    elif not _PATH.fullmatch(value) or not _is_json_path(value):
        errors.invalid(path, value, "must be a valid json path")


def _is_json_path(text: str) -> bool:
    try:
        jsonpath.compile(text)
    except jsonpath.JSONPathError:
        return False
    return True


def _validate_subresources(errors: Errors, version: Obj, path: str) -> None:
    scale = (version.get("subresources") or {}).get("scale")
    if scale is None:
        return
    for field, below, optional in (
        ("specReplicasPath", ".spec.", False),
        ("statusReplicasPath", ".status.", False),
        ("labelSelectorPath", "", True),
    ):
        at, value = f"{path}.subresources.scale.{field}", scale.get(field, "")
        if not value:
            if not optional:
                errors.required(at)
        elif not _SIMPLE_PATH.fullmatch(value):
            errors.invalid(
                at, value, f"should be a json path under {below[:-1] or 'either .spec or .status'}"
            )
        elif below and not value.startswith(below):
            errors.invalid(at, value, f"should be a json path under {below[:-1]}")
        elif not below and not value.startswith((".spec.", ".status.")):
            errors.invalid(at, value, "should be a json path under either .spec or .status")


def _validate_selectable(errors: Errors, version: Obj, schema: Obj | None, path: str) -> None:
    fields = version.get("selectableFields") or []
    if len(fields) > 8:
        errors.too_many(f"{path}.selectableFields", len(fields), 8)
    seen: set[str] = set()
    for index, each in enumerate(fields):
        at, value = f"{path}.selectableFields[{index}].jsonPath", each.get("jsonPath", "")
        if not value:
            errors.required(at)
            continue
        if value in seen:
            errors.duplicate(at, value)
        seen.add(value)
        if not _SIMPLE_PATH.fullmatch(value):
            errors.invalid(at, value, "is an invalid path: only simple paths are supported")
        elif value.startswith(".metadata."):
            errors.invalid(at, value, "must not point to fields in metadata")
        elif schema is not None and not _is_selectable(schema, value):
            message = (
                "is an invalid path: must point to a field that exists and is a string, boolean or integer"
            )
            errors.invalid(at, value, message)


def _is_selectable(schema: Obj, path: str) -> bool:
    node: Any = schema
    for name in path.strip(".").split("."):
        node = (node.get("properties") or {}).get(name) if isinstance(node, dict) else None
    return isinstance(node, dict) and node.get("type") in ("string", "boolean", "integer")


def _validate_conversion(errors: Errors, spec: Obj) -> None:
    conversion = spec.get("conversion") or {}
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook")
    errors.one_of("spec.conversion.strategy", strategy, ("None", "Webhook"), required=True)
    if strategy == "Webhook":
        at = "spec.conversion.webhook"
        client = (webhook or {}).get("clientConfig")
        if client is None:
            errors.required(f"{at}.clientConfig", "required when strategy is set to Webhook")
        else:
            validate_client_config(errors, client, f"{at}.clientConfig")
            _validate_ca_bundle(errors, client.get("caBundle") or "", f"{at}.clientConfig.caBundle")
        known = (webhook or {}).get("conversionReviewVersions") or []
        validate_review_versions(errors, known, f"{at}.conversionReviewVersions")
    elif webhook is not None:
        errors.forbidden("spec.conversion.webhook", "should not be set when strategy is not set to Webhook")


def _validate_ca_bundle(errors: Errors, bundle: str, path: str) -> None:
    """Certificates in PEM, as base64; one that cannot be used would fail every conversion."""
    if not bundle:
        return
    try:
        ssl.create_default_context(cadata=base64.b64decode(bundle).decode("ascii"))
    except (ValueError, ssl.SSLError):
        errors.invalid(path, bundle, "unable to load root certificates: unable to parse bytes as PEM block")


def validate_definition_update(crd: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.causes += validate_definition(crd)
    spec, was = crd["spec"], old["spec"]
    errors.immutable("spec.group", spec.get("group"), was.get("group"))
    errors.immutable("spec.names.plural", spec["names"].get("plural"), was["names"].get("plural"))
    conditions = (old.get("status") or {}).get("conditions") or ()
    if any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions):
        errors.immutable("spec.scope", spec.get("scope"), was.get("scope"))
        errors.immutable("spec.names.kind", spec["names"].get("kind"), was["names"].get("kind"))
    return errors.causes


def validate_definition_status(crd: Obj, old: Obj) -> Sequence[Cause]:
    """storedVersions: never empty, only versions that exist, the storage version among them."""
    errors = Errors()
    stored = (crd.get("status") or {}).get("storedVersions") or []
    if not stored:
        errors.invalid("status.storedVersions", stored, "must have at least one stored version")
    known = {version.get("name", ""): version for version in crd["spec"].get("versions") or ()}
    for index, name in enumerate(stored):
        if name not in known:
            errors.invalid(f"status.storedVersions[{index}]", name, "must appear in spec.versions")
    return errors.causes

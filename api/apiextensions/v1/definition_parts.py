"""The parts of a CustomResourceDefinition that are no schema: names, warnings, columns, subresources, selectable fields,
conversion. Each function judges one of them at the path where it stands.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation.
"""

from __future__ import annotations

import base64
import ssl
import unicodedata
from collections.abc import Sequence
from typing import Any

from api.apiextensions.v1.field_paths import PathError, declared
from api.validation.errors import Errors
from api.validation.webhook import validate_service_reference, validate_url
from machinery import jsonpath, names

Obj = dict[str, Any]

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_REVIEWS = ("v1", "v1beta1")
_MAX_SELECTABLE = 8
_MAX_WARNING_BYTES = 256


def validate_names(errors: Errors, told: Obj, path: str) -> None:
    for field in ("plural", "singular"):
        value = told.get(field) or ""
        if value and (wrong := names.dns1035_label(value)):
            errors.invalid(f"{path}.{field}", value, ",".join(wrong))
    for field in ("kind", "listKind"):
        value = told.get(field) or ""
        if value and (wrong := names.dns1035_label(value.lower())):
            message = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
            errors.invalid(f"{path}.{field}", value, message)
    _each_label(errors, told.get("shortNames"), f"{path}.shortNames")
    if told.get("kind") and told["kind"] == told.get("listKind"):
        errors.invalid(f"{path}.listKind", told["listKind"], "kind and listKind may not be the same")
    _each_label(errors, told.get("categories"), f"{path}.categories")


def _each_label(errors: Errors, told: Sequence[str] | None, path: str) -> None:
    for index, each in enumerate(told or ()):
        if wrong := names.dns1035_label(each):
            errors.invalid(f"{path}[{index}]", each, ",".join(wrong))


def validate_version_name(errors: Errors, name: str, path: str) -> None:
    if wrong := names.dns1035_label(name):
        errors.invalid(path, name, ",".join(wrong))


def validate_warning(errors: Errors, version: Obj, path: str) -> None:
    said = version.get("deprecationWarning")
    if said is None:
        return
    if not version.get("deprecated"):
        errors.invalid(path, said, "can only be set for deprecated versions")
        return
    if len(said.encode()) > _MAX_WARNING_BYTES:
        errors.invalid(path, said, f"must be <= {_MAX_WARNING_BYTES} characters long")
    if not said:
        errors.invalid(path, said, "must not be an empty string")
    for index, char in enumerate(said):
        if char != " " and unicodedata.category(char)[0] in "CZ":
            where = len(said[:index].encode())
            message = f"must only contain printable UTF-8 characters; non-printable character found at index {where}"
            errors.invalid(path, said, message)
            break


def validate_columns(errors: Errors, columns: Sequence[Obj] | None, path: str) -> None:
    types, formats = ",".join(_COLUMN_TYPES), ",".join(_COLUMN_FORMATS)
    for index, column in enumerate(columns or ()):
        at = f"{path}[{index}]"
        kind, format_ = column.get("type") or "", column.get("format") or ""
        if not column.get("name"):
            errors.required(f"{at}.name")
        if not kind:
            errors.required(f"{at}.type", f"must be one of {types}")
        elif kind not in _COLUMN_TYPES:
            errors.invalid(f"{at}.type", kind, f"must be one of {types}")
        if format_ and format_ not in _COLUMN_FORMATS:
            errors.invalid(f"{at}.format", format_, f"must be one of {formats}")
        value = column.get("jsonPath") or ""
        if not value:
            errors.required(f"{at}.JSONPath")
        elif _starts_with_dot(errors, value, f"{at}.JSONPath") and not _is_json_path(value):
            errors.invalid(f"{at}.JSONPath", value, "must be a valid json path")


def _is_json_path(text: str) -> bool:
    """Upstream takes any, and then cannot list the kind's objects."""
    if text == ".":
        return True
    try:
        jsonpath.compile(text)
    except jsonpath.JSONPathError:
        return False
    return True


def _starts_with_dot(errors: Errors, value: str, path: str) -> bool:
    if not value.startswith("."):
        errors.invalid(path, value, "must be a simple json path starting with .")
        return False
    return True


def validate_subresources(errors: Errors, told: Obj | None, path: str) -> None:
    scale = (told or {}).get("scale")
    if scale is None:
        return
    for field, below in (
        ("specReplicasPath", (".spec",)),
        ("statusReplicasPath", (".status",)),
        ("labelSelectorPath", (".spec", ".status")),
    ):
        at, value = f"{path}.scale.{field}", scale.get(field) or ""
        if not value:
            if len(below) == 1:
                errors.required(at)
        elif _starts_with_dot(errors, value, at) and not value.startswith(
            tuple(f"{each}." for each in below)
        ):
            where = below[0] if len(below) == 1 else f"either {' or '.join(below)}"
            errors.invalid(at, value, f"should be a json path under {where}")


def validate_selectable(errors: Errors, fields: Sequence[Obj] | None, schema: Obj | None, path: str) -> None:
    if not fields or schema is None:
        return
    seen: set[str] = set()
    for index, each in enumerate(fields):
        at, value = f"{path}[{index}].jsonPath", each.get("jsonPath") or ""
        if not value:
            errors.required(at)
            continue
        try:
            found = declared(value, schema, with_brackets=False)
        except PathError as error:
            errors.invalid(at, value, f"is an invalid path: {error}")
            continue
        if found.path.partition(".")[0] == "metadata":
            errors.invalid(at, value, "must not point to fields in metadata")
        if found.schema.get("type") not in ("string", "boolean", "integer"):
            message = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with "
                "formats are allowed."
            )
            errors.invalid(at, value, message)
        if found.path in seen:
            errors.duplicate(at, value)
        seen.add(found.path)
    if len(seen) > _MAX_SELECTABLE:
        errors.too_many(path, len(seen), _MAX_SELECTABLE)


def validate_conversion(errors: Errors, told: Obj, *, check_bundle: bool) -> None:
    """`check_bundle`: of a definition that is not established yet the certificates may come later."""
    strategy, webhook = told.get("strategy"), told.get("webhook") or {}
    client, reviews = webhook.get("clientConfig"), webhook.get("conversionReviewVersions")
    errors.one_of("spec.conversion.strategy", strategy, ("None", "Webhook"), required=True)
    at = "spec.conversion.webhookClientConfig"
    if strategy != "Webhook":
        message = "should not be set when strategy is not set to Webhook"
        if client is not None:
            errors.forbidden(at, message)
        if reviews:
            errors.forbidden("spec.conversion.conversionReviewVersions", message)
        return
    if client is None:
        errors.required(at, "required when strategy is set to Webhook")
    else:
        _validate_client(errors, client, at, check_bundle)
    _validate_reviews(errors, reviews or [], "spec.conversion.conversionReviewVersions")


def _validate_client(errors: Errors, client: Obj, path: str, check_bundle: bool) -> None:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        errors.required(path, "exactly one of url or service is required")
    elif url is not None:
        validate_url(errors, url, f"{path}.url")
    elif service is not None:
        swapped = {**service, "name": service.get("namespace"), "namespace": service.get("name")}
        validate_service_reference(errors, swapped, f"{path}.service")
    bundle = client.get("caBundle") or ""
    if bundle and check_bundle:
        try:
            ssl.create_default_context(cadata=base64.b64decode(bundle).decode("ascii"))
        except (ValueError, ssl.SSLError):
            message = "unable to load root certificates: unable to parse bytes as PEM block"
            errors.invalid(f"{path}.caBundle", bundle, message)


def _validate_reviews(errors: Errors, reviews: Sequence[str], path: str) -> None:
    if not reviews:
        errors.required(path)
        return
    for index, each in enumerate(reviews):
        if each in reviews[:index]:
            errors.invalid(f"{path}[{index}]", each, "duplicate version")
        else:
            errors.invalid_each(f"{path}[{index}]", each, names.dns1035_label(each))
    if not set(reviews) & set(_REVIEWS):
        errors.invalid(path, list(reviews), f"must include at least one of {', '.join(_REVIEWS)}")

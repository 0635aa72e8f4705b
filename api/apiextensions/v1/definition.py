"""What a CustomResourceDefinition must be: names, versions, schemas, columns, subresources; and what may change.

What all versions say alike is judged once, at the place where the first form of this API had it: the errors of the only
schema stand at `spec.validation`, those of columns and subresources at `spec` itself.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation; v1/conversion.go for the places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.apiextensions.v1 import definition_parts as parts
from api.apiextensions.v1.approval import APPROVED, is_protected, missing_approval, says_approved
from api.apiextensions.v1.default_values import validate_defaults
from api.apiextensions.v1.schema_words import is_readable, nodes, validate_words
from api.apiextensions.v1.structurality import unstructural
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_SHARED = (
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
)
# At the root of a schema with the status subresource: what still says all of it when only the status is judged.
_ROOT_WORDS = (
    *("description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required"),
    *("items", "properties", "externalDocs", "example", "x-kubernetes-preserve-unknown-fields"),
    "x-kubernetes-validations",
)
_ROOT_WORDS_SHOWN = (
    "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations]"
)


def validate_definition(crd: Obj, old: Obj | None = None) -> Sequence[Cause]:
    errors = Errors()
    spec = crd.get("spec") or {}
    if old is None:
        _validate_own_name(errors, crd, spec)
    _validate_spec(errors, spec, established=old is not None and _is_established(old))
    if old is not None:
        _validate_changes(errors, spec, old)
    stored = (crd.get("status") or {}).get("storedVersions") or None
    _validate_stored(errors, stored, spec.get("versions") or [])
    _validate_approval(errors, crd, old)
    if spec.get("preserveUnknownFields") and not (old and old["spec"].get("preserveUnknownFields")):
        message = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        errors.invalid("spec.preserveUnknownFields", True, message)
    return errors.causes


def validate_definition_update(crd: Obj, old: Obj) -> Sequence[Cause]:
    return validate_definition(crd, old)


def validate_definition_status(crd: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    accepted = (crd.get("status") or {}).get("acceptedNames") or {}
    parts.validate_names(errors, accepted, "status.acceptedNames")
    return errors.causes


def unknown_formats(crd: Obj) -> list[str]:
    """Formats that nothing is checked by, in the order of the schema."""
    from api.apiextensions.v1.formats import is_known

    found: list[str] = []
    for schema in _distinct_schemas(crd.get("spec") or {}):
        for node in nodes(schema):
            format_ = node.get("format")
            if format_ and not is_known(format_, node.get("type") or ""):
                found.append(format_)
    return found


def _distinct_schemas(spec: Obj) -> list[Obj]:
    told = _internal(spec)
    holders = [{"schema": told.get("validation")}, *told["versions"]]
    return [
        schema
        for each in holders
        if (schema := (each.get("schema") or {}).get("openAPIV3Schema")) is not None
    ]


def _internal(spec: Obj) -> Obj:
    """What all versions say alike is moved out of them."""
    versions = [dict(each) for each in spec.get("versions") or ()]
    out = {**spec, "versions": versions}
    for word, at in _SHARED:
        if versions and all(_same(each.get(word), versions[0].get(word)) for each in versions):
            out[at] = versions[0].get(word)
            for each in versions:
                each.pop(word, None)
    return out


def _same(one: Any, other: Any) -> bool:
    return one == other or (one in (None, []) and other in (None, []))


def _is_established(crd: Obj) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Established" and each.get("status") == "True" for each in conditions)


def _validate_own_name(errors: Errors, crd: Obj, spec: Obj) -> None:
    name = crd["metadata"].get("name", "")
    wanted = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}"
    if name and name != wanted:
        errors.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _validate_spec(errors: Errors, spec: Obj, *, established: bool) -> None:
    group, scope = spec.get("group") or "", spec.get("scope")
    if not group:
        errors.required("spec.group")
    elif wrong := names.dns1123_subdomain(group):
        errors.invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        errors.invalid("spec.group", group, "should be a domain with at least one dot")
    errors.one_of("spec.scope", scope, ("Cluster", "Namespaced"), required=True)
    told = _internal(spec)
    versions, shared = told["versions"], (told.get("validation") or {}).get("openAPIV3Schema")
    if shared is None:
        for index, version in enumerate(versions):
            if (version.get("schema") or {}).get("openAPIV3Schema") is None:
                errors.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    if spec.get("preserveUnknownFields") and any(
        node.get("default") is not None for schema in _distinct_schemas(spec) for node in nodes(schema)
    ):
        message = "must be false in order to use defaults in the schema"
        errors.invalid("spec.preserveUnknownFields", True, message)
    for index, version in enumerate(versions):
        _validate_version(errors, version, told, f"spec.versions[{index}]")
    _validate_version_names(errors, spec.get("versions"))
    wanted = spec.get("names") or {}
    for field in ("plural", "singular", "kind", "listKind"):
        if not wanted.get(field):
            errors.required(f"spec.names.{field}")
    parts.validate_names(errors, wanted, "spec.names")
    has_status = any((each.get("subresources") or {}).get("status") is not None for each in (told, *versions))
    if shared is not None:
        validate_schema(errors, shared, "spec.validation.openAPIV3Schema", has_status=has_status)
    parts.validate_subresources(errors, told.get("subresources"), "spec.subresources")
    parts.validate_columns(errors, told.get("additionalPrinterColumns"), "spec.additionalPrinterColumns")
    parts.validate_selectable(errors, told.get("selectableFields"), shared, "spec.selectableFields")
    if spec.get("preserveUnknownFields") and (spec.get("conversion") or {}).get("strategy") == "Webhook":
        message = "must be None if spec.preserveUnknownFields is true"
        errors.invalid("spec.conversion.strategy", "Webhook", message)
    parts.validate_conversion(errors, spec.get("conversion") or {}, check_bundle=established)


def _validate_version(errors: Errors, version: Obj, told: Obj, path: str) -> None:
    parts.validate_version_name(errors, version.get("name") or "", f"{path}.name")
    parts.validate_warning(errors, version, f"{path}.deprecationWarning")
    subresources = version.get("subresources") or told.get("subresources") or {}
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is not None:
        has_status = subresources.get("status") is not None
        validate_schema(errors, schema, f"{path}.schema.openAPIV3Schema", has_status=has_status)
    parts.validate_subresources(errors, version.get("subresources"), f"{path}.subresources")
    parts.validate_columns(
        errors, version.get("additionalPrinterColumns"), f"{path}.additionalPrinterColumns"
    )
    parts.validate_selectable(errors, version.get("selectableFields"), schema, f"{path}.selectableFields")


def _validate_version_names(errors: Errors, versions: list[Obj] | None) -> None:
    called = [each.get("name") or "" for each in versions or ()]
    shown = called if versions is not None else None
    if len(set(called)) < len(called):
        errors.invalid("spec.versions", shown, "must contain unique version names")
    if sum(bool(each.get("storage")) for each in versions or ()) != 1:
        errors.invalid("spec.versions", shown, "must have exactly one version marked as storage version")
    if called and called[0]:  # the first form of this API had it at this place, too
        parts.validate_version_name(errors, called[0], "spec.version")


def validate_schema(errors: Errors, schema: Obj, at: str, *, has_status: bool = False) -> None:
    """A version's schema, which stands `at` that path: its structure, its defaults, its words and rules."""
    found = Errors()
    if has_status:
        _validate_root(found, schema, at)
    if schema.get("nullable"):
        found.forbidden(f"{at}.nullable", "nullable cannot be true at the root")
    readable = is_readable(schema)
    flawed = list(unstructural(schema, at)) if readable else []
    if readable and not flawed:
        judged = Errors()
        validate_defaults(judged, {**schema, "x-kubernetes-embedded-resource": True}, at)
        flawed = judged.causes
    found.causes += flawed
    validate_words(found, schema, at, with_rules=readable and not flawed)
    errors.causes += found.causes


def _validate_root(errors: Errors, schema: Obj, path: str) -> None:
    if schema.get("type") not in (None, "", "object"):
        message = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        errors.invalid(f"{path}.type", schema["type"], message)
    elif any(
        value not in (None, "", False, [], {}) and word not in _ROOT_WORDS for word, value in schema.items()
    ):
        message = f"only {_ROOT_WORDS_SHOWN} fields are allowed at the root of the schema if the status subresource is enabled"
        errors.invalid(path, schema, message)


def _validate_changes(errors: Errors, spec: Obj, old: Obj) -> None:
    was = old["spec"]
    if _is_established(old):
        errors.immutable("spec.scope", spec.get("scope"), was.get("scope"))
        errors.immutable("spec.names.kind", spec["names"].get("kind"), was["names"].get("kind"))
    errors.immutable("spec.group", spec.get("group"), was.get("group"))
    errors.immutable("spec.names.plural", spec["names"].get("plural"), was["names"].get("plural"))


def _validate_stored(errors: Errors, stored: list[str] | None, versions: Sequence[Obj]) -> None:
    """Versions in which objects may be stored stay, the storage version among them."""
    at = "status.storedVersions"
    if not stored:
        errors.invalid(at, stored, "must have at least one stored version")
        return
    called = {each.get("name") or "" for each in versions}
    for version in versions:
        if version.get("storage") and (version.get("name") or "") not in stored:
            errors.invalid(at, stored, f"must have the storage version {version.get('name')}")
    for index, name in enumerate(stored):
        if name not in called:
            message = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
                f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
                "status.storedVersions"
            )
            errors.invalid(f"{at}[{index}]", name, message)


def _validate_approval(errors: Errors, crd: Obj, old: Obj | None) -> None:
    if not is_protected((crd.get("spec") or {}).get("group") or ""):
        return
    said = _approval(crd)
    state = _approval_state(said)
    if old is not None and state == _approval_state(_approval(old)):
        return
    at = f"metadata.annotations[{APPROVED}]"
    if state == "missing":
        errors.required(at, missing_approval(said))
    elif state == "invalid":
        errors.invalid(at, said, missing_approval(said))


def _approval(crd: Obj) -> str:
    return str((crd["metadata"].get("annotations") or {}).get(APPROVED) or "")


def _approval_state(said: str) -> str:
    if not said:
        return "missing"
    if said.startswith("unapproved"):
        return "bypassed"
    return "approved" if says_approved(said) else "invalid"

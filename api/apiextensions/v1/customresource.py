"""From a stored CustomResourceDefinition to the Resources that serve its objects.

`resources_of(crd)` gives one Resource a version. The engine cannot tell them from built-in ones: they have a schema,
a codec that prunes, a strategy that defaults and judges, columns, and the subresources their version asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from api.apiextensions.v1.rules import BLOCKING, NOT_CHECKED, rules_of
from api.apiextensions.v1.structural import root_schema
from api.apiextensions.v1.values import validate_value
from api.builtin import STATUS_VERBS, status_of
from api.codec import TypedCodec
from api.columns import AGE, NAME
from api.resource import Codec, Column, Resource, Strategy, Subresource
from api.strategy import restore
from api.validation.errors import Errors
from machinery.errors import BadRequest, Cause
from machinery.gvk import GVR
from machinery.objects import deep_copy
from machinery.schema import Schema

Obj = dict[str, Any]

_ENVELOPE = ("apiVersion", "kind", "metadata")


class StructuralCodec:
    """Prunes by the version's schema. Types are judged by validation; only the envelope must be right here."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._metadata = TypedCodec(schema.fields["metadata"])

    def decode(self, raw: Any) -> tuple[Obj, list[str]]:
        if not isinstance(raw, dict):
            raise BadRequest("json: cannot unmarshal into Go value of type map[string]interface {}")
        unknown: list[str] = []
        metadata = raw.get("metadata")
        out: Obj = self._prune(raw, self._schema, "", unknown)
        if metadata is not None:
            out["metadata"], strange = self._metadata.decode(metadata)
            unknown += [f"metadata.{path}" for path in strange]
        else:
            out.pop("metadata", None)
        return out, unknown

    def _prune(self, value: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
        if isinstance(value, dict):
            if schema.kind == "map" and schema.values is not None:
                items = value.items()
                return {k: self._prune(v, schema.values, _child(path, k), unknown) for k, v in items}
            if schema.kind == "object":
                return self._prune_object(value, schema, path, unknown)
        elif isinstance(value, list) and schema.kind == "list" and schema.items is not None:
            items_schema = schema.items
            return [self._prune(v, items_schema, f"{path}[{i}]", unknown) for i, v in enumerate(value)]
        return value

    def _prune_object(self, value: Obj, schema: Schema, path: str, unknown: list[str]) -> Obj:
        out: Obj = {}
        for name, item in value.items():
            child = schema.fields.get(name)
            if child is None:
                if schema.preserve_unknown:
                    out[name] = item
                else:
                    unknown.append(_child(path, name))
            elif item is None and child.has_default and not child.nullable:
                continue  # a null where a default stands means "not set"
            elif path == "" and name == "metadata":
                out[name] = item
            else:
                out[name] = self._prune(item, child, _child(path, name), unknown)
        return out


def _child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class CustomStrategy(Strategy):
    """Defaults and judges by the version's schema; keeps status apart where the version has that subresource."""

    allow_unconditional_update = False

    def __init__(self, schema: Callable[[], Schema], raw: Obj, *, has_status: bool) -> None:
        self._schema = schema
        self._raw = {
            **raw,
            "properties": {k: v for k, v in (raw.get("properties") or {}).items() if k not in _ENVELOPE},
        }
        self._named = (raw.get("properties") or {}).get("metadata")
        self._has_status = has_status
        self._rules = cache(lambda: rules_of(raw))

    def default(self, obj: Obj) -> None:
        schema = self._schema()
        for name, child in schema.fields.items():
            if name not in _ENVELOPE:
                _default_field(obj, name, child)

    def prepare_create(self, obj: Obj) -> None:
        if self._has_status:
            obj.pop("status", None)

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        if self._has_status:
            restore(obj, old, "status")

    def prepare_status_update(self, obj: Obj, old: Obj) -> None:
        for key in sorted((obj.keys() | old.keys()) - {*_ENVELOPE, "status"}):
            restore(obj, old, key)
        kept = obj["metadata"].get("managedFields")
        obj["metadata"] = dict(old["metadata"])
        if kept is not None:
            obj["metadata"]["managedFields"] = kept

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self._by_schema(obj)
        self._by_rules(errors, obj, None)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        """What was wrong before and was not touched is forgiven (a schema may have become stricter)."""
        errors = Errors()
        found = self._by_schema(obj)
        if found:
            before = set(self._by_schema(old))
            errors.causes += [cause for cause in found if cause not in before]
        self._by_rules(errors, obj, old)
        return errors.causes

    def _by_schema(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        body = {key: value for key, value in obj.items() if key not in _ENVELOPE}
        required = [each for each in self._raw.get("required") or () if each not in _ENVELOPE]
        validate_value(errors, body, {**self._raw, "required": required}, "")
        if self._named:
            validate_value(errors, _names_of(obj), {**self._named, "required": []}, "metadata")
        return errors.causes

    def _by_rules(self, errors: Errors, obj: Obj, old: Obj | None) -> None:
        rules = self._rules()
        if rules is None:
            return
        if any(cause.reason in BLOCKING for cause in errors.causes):
            errors.invalid("<nil>", None, NOT_CHECKED)
            return
        before = _as_self(old) if old is not None else None
        rules.check(errors, _as_self(obj), before, "", has_old=old is not None)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return self.validate_update(obj, old)


def _names_of(obj: Obj) -> Obj:
    return {k: obj["metadata"][k] for k in ("name", "generateName") if k in obj["metadata"]}


def _as_self(obj: Obj) -> Obj:
    """An object as rules see it: of its metadata only the name."""
    return {**obj, "metadata": _names_of(obj)}


def _default_field(parent: Obj, name: str, schema: Schema) -> None:
    is_unset = name not in parent or (parent[name] is None and not schema.nullable)
    if is_unset and schema.has_default:
        parent[name] = deep_copy(schema.default)
    if name in parent:
        _default_within(parent[name], schema)


def _default_within(value: Any, schema: Schema) -> None:
    if isinstance(value, dict):
        if schema.kind == "map" and schema.values is not None:
            for key in value:
                _default_field(value, key, schema.values)
        for name, child in schema.fields.items():
            if not (schema.embedded_resource and name in _ENVELOPE):
                _default_field(value, name, child)
    elif isinstance(value, list) and schema.items is not None:
        for item in value:
            _default_within(item, schema.items)


def resources_of(crd: Obj) -> list[Resource]:
    """A Resource for every version, in the definition's order."""
    return [_resource(crd, version) for version in crd["spec"]["versions"]]


def _resource(crd: Obj, version: Obj) -> Resource:
    spec, names = crd["spec"], (crd.get("status") or {}).get("acceptedNames") or crd["spec"]["names"]
    gvr = GVR(
        spec["group"],
        version["name"],
        names["plural"],
        namespaced=spec.get("scope") == "Namespaced",
        kind=names["kind"],
    )
    raw = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    if spec.get("preserveUnknownFields"):
        raw = {**raw, "x-kubernetes-preserve-unknown-fields": True}

    selectable = {
        each["jsonPath"].removeprefix("."): each["jsonPath"] for each in version.get("selectableFields") or ()
    }

    @cache
    def schema() -> Schema:
        made = root_schema(raw, gvr.group, gvr.version, gvr.kind)
        if selectable:
            made.rules["x-kubernetes-selectable-fields"] = [{"fieldPath": label} for label in selectable]
        return made

    @cache
    def codec() -> Codec:
        return StructuralCodec(schema())

    subresources = _subresources(version, gvr.kind)
    storage_version = next(v["name"] for v in spec["versions"] if v.get("storage"))
    conversion = spec.get("conversion") or {}
    return Resource(
        gvr=gvr,
        kind=gvr.kind,
        list_kind=names.get("listKind") or f"{gvr.kind}List",
        singular=names.get("singular") or gvr.kind.lower(),
        schema=schema,
        codec=codec,
        strategy=CustomStrategy(schema, raw, has_status="status" in subresources),
        columns=_columns(version),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=subresources,
        selectable_fields=selectable,
        storage_prefix=f"{gvr.group}/{gvr.resource}",
        from_storage=_convert_to(gvr.api_version),
        to_storage=_convert_to(f"{gvr.group}/{storage_version}"),
        conversion_webhook=conversion.get("webhook") if conversion.get("strategy") == "Webhook" else None,
        custom=True,
    )


def _convert_to(api_version: str) -> Callable[[Obj], Obj]:
    """Conversion strategy None: only the version's name differs. What is stored may be of a version of former days."""

    def convert(obj: Obj) -> Obj:
        obj["apiVersion"] = api_version
        return obj

    return convert


def _subresources(version: Obj, kind: str) -> dict[str, Subresource]:
    wanted = version.get("subresources") or {}
    out: dict[str, Subresource] = {}
    if wanted.get("status") is not None:
        out["status"] = status_of(kind)
    scale = wanted.get("scale")
    if scale is not None:
        out["scale"] = Subresource(
            "scale",
            "Scale",
            STATUS_VERBS,
            "autoscaling",
            "v1",
            spec_replicas_path=scale["specReplicasPath"],
            status_replicas_path=scale["statusReplicasPath"],
            label_selector_path=scale.get("labelSelectorPath", ""),
        )
    return out


def _columns(version: Obj) -> tuple[Column, ...]:
    printed = version.get("additionalPrinterColumns") or ()
    if not printed:
        return (NAME, AGE)
    return (
        NAME,
        *(
            Column(
                each["name"],
                each["jsonPath"],
                type=each.get("type", "string"),
                format=each.get("format", ""),
                description=each.get("description", ""),
                priority=each.get("priority", 0),
            )
            for each in printed
        ),
    )

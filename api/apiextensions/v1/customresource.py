"""From a stored CustomResourceDefinition to the Resources that serve its objects.

`resources_of(crd)` gives one Resource a version. The engine cannot tell them from built-in ones: they have a schema,
a codec that prunes, a strategy that defaults and judges, columns, and the subresources their version asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from api.apiextensions.v1.columns import cell_reader
from api.apiextensions.v1.pruning import StructuralCodec
from api.apiextensions.v1.rules import BLOCKING, NOT_CHECKED, rules_of
from api.apiextensions.v1.structural import root_schema
from api.apiextensions.v1.values import NEW, validate_embedded, validate_lists, validate_value
from api.builtin import STATUS_VERBS, status_of
from api.columns import AGE, NAME
from api.resource import Codec, Column, Resource, Strategy, Subresource
from api.strategy import restore
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.field_errors import quote
from machinery.gvk import GVR
from machinery.objects import deep_copy
from machinery.schema import Schema

Obj = dict[str, Any]

_ENVELOPE = ("apiVersion", "kind", "metadata")
_MAX_INT32 = 2**31 - 1


class CustomStrategy(Strategy):
    """Defaults and judges by the version's schema; keeps status apart where the version has that subresource."""

    allow_unconditional_update = False

    def __init__(
        self, schema: Callable[[], Schema], raw: Obj, *, has_status: bool, scale: Obj | None = None
    ) -> None:
        self._schema = schema
        self._scale = scale
        self._raw = {
            **raw,
            "properties": {k: v for k, v in (raw.get("properties") or {}).items() if k not in _ENVELOPE},
        }
        self._named = (raw.get("properties") or {}).get("metadata")
        self._has_status = has_status
        self._rules = cache(lambda: rules_of(raw))
        self._holds = cache(lambda: _what_it_holds(raw))

    def default(self, obj: Obj) -> None:
        schema = self._schema()
        for name, child in schema.fields.items():
            if name not in _ENVELOPE:
                _default_field(obj, name, child)

    def prepare_create(self, obj: Obj) -> None:
        if self._has_status:
            obj.pop("status", None)
            self._default_status(obj)

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        if self._has_status:
            restore(obj, old, "status")
            self._default_status(obj)

    def _default_status(self, obj: Obj) -> None:
        """Whoever may not write the status, its defaults are there."""
        schema = self._schema().fields.get("status")
        if schema is not None:
            _default_field(obj, "status", schema)

    def prepare_status_update(self, obj: Obj, old: Obj) -> None:
        for key in sorted((obj.keys() | old.keys()) - {*_ENVELOPE, "status"}):
            restore(obj, old, key)
        kept = obj["metadata"].get("managedFields")
        obj["metadata"] = dict(old["metadata"])
        if kept is not None:
            obj["metadata"]["managedFields"] = kept

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        before = (old or {"metadata": {}})["metadata"].get("finalizers") or ()
        added = sorted({*(obj["metadata"].get("finalizers") or ())} - {*before})
        return [text for each in added for text in _finalizer_warnings(each)]

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        self._by_schema(errors, obj, None)
        self._by_rules(errors, obj, None)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        self._by_schema(errors, obj, old)
        self._by_rules(errors, obj, old)
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        """Of the object only its status is looked at; rules see the whole."""
        errors = Errors()
        schema = self._raw["properties"].get("status")
        if schema is not None and "status" in obj:
            below = Errors()
            validate_value(below, obj["status"], schema, "", old.get("status", NEW))
            errors.causes += [
                cause._replace(field=f"status.{cause.field}" if cause.field else "status") for cause in below
            ]
        self._validate_scale_status(errors, obj)
        self._validate_lists(errors, obj, old)
        self._by_rules(errors, obj, old)
        return errors.causes

    def _by_schema(self, errors: Errors, obj: Obj, old: Obj | None) -> None:
        body, was = _body(obj), _body(old) if old is not None else NEW
        required = [each for each in self._raw.get("required") or () if each not in _ENVELOPE]
        validate_value(errors, body, {**self._raw, "required": required}, "", was)
        if self._named:
            names, before = _names_of(obj), _names_of(old) if old is not None else NEW
            validate_value(errors, names, {**self._named, "required": []}, "metadata", before)
        if self._scale is not None:
            path = self._scale["specReplicasPath"]
            _validate_replicas(errors, obj, path)
        self._validate_scale_status(errors, obj)
        if self._holds().objects:
            validate_embedded(errors, body, self._raw, "")
        self._validate_lists(errors, obj, old)

    def _validate_scale_status(self, errors: Errors, obj: Obj) -> None:
        if self._scale is None:
            return
        _validate_replicas(errors, obj, self._scale["statusReplicasPath"])
        path = self._scale.get("labelSelectorPath") or ""
        found = _at(errors, obj, path, "") if path else None
        if found is not None and not isinstance(found, str):
            errors.invalid(path, "", _wrong_go_type(path, found, "string"))

    def _validate_lists(self, errors: Errors, obj: Obj, old: Obj | None) -> None:
        """Lists with doubles stay as wrong as they were."""
        if not self._holds().lists:
            return
        found, before = Errors(), Errors()
        validate_lists(found, _body(obj), self._raw, "")
        if found and old is not None:
            validate_lists(before, _body(old), self._raw, "")
        if not before:
            errors.causes += found.causes

    def _by_rules(self, errors: Errors, obj: Obj, old: Obj | None) -> None:
        rules = self._rules()
        if rules is None:
            return
        if any(cause.reason in BLOCKING for cause in errors.causes):
            errors.invalid("<nil>", None, NOT_CHECKED)
            return
        before = _as_self(old) if old is not None else None
        rules.check(errors, _as_self(obj), before, "", has_old=old is not None)


class _Holds(NamedTuple):
    """Whether a schema has objects within objects, and lists in which nothing may be twice: most have neither."""

    objects: bool
    lists: bool


def _what_it_holds(raw: Obj) -> _Holds:
    from api.apiextensions.v1.schema_words import nodes

    found = list(nodes(raw))
    return _Holds(
        any(node.get("x-kubernetes-embedded-resource") for node in found),
        any(node.get("x-kubernetes-list-type") in ("set", "map") for node in found),
    )


def _body(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in _ENVELOPE}


def _validate_replicas(errors: Errors, obj: Obj, path: str) -> None:
    found = _at(errors, obj, path, 0)
    if found is None:
        return
    if isinstance(found, bool) or not isinstance(found, int):
        errors.invalid(path, 0, _wrong_go_type(path, found, "int64"))
    elif found < 0:
        errors.invalid(path, found, "should be a non-negative integer")
    elif found > _MAX_INT32:
        errors.invalid(path, found, f"should be less than or equal to {_MAX_INT32}")


def _at(errors: Errors, obj: Obj, path: str, told: Any) -> Any:
    """What stands at a dotted path, None where there is nothing. `told`: the value to tell of a way that ends early."""
    found: Any = obj
    gone = ""
    for name in path.strip(".").split("."):
        gone += f".{name}"
        if found is None:
            return None
        if not isinstance(found, dict):
            errors.invalid(path, told, _wrong_go_type(gone, found, "map[string]interface{}"))
            return None
        found = found.get(name)
    return found


def _wrong_go_type(path: str, found: Any, wanted: str) -> str:
    """In the words of the language in which this API was first served, which clients see."""
    kinds = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}"}
    kind = kinds.get(type(found), "map[string]interface {}")
    shown = str(found).lower() if isinstance(found, bool) else str(found)
    return f"{path} accessor error: {shown} is of the type {kind}, expected {wanted}"


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
        return root_schema(raw, gvr.group, gvr.version, gvr.kind)

    def published(envelope: Mapping[str, Obj], is_v3: bool) -> Obj:
        from api.apiextensions.v1.published import published_schema

        return published_schema(
            (version.get("schema") or {}).get("openAPIV3Schema"),
            envelope,
            keeps_unknown=bool(spec.get("preserveUnknownFields")),
            is_v3=is_v3,
        )

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
        strategy=CustomStrategy(
            schema,
            raw,
            has_status="status" in subresources,
            scale=(version.get("subresources") or {}).get("scale"),
        ),
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
        published=published,
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


_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")


def _finalizer_warnings(name: str) -> list[str]:
    if "/" in name or name in _STANDARD_FINALIZERS:
        return []
    including = " including a path (/)" if "." in name else ""
    return [
        f"metadata.finalizers: {quote(name)}: prefer a domain-qualified finalizer name{including} to avoid accidental "
        "conflicts with other finalizer writers"
    ]


def _columns(version: Obj) -> tuple[Column, ...]:
    printed = version.get("additionalPrinterColumns") or ()
    if not printed:
        return (NAME, replace(AGE, type="date"))
    return (
        NAME,
        *(
            Column(
                each["name"],
                cell_reader(each.get("type", "string"), each["jsonPath"]),
                type=each.get("type", "string"),
                format=each.get("format", ""),
                description=each.get("description")
                or f"Custom resource definition column (in JSONPath format): {each['jsonPath']}",
                priority=each.get("priority", 0),
            )
            for each in printed
        ),
    )

"""Object metadata: names, labels, annotations, owners, finalizers. The engine calls this for every kind.

Source: Kubernetes API conventions, "Metadata".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.field_errors import quote

Obj = dict[str, Any]

NAME_RULES: dict[str, Callable[[str], Sequence[str]]] = {
    "subdomain": names.dns1123_subdomain,
    "label": names.dns1123_label,
    "dns1035": names.dns1035_label,
    "path": names.path_segment,
}
_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")


def validate_object_meta(
    errors: Errors,
    meta: Obj,
    *,
    namespaced: bool,
    name_rule: str = "subdomain",
    path: str = "metadata",
) -> None:
    """A new object's metadata, after generateName was turned into a name."""
    rule = NAME_RULES[name_rule]
    name = meta.get("name", "")
    generate = meta.get("generateName", "")
    if generate:
        # What follows a dash at its end makes that one good.
        whole = generate[:-2] + "a" if len(generate) > 1 and generate.endswith("-") else generate
        errors.invalid_each(f"{path}.generateName", generate, rule(whole))
    if not name:
        if not generate:
            errors.required(f"{path}.name", "name or generateName is required")
    else:
        errors.invalid_each(f"{path}.name", name, rule(name))
    namespace = meta.get("namespace", "")
    if namespaced:
        if not namespace:
            errors.required(f"{path}.namespace")
        else:
            errors.invalid_each(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    elif namespace:
        errors.forbidden(f"{path}.namespace", "not allowed on this type")
    validate_parts(errors, meta, path)


def validate_parts(errors: Errors, meta: Obj, path: str) -> None:
    """What create, update and a pod template have in common."""
    errors.non_negative(f"{path}.generation", meta.get("generation"))
    if labels := meta.get("labels"):
        errors.causes += names.labels(labels, f"{path}.labels")
    if annotations := meta.get("annotations"):
        errors.causes += names.annotations(annotations, f"{path}.annotations")
    if owners := meta.get("ownerReferences"):
        _validate_owners(errors, owners, f"{path}.ownerReferences")
    if not meta.get("finalizers"):
        return
    for finalizer in meta.get("finalizers") or ():
        errors.invalid_each(f"{path}.finalizers", finalizer, names.qualified_name(finalizer))
    if {"orphan", "foregroundDeletion"} <= set(meta.get("finalizers") or ()):
        errors.invalid(
            f"{path}.finalizers",
            meta["finalizers"],
            "finalizer orphan and foregroundDeletion cannot be both set",
        )


def _validate_owners(errors: Errors, owners: list[Obj] | tuple[()], path: str) -> None:
    controller = ""
    for owner in owners:
        version = owner.get("apiVersion") or ""
        if not version or version.endswith("/") or version.count("/") > 1:
            errors.invalid(f"{path}.apiVersion", version, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                errors.invalid(f"{path}.{field}", owner.get(field, ""), "must not be empty")
        if version == "v1" and owner.get("kind") == "Event":
            errors.invalid(path, _shown_owner(owner), "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            this = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                message = (
                    f'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {this}"
                )
                errors.invalid(path, [_shown_owner(each) for each in owners], message)
            else:
                controller = this


def _shown_owner(owner: Obj) -> Obj:
    return {field: owner[field] for field in _OWNER_FIELDS if field in owner}


def validate_object_meta_update(errors: Errors, meta: Obj, old: Obj, path: str = "metadata") -> None:
    """An update's metadata against the stored: what may not change, and the parts anew where they changed."""
    if old.get("deletionTimestamp"):
        added = [f for f in meta.get("finalizers") or () if f not in (old.get("finalizers") or ())]
        if added:
            shown = ", ".join(quote(each) for each in added)
            message = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
            errors.forbidden(f"{path}.finalizers", message)
    for field in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"):
        if meta.get(field) != old.get(field):
            errors.invalid(f"{path}.{field}", meta.get(field), "field is immutable")
    if meta.get("deletionGracePeriodSeconds") != old.get("deletionGracePeriodSeconds"):
        errors.invalid(
            f"{path}.deletionGracePeriodSeconds", meta.get("deletionGracePeriodSeconds"), "field is immutable"
        )
    if meta.get("generation", 0) < old.get("generation", 0):
        errors.invalid(f"{path}.generation", meta.get("generation", 0), "must not be decremented")
    parts = ("labels", "annotations", "ownerReferences", "finalizers", "generation")
    if any(meta.get(part) != old.get(part) for part in parts):
        validate_parts(errors, meta, path)


# Kinds whose validation came from outside of the core never asked for this.
_UNASKED = frozenset(
    {"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "coordination.k8s.io"}
)
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def validate_finalizer_names(errors: Errors, meta: Obj, group: str, path: str = "metadata") -> None:
    """Finalizers of built-in kinds are named with a domain, but for those that the system itself knows."""
    for index, name in enumerate(meta.get("finalizers") or ()):
        if group not in _UNASKED and "/" not in name and name not in _STANDARD_FINALIZERS:
            message = "name is neither a standard finalizer name nor is it fully qualified"
            errors.invalid(f"{path}.finalizers[{index}]", name, message)

"""Volumes of a pod: exactly one source each, and what each source needs.

Source: Kubernetes "Volumes", "Ephemeral Volumes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from api.validation.claim import validate_claim_spec
from api.validation.env import validate_field_ref, validate_resource_field_ref
from api.validation.errors import Errors
from api.validation.foreign_volumes import (
    CHECKS,
    SHOWN_EXTRA,
    SHOWN_INSIDE,
    has_long_portal,
    too_long_portal,
)
from api.validation.paths import validate_file_path, validate_local_path
from api.validation.pod_options import TEMPLATE, PodOptions
from api.validation.resources import sign_of
from machinery import names

Obj = dict[str, Any]

# The order in which upstream looks at them: the first that is there is the volume's.
_ORDER = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)
_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
_DOWNWARD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.annotations",
    "metadata.uid",
)
# A claim template's metadata is labels and annotations; of the rest upstream names the Go fields.
_NOT_IN_TEMPLATE = {
    "name": "name",
    "generateName": "generateName",
    "namespace": "namespace",
    "selfLink": "selfLink",
    "uid": "uID",
    "resourceVersion": "resourceVersion",
    "generation": "generation",
    "creationTimestamp": "creationTimestamp",
    "deletionTimestamp": "deletionTimestamp",
    "deletionGracePeriodSeconds": "deletionGracePeriodSeconds",
    "ownerReferences": "ownerReferences",
    "finalizers": "finalizers",
    "managedFields": "managedFields",
}


def validate_volumes(
    errors: Errors,
    volumes: Iterable[Obj] | None,
    path: str,
    options: PodOptions = TEMPLATE,
    pod_name: str = "",
) -> dict[str, Obj]:
    """The good volumes by name: containers can mount no others."""
    volumes = list(volumes or ())
    made = {f"{pod_name}-{v.get('name', '')}" for v in volumes if pod_name and v.get("ephemeral") is not None}
    good: dict[str, Obj] = {}
    for index, volume in enumerate(volumes):
        at, name, found = f"{path}[{index}]", volume.get("name", ""), len(errors.causes)
        _validate_source(errors, volume, at, options, pod_name)
        if not name:
            errors.required(f"{at}.name")
        else:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
        if name in good:
            errors.duplicate(f"{at}.name", name)
        if len(errors.causes) == found:
            good[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in made:
            message = "must not reference a PVC that gets created for an ephemeral volume"
            errors.invalid(f"{at}.persistentVolumeClaim.claimName", claim, message)
    return good


def _validate_source(errors: Errors, volume: Obj, path: str, options: PodOptions, pod_name: str) -> None:
    present = [kind for kind in _ORDER if volume.get(kind) is not None]
    if not present:
        errors.required(path, "must specify a volume type")
    for position, kind in enumerate(present):
        source, at = volume[kind], f"{path}.{SHOWN_INSIDE.get(kind, kind)}"
        if position:
            errors.forbidden(
                f"{path}.{SHOWN_EXTRA.get(kind, kind)}", "may not specify more than 1 volume type"
            )
        elif kind in CHECKS:
            CHECKS[kind](errors, source, at, False)
        elif kind in _CHECKS:
            _CHECKS[kind](errors, source, at, options)
        if kind == "iscsi" and has_long_portal(source, volume.get("name", "")):
            too_long_portal(errors, f"{path}.name", volume.get("name", ""))
        if kind == "ephemeral" and not position and pod_name and volume.get("name"):
            claim = f"{pod_name}-{volume['name']}"
            for message in names.dns1123_subdomain(claim):
                errors.invalid(f"{path}.name", volume["name"], f'PVC name "{claim}": {message}')


def _empty_dir(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
    if source.get("sizeLimit") is not None and sign_of(source["sizeLimit"]) < 0:
        errors.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _git_repo(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
    if not source.get("repository"):
        errors.required(f"{path}.repository")
    validate_local_path(errors, source.get("directory", ""), f"{path}.directory")


def _claim(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
    if not source.get("claimName"):
        errors.required(f"{path}.claimName")


def _keyed(field: str) -> Callable[[Errors, Obj, str, PodOptions], None]:
    def check(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
        if not source.get(field):
            errors.required(f"{path}.{field}")
        validate_mode(errors, source.get("defaultMode"), f"{path}.defaultMode")
        validate_items(errors, source.get("items"), f"{path}.items")

    return check


def validate_items(errors: Errors, items: Iterable[Obj] | None, path: str) -> None:
    """Keys of a ConfigMap or Secret, and the files that they are shown as."""
    for index, item in enumerate(items or ()):
        _validate_item(errors, item, f"{path}[{index}]")


def _validate_item(errors: Errors, item: Obj, path: str) -> None:
    if not item.get("key"):
        errors.required(f"{path}.key")
    _validate_path(errors, item.get("path", ""), f"{path}.path")
    validate_mode(errors, item.get("mode"), f"{path}.mode")


def _validate_path(errors: Errors, value: str, path: str) -> None:
    if not value:
        errors.required(path)
    else:
        validate_file_path(errors, value, path)


def _downward(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
    validate_mode(errors, source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or ():
        validate_downward_file(errors, item, path)


def validate_downward_file(errors: Errors, item: Obj, path: str) -> None:
    """`path` is the source's: files are not told apart."""
    _validate_path(errors, item.get("path", ""), f"{path}.path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        validate_field_ref(errors, field, f"{path}.fieldRef", _DOWNWARD_FIELDS)
        if resource is not None:
            message = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.invalid(path, "resource", message)
    elif resource is not None:
        validate_resource_field_ref(errors, resource, f"{path}.resourceFieldRef", volume=True)
    else:
        errors.required(path, "one of fieldRef and resourceFieldRef is required")
    validate_mode(errors, item.get("mode"), f"{path}.mode")


def _projected(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
    validate_mode(errors, source.get("defaultMode"), f"{path}.defaultMode")
    taken: set[str] = set()

    def take(file: str, shown: str) -> None:
        if file and file in taken:
            errors.invalid(path, shown, "conflicting duplicate paths")
        taken.add(file)

    for index, each in enumerate(source.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            part = each.get(kind)
            if part is None:
                continue
            if not part.get("name"):
                errors.required(f"{at}.{kind}.name")
            for position, item in enumerate(part.get("items") or ()):
                _validate_item(errors, item, f"{at}.{kind}.items[{position}]")
                take(item.get("path", ""), part.get("name", ""))
        for item in (each.get("downwardAPI") or {}).get("items") or ():
            validate_downward_file(errors, item, f"{at}.downwardAPI")
            take(item.get("path", ""), item.get("path", ""))
        if each.get("serviceAccountToken") is not None:
            _token(errors, each["serviceAccountToken"], path, f"{at}.serviceAccountToken", options)
        if len([part for part in each.values() if part is not None]) > 1:
            errors.forbidden(at, "may not specify more than 1 volume type per source")


def _token(errors: Errors, part: Obj, volume: str, path: str, options: PodOptions) -> None:
    seconds, file = part.get("expirationSeconds", 3600), part.get("path", "")
    at = f"{path}.expirationSeconds"
    if seconds < 600:
        errors.invalid(at, seconds, "may not specify a duration less than 10 minutes")
    if seconds > 1 << 32:
        errors.invalid(at, seconds, "may not specify a duration larger than 2^32 seconds")
    if not file:
        errors.required(f"{volume}.path")
    elif not options.odd_token_paths:
        validate_file_path(errors, file, f"{volume}.path")


def _ephemeral(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
    template, at = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        errors.required(at)
        return
    meta = template.get("metadata") or {}
    errors.causes += names.annotations(meta.get("annotations") or {}, f"{at}.metadata.annotations")
    errors.causes += names.labels(meta.get("labels") or {}, f"{at}.metadata.labels")
    for field, shown in _NOT_IN_TEMPLATE.items():
        if meta.get(field):
            errors.forbidden(f"{at}.metadata.{shown}", "cannot be set")
    validate_claim_spec(errors, template.get("spec") or {}, f"{at}.spec")


def _image(errors: Errors, source: Obj, path: str, options: PodOptions) -> None:
    if not source.get("reference") and not options.empty_images:
        errors.required(f"{path}.reference")
    policies = ("Always", "IfNotPresent", "Never")
    errors.one_of(f"{path}.pullPolicy", source.get("pullPolicy"), policies, required=True)


def validate_mode(errors: Errors, mode: int | None, path: str) -> None:
    if mode is not None and not 0 <= mode <= 0o777:
        errors.invalid(path, mode, _MODE_RANGE)


_CHECKS: dict[str, Callable[[Errors, Obj, str, PodOptions], None]] = {
    "configMap": _keyed("name"),
    "downwardAPI": _downward,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "gitRepo": _git_repo,
    "image": _image,
    "persistentVolumeClaim": _claim,
    "projected": _projected,
    "secret": _keyed("secretName"),
}

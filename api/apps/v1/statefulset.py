"""StatefulSet: pods with a name, a number and storage that stay with them.

Its template is judged no further than upstream does: volumes of the claims that it makes are not in the pod's spec yet.
"""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, scale_of, status_of
from api.columns import AGE, NAME, template_columns
from api.core.v1.pod_defaults import default_claim_spec, default_pod_spec
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.claim import claim_spec_warnings
from api.validation.errors import Errors
from api.validation.pod_annotations import validate_annotations
from api.validation.pod_ratchets import options_for
from api.validation.workload import (
    template_of,
    template_warnings,
    validate_at_most_all,
    validate_collisions,
    validate_counts,
    validate_int_or_percent,
    validate_selector,
)
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_COUNTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_RETENTION = ("Retain", "Delete")
# What an update may change; the rest of the spec stays as it was made.
_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


class StatefulSetStrategy(SpecStatusStrategy):
    name_rule = "label"

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = "OrderedReady"
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
            strategy.setdefault("rollingUpdate", {})
        rolling = strategy.get("rollingUpdate")
        if strategy["type"] == "RollingUpdate" and rolling is not None:
            rolling.setdefault("partition", 0)
            rolling.setdefault("maxUnavailable", 1)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for field in ("whenDeleted", "whenScaled"):
            if not retention.get(field):
                retention[field] = "Retain"
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.update({"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
            default_claim_spec(claim.setdefault("spec", {}))
            claim.setdefault("status", {}).setdefault("phase", "Pending")
        default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], None)
        service = obj["spec"].get("serviceName")
        if service:
            errors.invalid_each("spec.serviceName", service, names.dns1123_label(service))
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], old["spec"])
        if _fixed(obj["spec"]) != _fixed(old["spec"]):
            listed = ", ".join(f"'{field}'" for field in _MUTABLE[:-1])
            message = f"updates to statefulset spec for fields other than {listed} and '{_MUTABLE[-1]}' are forbidden"
            errors.forbidden("spec", message)
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        status = obj.get("status") or {}
        validate_counts(errors, status, "replicas", _COUNTS)
        if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
            message = "cannot be greater than status.readyReplicas"
            errors.invalid("status.availableReplicas", status.get("availableReplicas", 0), message)
        validate_collisions(errors, status, old.get("status") or {})
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        before = None if old is None else old["spec"].get("template")
        found = [*super().warnings(obj, old)]
        found += template_warnings(obj["spec"].get("template"), before, "spec.template")
        for index, claim in enumerate(obj["spec"].get("volumeClaimTemplates") or ()):
            found += claim_spec_warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}]")
        if (obj["spec"].get("revisionHistoryLimit") or 0) < 0:
            found.append(
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; "
                "a value >= 0 is recommended"
            )
        return found


def _fixed(spec: Obj) -> Obj:
    return {key: value for key, value in spec.items() if key not in _MUTABLE}


def _validate_spec(errors: Errors, spec: Obj, old: Obj | None) -> None:
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        errors.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    _validate_strategy(errors, spec.get("updateStrategy") or {})
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in ("whenDeleted", "whenScaled"):
        path = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
        if retention.get(field) not in _RETENTION:
            errors.not_supported(path, retention.get(field, ""), _RETENTION)
    errors.non_negative("spec.replicas", spec.get("replicas"))
    errors.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    errors.non_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    template = spec.get("template") or {}
    pod, meta = template.get("spec") or {}, template.get("metadata") or {}
    if validate_selector(errors, spec, "spec", "statefulset", unreadable=""):
        errors.causes += names.labels(meta.get("labels") or {}, "spec.template.labels")
        annotations = meta.get("annotations") or {}
        errors.causes += names.annotations(annotations, "spec.template.annotations")
        was = template_of(old)
        before = None if was is None else was.get("spec") or {}
        options = options_for(before, (was or {}).get("metadata"), is_pod=False)
        validate_annotations(errors, annotations, pod, "spec.template.annotations", options)
    if pod.get("restartPolicy") != "Always":
        errors.not_supported("spec.template.spec.restartPolicy", pod.get("restartPolicy", ""), ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        message = "activeDeadlineSeconds in StatefulSet is not Supported"
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", message)


def _validate_strategy(errors: Errors, strategy: Obj) -> None:
    path = "spec.updateStrategy"
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        if rolling is not None:
            message = "only allowed for updateStrategy 'RollingUpdate'"
            errors.invalid(f"{path}.rollingUpdate", rolling, message)
    elif kind != "RollingUpdate":
        errors.invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif rolling is not None:
        errors.non_negative(f"{path}.rollingUpdate.partition", rolling.get("partition"))
        missing = rolling.get("maxUnavailable")
        if missing is not None:
            at = f"{path}.rollingUpdate.maxUnavailable"
            if validate_int_or_percent(errors, at, missing) == 0:
                errors.invalid(at, missing, "cannot be 0")
            validate_at_most_all(errors, at, missing)


def _ready(obj: Obj, now: float) -> str:
    return f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"


STATEFULSET = builtin(
    GVR("apps", "v1", "statefulsets", kind="StatefulSet"),
    "api.apps.v1.statefulset_types:StatefulSet",
    strategy=StatefulSetStrategy(),
    columns=(
        NAME,
        Column("Ready", _ready, description="Pods that are ready, of all that are wanted."),
        AGE,
        *template_columns("spec", "template"),
    ),
    short_names=("sts",),
    categories=("all",),
    subresources=(scale_of(), status_of("StatefulSet")),
)

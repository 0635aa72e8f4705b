"""ReplicationController: a number of equal pods; the forerunner of ReplicaSet, with a plain map as its selector."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, scale_of, status_of
from api.columns import AGE, NAME, field, labels_text, number, template_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.podspec import validate_template
from api.validation.workload import template_warnings, validate_counts, validate_runs_forever
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


class ReplicationControllerStrategy(SpecStatusStrategy):
    orphans_dependents = True

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        template = spec.get("template")
        if template is None:
            return
        labels = (template.get("metadata") or {}).get("labels")
        if labels:
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            if not obj["metadata"].get("labels"):
                obj["metadata"]["labels"] = dict(labels)
        default_pod_spec(template.setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], None)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        """Told twice: on its own, and as an update."""
        errors = Errors()
        for _ in range(2):
            _validate_spec(errors, obj["spec"], old["spec"])
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        status = obj.get("status") or {}
        validate_counts(errors, status, "replicas", _COUNTS)
        if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
            message = "cannot be greater than readyReplicas"
            errors.invalid("status.availableReplicas", status["availableReplicas"], message)
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        before = None if old is None else old["spec"].get("template")
        found = [*super().warnings(obj, old)]
        if old is None and (bad := names.dns1123_label(obj["metadata"].get("name", ""))):
            found.append(
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
                f"a DNS label is recommended: [{' '.join(bad)}]"
            )
        return (*found, *template_warnings(obj["spec"].get("template"), before, "spec.template"))


def _validate_spec(errors: Errors, spec: Obj, old: Obj | None) -> None:
    errors.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    selector, template, path = spec.get("selector") or {}, spec.get("template"), "spec.template"
    if not selector:
        errors.required("spec.selector")
    errors.non_negative("spec.replicas", spec.get("replicas"))
    if template is None:
        errors.required(path)
        return
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector and not selector.items() <= labels.items():
        errors.invalid(f"{path}.metadata.labels", labels, "`selector` does not match template `labels`")
    validate_template(errors, template, path, (old or {}).get("template"))
    validate_runs_forever(errors, template.get("spec") or {}, f"{path}.spec", "ReplicationController")


REPLICATIONCONTROLLER = builtin(
    GVR("", "v1", "replicationcontrollers", kind="ReplicationController"),
    "api.core.v1.replicationcontroller_types:ReplicationController",
    strategy=ReplicationControllerStrategy(),
    columns=(
        NAME,
        Column("Desired", number("spec", "replicas"), type="integer", description="Pods that are wanted."),
        Column("Current", number("status", "replicas"), type="integer", description="Pods that exist."),
        Column(
            "Ready", number("status", "readyReplicas"), type="integer", description="Pods that are ready."
        ),
        AGE,
        *template_columns("spec", "template"),
        Column(
            "Selector",
            lambda obj, now: labels_text(field(obj, "spec", "selector")),
            priority=1,
            description="Which pods belong to it.",
        ),
    ),
    short_names=("rc",),
    categories=("all",),
    subresources=(scale_of(), status_of("ReplicationController")),
    selectable_fields={"status.replicas": ".status.replicas|=0"},
)

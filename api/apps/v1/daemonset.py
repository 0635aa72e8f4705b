"""DaemonSet: one pod on every node, or on every node of a kind."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field, labels_text, number, workload_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.podspec import validate_template
from api.validation.workload import (
    template_of,
    template_warnings,
    validate_at_most_all,
    validate_collisions,
    validate_int_or_percent,
    validate_runs_forever,
    validate_selects_own,
)
from machinery import integers
from machinery.errors import Cause
from machinery.gvk import GVR
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

# Counts changes of the template; kept where old clients look for it.
_GENERATION = "deprecated.daemonset.template.generation"
_REQUIRED_COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
)
_COUNTS = (
    *_REQUIRED_COUNTS,
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)
_TYPES = ("RollingUpdate", "OnDelete")


class DaemonSetStrategy(SpecStatusStrategy):
    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)
        spec.setdefault("revisionHistoryLimit", 10)
        default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
        notes = obj.setdefault("metadata", {}).setdefault("annotations", {})
        notes.setdefault(_GENERATION, "0")  # so tracked as the writer's

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = dict.fromkeys(_REQUIRED_COUNTS, 0)

    def stamp(self, obj: Obj, old: Obj | None, now: str) -> None:
        """Counts the templates, whatever a writer says."""
        if old is None:
            count = max(_templates(obj), 1)
        else:
            count = _templates(old) + (obj["spec"].get("template") != old["spec"].get("template"))
        obj["metadata"]["annotations"][_GENERATION] = str(count)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], None)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], old["spec"])
        errors.immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        status = obj.get("status") or {}
        for each in _COUNTS:
            errors.non_negative(f"status.{each}", status.get(each))
        validate_collisions(errors, status, old.get("status") or {})
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        before = None if old is None else old["spec"].get("template")
        advice = template_warnings(obj["spec"].get("template"), before, "spec.template")
        return (*super().warnings(obj, old), *advice)


def _templates(obj: Obj) -> int:
    return integers.parse((obj["metadata"].get("annotations") or {}).get(_GENERATION, "")) or 0


def _validate_spec(errors: Errors, spec: Obj, old: Obj | None) -> None:
    _validate_pods(errors, spec, old)
    errors.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    _validate_strategy(errors, spec.get("updateStrategy") or {})
    errors.non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _validate_pods(errors: Errors, spec: Obj, old: Obj | None) -> None:
    """Selector and template. An absent selector is told by what it does not select."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    wrong = validate_label_selector(selector, "spec.selector")
    errors.causes += wrong
    if not wrong:
        validate_selects_own(errors, spec, "spec")
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.invalid("spec.selector", selector, "empty selector is invalid for daemonset")
    validate_template(errors, template, "spec.template", template_of(old))
    validate_runs_forever(errors, template.get("spec") or {}, "spec.template.spec", "DaemonSet")


def _validate_strategy(errors: Errors, strategy: Obj) -> None:
    path = "spec.updateStrategy"
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        errors.not_supported(path, strategy, _TYPES)
        return
    if rolling is None:
        errors.required(f"{path}.rollingUpdate")
        return
    at = f"{path}.rollingUpdate"
    missing, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    few = validate_int_or_percent(errors, f"{at}.maxUnavailable", missing)
    many = validate_int_or_percent(errors, f"{at}.maxSurge", surge)
    validate_at_most_all(errors, f"{at}.maxUnavailable", missing)
    validate_at_most_all(errors, f"{at}.maxSurge", surge)
    if few and many:
        errors.invalid(f"{at}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    if not few and not many:
        errors.required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _count(name: str, key: str, description: str) -> Column:
    return Column(name, number("status", key), type="integer", description=description)


DAEMONSET = builtin(
    GVR("apps", "v1", "daemonsets", kind="DaemonSet"),
    "api.apps.v1.daemonset_types:DaemonSet",
    strategy=DaemonSetStrategy(),
    columns=(
        NAME,
        _count("Desired", "desiredNumberScheduled", "Nodes that should have a pod."),
        _count("Current", "currentNumberScheduled", "Nodes that have a pod and should."),
        _count("Ready", "numberReady", "Nodes whose pod is ready."),
        _count("Up-to-date", "updatedNumberScheduled", "Nodes whose pod is of the present template."),
        _count("Available", "numberAvailable", "Nodes whose pod has been ready for minReadySeconds."),
        Column(
            "Node Selector",
            lambda obj, now: labels_text(field(obj, "spec", "template", "spec", "nodeSelector")),
            description="Labels of nodes that should have a pod.",
        ),
        AGE,
        *workload_columns(),
    ),
    short_names=("ds",),
    categories=("all",),
    subresources=(status_of("DaemonSet"),),
)

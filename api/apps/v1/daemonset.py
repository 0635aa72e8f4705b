"""DaemonSet: one pod on every node, or on every node of a kind."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field, labels_text, number, workload_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.workload import (
    template_warnings,
    validate_at_most_all,
    validate_int_or_percent,
    validate_selector_and_template,
)
from machinery.errors import Cause
from machinery.gvk import GVR

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

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = dict.fromkeys(_REQUIRED_COUNTS, 0)
        obj["metadata"].setdefault("annotations", {})[_GENERATION] = "1"

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_update(obj, old)
        seen = (old["metadata"].get("annotations") or {}).get(_GENERATION, "1")
        changed = obj["spec"].get("template") != old["spec"].get("template")
        count = (int(seen) if seen.isdigit() else 0) + changed
        obj["metadata"].setdefault("annotations", {})[_GENERATION] = str(count)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec = obj["spec"]
        validate_selector_and_template(errors, spec, "spec", noun="daemonset")
        errors.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        _validate_strategy(errors, spec.get("updateStrategy") or {})
        errors.non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        errors.immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        status = obj.get("status") or {}
        for each in _COUNTS:
            errors.non_negative(f"status.{each}", status.get(each))
        collisions = status.get("collisionCount", 0)
        if collisions < (old.get("status") or {}).get("collisionCount", 0):
            errors.invalid("status.collisionCount", collisions, "cannot be decremented")
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        before = None if old is None else old["spec"].get("template")
        advice = template_warnings(obj["spec"].get("template"), before, "spec.template")
        return (*super().warnings(obj, old), *advice)


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
    if few and many:
        errors.invalid(f"{at}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    if few == 0 and many == 0:
        errors.required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    validate_at_most_all(errors, f"{at}.maxUnavailable", missing, few)
    validate_at_most_all(errors, f"{at}.maxSurge", surge, many)


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

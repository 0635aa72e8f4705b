"""PodTemplate: a pod's description, kept for later use. Nothing makes pods of it by itself."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import NAME, field, labels_text, template_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.podspec import validate_template
from api.validation.workload import template_warnings
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class PodTemplateStrategy(Strategy):
    def default(self, obj: Obj) -> None:
        default_pod_spec(obj.setdefault("template", {}).setdefault("spec", {}))

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        validate_template(errors, obj["template"], "template")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        validate_template(errors, obj["template"], "template", old.get("template"))
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        return template_warnings(
            obj.get("template"), None if old is None else old.get("template"), "template"
        )


PODTEMPLATE = builtin(
    GVR("", "v1", "podtemplates", kind="PodTemplate"),
    "api.core.v1.podtemplate_types:PodTemplate",
    strategy=PodTemplateStrategy(),
    columns=(
        NAME,
        *(
            Column(column.name, column.path, description=column.description)
            for column in template_columns("template")
        ),
        Column(
            "Pod Labels",
            lambda obj, now: labels_text(field(obj, "template", "metadata", "labels")),
            description="Labels of pods made of it.",
        ),
    ),
    returns_deleted=True,
)

"""Expressions of webhooks and policies must compile when they are written.

Stands in for upstream's checks within the storage of these kinds: they need the functions that only admission has.
An update is not held to expressions that it leaves as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.admission.matching import GROUP
from machinery import field_errors
from machinery.cel import CelError, Environment
from machinery.cel.constructors import as_maps
from machinery.cel.variables import bind
from machinery.errors import Cause, invalid


class Expression(NamedTuple):
    """`results` are the types that it may give, () for any; DYN is always one."""

    path: str
    text: str
    results: tuple[str, ...] = ()


class AdmissionExpressions(Plugin):
    name = "AdmissionExpressions"

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            request.resource.gvr.group == GROUP
            and request.operation in ("CREATE", "UPDATE")
            and not request.subresource
        )

    async def validate(self, request: AdmissionRequest) -> None:
        obj = request.obj or {}
        known = {each.text for each in expressions_of(request.old or {})}
        variables = variables_of(obj)
        causes = [
            cause
            for each in expressions_of(obj)
            if each.text.strip() and each.text not in known
            for cause in self._problems(each, variables)
        ]
        if causes:
            raise invalid(GROUP, request.resource.kind, request.name, causes)

    def _problems(self, expression: Expression, variables: list[tuple[str, str]]) -> Iterator[Cause]:
        text = expression.text
        try:
            program = self._environment.compile(as_maps(bind(text, variables)))
        except CelError as error:
            yield field_errors.invalid_value(expression.path, text, f"compilation failed: {error}")
            return
        if expression.results and program.result not in (*expression.results, "DYN"):
            wanted = " or ".join(each.lower() for each in expression.results)
            yield field_errors.invalid_value(expression.path, text, f"must evaluate to {wanted}")


def variables_of(obj: Obj) -> list[tuple[str, str]]:
    return [(each["name"], each["expression"]) for each in (obj.get("spec") or {}).get("variables") or ()]


def expressions_of(obj: Obj) -> Iterator[Expression]:
    """Of a webhook configuration or a policy."""
    for index, webhook in enumerate(obj.get("webhooks") or ()):
        yield from _conditions(webhook, f"webhooks[{index}].matchConditions")
    spec = obj.get("spec") or {}
    yield from _conditions(spec, "spec.matchConditions")
    for index, variable in enumerate(spec.get("variables") or ()):
        yield Expression(f"spec.variables[{index}].expression", variable.get("expression", ""))
    for index, validation in enumerate(spec.get("validations") or ()):
        at = f"spec.validations[{index}]"
        yield Expression(f"{at}.expression", validation.get("expression", ""), ("BOOL",))
        yield Expression(f"{at}.messageExpression", validation.get("messageExpression", ""), ("STRING",))
    for index, note in enumerate(spec.get("auditAnnotations") or ()):
        at = f"spec.auditAnnotations[{index}].valueExpression"
        yield Expression(at, note.get("valueExpression", ""), ("STRING", "NULL"))
    for index, mutation in enumerate(spec.get("mutations") or ()):
        for field in ("applyConfiguration", "jsonPatch"):
            text = (mutation.get(field) or {}).get("expression", "")
            yield Expression(f"spec.mutations[{index}].{field}.expression", text)


def _conditions(owner: Obj, path: str) -> Iterator[Expression]:
    for index, condition in enumerate(owner.get("matchConditions") or ()):
        yield Expression(f"{path}[{index}].expression", condition.get("expression", ""), ("BOOL",))

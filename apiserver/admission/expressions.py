"""CEL in admission: the variables that expressions see, and conditions that must all hold.

object, oldObject (null where there is none), request, namespaceObject (null for cluster-wide kinds), params,
variables, authorizer, authorizer.requestResource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.cel_authorizer import (
    authorizer_functions,
    authorizer_value,
    request_resource_value,
)
from apiserver.admission.review import describe
from apiserver.auth.seams import Authorizer
from machinery.cel import CelError, Environment

VARIABLES = (
    "object",
    "oldObject",
    "request",
    "namespaceObject",
    "params",
    "variables",
    "authorizer",
    "authorizer.requestResource",
)
Values = dict[str, Any]


def admission_environment(authorizer: Authorizer | None) -> Environment:
    return Environment(VARIABLES, authorizer_functions(authorizer))


def values_of(
    request: AdmissionRequest, shown: Resource, obj: Obj | None, old: Obj | None, namespace: Obj | None
) -> Values:
    return {
        "object": obj,
        "oldObject": old,
        "request": describe(request, shown),
        "namespaceObject": namespace if request.resource.namespaced else None,
        "params": None,
        "variables": {},
        "authorizer": authorizer_value(request.user),
        "authorizer.requestResource": request_resource_value(request),
    }


def conditions_hold(
    environment: Environment, conditions: Sequence[Mapping[str, Any]], values: Values
) -> bool:
    """False as soon as one is false, whatever the others do; else CelError where any failed."""
    errors: list[str] = []
    for condition in conditions:
        try:
            result = environment.compile(condition["expression"])(values)
        except CelError as error:
            errors.append(str(error))
            continue
        if result is not True:
            return False
    if errors:
        raise CelError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
    return True

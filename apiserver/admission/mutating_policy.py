"""MutatingAdmissionPolicy: changes in CEL, before anything is judged.

An ApplyConfiguration is merged into the object as server-side apply merges; it may not replace atomic lists, maps or
structs. A JSONPatch is applied as it is. Each mutation sees what those before it made.

Source: Kubernetes "Mutating Admission Policy"; KEP-3962; apiserver pkg/admission/plugin/policy/mutating.
"""

from __future__ import annotations

from typing import Any

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, forbidden
from apiserver.admission.matching import is_exempt, replace_object, show_whole
from apiserver.admission.policy import Applicable, PolicySet
from apiserver.admission.rounds import Rounds
from machinery.cel import CelError, Environment
from machinery.errors import ApiError, Invalid
from machinery.patch import PatchError, json_patch
from machinery.patch.apply import merging, typed
from machinery.schema import Schema

_IDENTITY = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "managedFields",
    "creationTimestamp",
)


class BadMutation(Exception):
    """A mutation that cannot be carried out; the message is for the policy's author."""


class MutatingAdmissionPolicy(Plugin):
    name = "MutatingAdmissionPolicy"

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE") and not is_exempt(request)

    async def admit(self, request: AdmissionRequest) -> bool:
        if request.obj is None or not await self._policies.bound():
            return False
        show_whole(request)
        rounds = Rounds.of(request, self.name)
        rounds.begin(request)
        async for applicable in self._policies.applicable(request, lambda name: rounds.is_due(request, name)):
            policy = applicable.policy
            try:
                if applicable.problem:
                    raise BadMutation(applicable.problem)
                if await self._mutate(request, applicable):
                    rounds.changed(request)
            except BadMutation as error:
                if policy.fails_closed:
                    raise self._refusal(request, applicable, str(error)) from error
            if policy.spec.get("reinvocationPolicy") == "IfNeeded":
                rounds.asked_again(policy.name)
        rounds.end(request)
        return rounds.has_changed

    async def _mutate(self, request: AdmissionRequest, applicable: Applicable) -> bool:
        """All mutations or none. Raises BadMutation."""
        before: Obj = applicable.values["object"]
        made = before
        for mutation in applicable.policy.spec.get("mutations") or ():
            values = {**applicable.values, "object": made}
            made = mutated(self._policies.environment, applicable, mutation, values, made)
        if made == before:
            return False
        try:
            await replace_object(self._policies.converter, request, made, applicable.shown)
        except ApiError as error:
            raise BadMutation(error.message) from error
        return True

    @staticmethod
    def _refusal(request: AdmissionRequest, applicable: Applicable, why: str) -> ApiError:
        binding = applicable.binding.name if applicable.binding is not None else ""
        base = forbidden(
            request,
            f"policy '{applicable.policy.name}' with binding '{binding}' denied request: {why}",
        )
        return Invalid(base.message, group=base.group, kind=base.kind, name=base.name)


def mutated(
    environment: Environment, applicable: Applicable, mutation: Obj, values: dict[str, Any], obj: Obj
) -> Obj:
    """The object after one mutation. Raises BadMutation."""
    by_patch = mutation.get("patchType") == "JSONPatch"
    text = (mutation.get("jsonPatch" if by_patch else "applyConfiguration") or {}).get("expression", "")
    try:
        result = applicable.policy.program(environment, text)(values)
    except CelError as error:
        raise BadMutation(f"expression '{text}' resulted in error: {error}") from error
    if by_patch:
        return _patched(obj, result)
    if not isinstance(result, dict):
        raise BadMutation(f"expression '{text}' must evaluate to an Object")
    return _applied(obj, result, applicable.shown.schema())


def _patched(obj: Obj, operations: Any) -> Obj:
    try:
        made: Obj = json_patch.apply(obj, operations)
    except PatchError as error:
        raise BadMutation(f"JSON Patch: {error}") from error
    return made


def _applied(obj: Obj, configuration: Obj, schema: Schema) -> Obj:
    refuse_atomic(configuration, schema, "")
    for key in _IDENTITY:
        said = (configuration.get("metadata") or {}).get(key)
        if said is not None and said != (obj.get("metadata") or {}).get(key):
            raise BadMutation(f"metadata.{key} may not be changed")
    try:
        made: Obj = merging.merge(obj, configuration, schema)
    except PatchError as error:
        raise BadMutation(f"error applying patch: {error}") from error
    return made


def refuse_atomic(value: Any, schema: Schema | None, path: str) -> None:
    """An atomic part would be replaced whole, and lose what others set in it: that takes a JSON patch."""
    if schema is None:
        return
    if isinstance(value, dict):
        if schema.map_type == "atomic":
            raise BadMutation(
                f"error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {path}"
            )
        for key, item in value.items():
            refuse_atomic(item, typed.child_of(schema, key), f"{path}.{key}")
    elif isinstance(value, list):
        if schema.list_type not in ("map", "set"):
            raise BadMutation(
                f"error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {path}"
            )
        for item in value:
            refuse_atomic(item, schema.items, path)

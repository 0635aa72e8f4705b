"""What a ValidatingAdmissionPolicy's status says of its expressions' types, found as it is written.

Every expression is checked against each kind that the policy's rules name outright (no wildcards), ten at most. A finding
is a warning and refuses nothing: the kind may be served in another shape tomorrow.

Source: KEP-3488, Type Checking; apiserver pkg/admission/plugin/policy/validating/typechecking.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, is_resource
from apiserver.admission.matching import GROUP
from machinery.cel import CelError, Environment
from machinery.cel.constructors import as_maps
from machinery.cel.typecheck import check
from machinery.cel.variables import bind
from machinery.schema import Schema

# (group, version, plural) → the Resource, None where it is not served
FindResource = Callable[[str, str, str], Resource | None]
# (apiVersion, kind) → the schema of parameters
FindKind = Callable[[str, str], Resource | None]
_MOST_KINDS = 10


class PolicyTypes(Plugin):
    name = "PolicyTypes"

    def __init__(self, environment: Environment, find: FindResource, find_kind: FindKind) -> None:
        self._environment = environment
        self._find = find
        self._find_kind = find_kind

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            is_resource(request, GROUP, "validatingadmissionpolicies")
            and request.operation in ("CREATE", "UPDATE")
            and not request.subresource
        )

    async def record(self, request: AdmissionRequest) -> None:
        obj, old = request.obj, request.old
        if obj is None or (old is not None and old.get("spec") == obj.get("spec") and old.get("status")):
            return
        generation = 1 if old is None else int(old["metadata"].get("generation") or 0) + 1
        warnings = list(self._warnings(obj.get("spec") or {}))
        checking = {"expressionWarnings": warnings} if warnings else {}
        obj["status"] = {
            **(obj.get("status") or {}),
            "observedGeneration": generation,
            "typeChecking": checking,
        }

    def _warnings(self, spec: Obj) -> Iterator[Obj]:
        kinds = list(self._kinds(spec))[:_MOST_KINDS]
        for index, validation in enumerate(spec.get("validations") or ()):
            for field in ("expression", "messageExpression"):
                said = [
                    f"{gvk}: {found}"
                    for gvk, schema in kinds
                    for found in self._problems(validation.get(field) or "", schema, spec)
                ]
                if said:
                    yield {
                        "fieldRef": f"spec.validations[{index}].{field}",
                        "warning": "\n".join(said) + "\n",
                    }

    def _kinds(self, spec: Obj) -> Iterator[tuple[str, Schema]]:
        seen: set[tuple[str, str, str]] = set()
        for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
            for group in rule.get("apiGroups") or ():
                for version in rule.get("apiVersions") or ():
                    for plural in rule.get("resources") or ():
                        resource = self._find(group, version, plural) if "*" not in plural else None
                        if resource is not None and (group, version, plural) not in seen:
                            seen.add((group, version, plural))
                            # As upstream prints it, whose core group is the empty word.
                            yield f"{group}/{version}, Kind={resource.kind}", resource.schema()

    def _problems(self, text: str, schema: Schema, spec: Obj) -> list[str]:
        if not text.strip():
            return []
        variables = [(each["name"], each["expression"]) for each in spec.get("variables") or ()]
        whole = as_maps(bind(text, variables))
        try:
            tree = self._environment.compile(whole).tree()
        except CelError:
            return []  # refused, and told by the check of expressions
        kind = spec.get("paramKind") or {}
        params = self._find_kind(kind.get("apiVersion", ""), kind.get("kind", "")) if kind else None
        schemas = {"object": schema, "oldObject": schema, "params": params.schema() if params else None}
        return check(tree, whole, schemas).mistakes

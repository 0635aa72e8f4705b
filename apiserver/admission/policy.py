"""What validating and mutating admission policies share: which of them are about a request, and with which values.

    PolicySet.applicable(request) ─► (policy, binding, values) for every binding of every policy that matches,
                                     once for each of its parameters; or (policy, binding, why it cannot be told)

A policy without a binding does nothing. Source: Kubernetes "Validating Admission Policy"; KEP-3488.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.collection import Collection
from apiserver.admission.expressions import Values, conditions_hold, values_of
from apiserver.admission.lookup import Lookup
from apiserver.admission.matching import (
    Converter,
    Criteria,
    OtherVersions,
    convert,
    find,
    is_exempt,
    is_in_namespace,
)
from machinery.cel import CelError, Environment, Program
from machinery.cel.constructors import as_maps
from machinery.cel.variables import bind
from machinery.selectors import label_selector_of

DENY_WITHOUT = "no params found for policy binding with `Deny` parameterNotFoundAction"


@dataclass(frozen=True, slots=True)
class ParamStore:
    """A kind that may hold parameters: by (namespace, name), and all of a namespace ("" for all there are)."""

    namespaced: bool
    get: Callable[[str, str], Awaitable[Obj | None]]
    all: Callable[[str], Awaitable[Sequence[Obj]]]


# (apiVersion, kind) → where its objects are, None where the kind is not served
FindParams = Callable[[str, str], ParamStore | None]


class Misconfigured(Exception):
    """A policy or binding that cannot be carried out."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, read once."""

    name: str
    spec: Obj
    criteria: Criteria
    _programs: dict[str, Program] = field(default_factory=dict, compare=False, repr=False)

    @property
    def fails_closed(self) -> bool:
        return self.spec.get("failurePolicy") != "Ignore"

    def program(self, environment: Environment, text: str) -> Program:
        """Compiled with the policy's variables. Raises CelError."""
        program = self._programs.get(text)
        if program is None:
            variables = [(each["name"], each["expression"]) for each in self.spec.get("variables") or ()]
            program = self._programs[text] = environment.compile(as_maps(bind(text, variables)))
        return program


@dataclass(frozen=True, slots=True)
class Binding:
    name: str
    spec: Obj
    criteria: Criteria | None  # None: everything that the policy is about


@dataclass(frozen=True, slots=True)
class Applicable:
    """`problem` says why the policy cannot be carried out; `values` are for its expressions otherwise."""

    policy: Policy
    binding: Binding | None
    shown: Resource
    values: Values
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PolicyParts:
    namespaces: Lookup
    others: OtherVersions
    converter: Converter
    environment: Environment
    params: FindParams


class PolicySet:
    def __init__(self, policies: Collection, bindings: Collection, parts: PolicyParts) -> None:
        self._policies = policies
        self._bindings = bindings
        self._parts = parts
        self._read: tuple[int, int] = (-1, -1)
        self._known: list[tuple[Policy, list[Binding]]] = []

    @property
    def environment(self) -> Environment:
        return self._parts.environment

    @property
    def converter(self) -> Converter:
        return self._parts.converter

    async def bound(self) -> Sequence[tuple[Policy, list[Binding]]]:
        """Policies in force, by name."""
        policies = await self._policies.all()
        if not policies:
            return ()
        bindings = await self._bindings.all()
        read = (self._policies.generation, self._bindings.generation)
        if read != self._read:
            self._read = read
            self._known = _bound(policies, bindings)
        return self._known

    async def applicable(
        self, request: AdmissionRequest, is_due: Callable[[str], bool] = lambda name: True
    ) -> AsyncIterator[Applicable]:
        """`is_due` may leave policies out, by their names."""
        if is_exempt(request):
            return
        for policy, bindings in await self.bound():
            if not is_due(policy.name):
                continue
            shown = find(policy.criteria, request, self._parts.others)
            if shown is None:
                continue
            namespace = await self._namespace(request)
            if not is_in_namespace(policy.criteria, request, namespace):
                continue
            for binding in bindings:
                async for each in self._of_binding(request, policy, binding, shown, namespace):
                    yield each

    async def _of_binding(
        self,
        request: AdmissionRequest,
        policy: Policy,
        binding: Binding,
        shown: Resource,
        namespace: Obj | None,
    ) -> AsyncIterator[Applicable]:
        criteria = binding.criteria
        if criteria is not None and (
            (criteria.rules and find(criteria, request, self._parts.others) is None)
            or not is_in_namespace(criteria, request, namespace)
            or not criteria.selects_object(request)
        ):
            return
        try:
            params = await self._params(policy, binding, request)
        except Misconfigured as error:
            yield Applicable(policy, binding, shown, {}, f"failed to configure binding: {error}")
            return
        for param in params:
            # Anew each time: a mutating policy may have changed the object for the parameter before.
            obj = await convert(self._parts.converter, request.obj, request.resource, shown)
            old = await convert(self._parts.converter, request.old, request.resource, shown)
            given = {**values_of(request, shown, obj, old, namespace), "params": param}
            try:
                if conditions_hold(self._parts.environment, policy.spec.get("matchConditions") or (), given):
                    yield Applicable(policy, binding, shown, given)
            except CelError as error:
                yield Applicable(policy, binding, shown, given, str(error))

    async def _namespace(self, request: AdmissionRequest) -> Obj | None:
        return await self._parts.namespaces("", request.namespace) if request.namespace else None

    async def _params(
        self, policy: Policy, binding: Binding, request: AdmissionRequest
    ) -> Sequence[Obj | None]:
        """One None where there are no parameters. Raises Misconfigured."""
        kind, ref = policy.spec.get("paramKind"), binding.spec.get("paramRef")
        if not kind or not ref:
            return (None,)
        store = self._parts.params(kind.get("apiVersion", ""), kind.get("kind", ""))
        if store is None:
            raise Misconfigured(
                f"paramKind kind `{kind.get('apiVersion')}, Kind={kind.get('kind')}` not known"
            )
        namespace = ref.get("namespace") or ""
        if store.namespaced:
            namespace = namespace or request.namespace
            if not namespace:
                raise Misconfigured(
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                )
        elif namespace:
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        found: list[Obj | None]
        if ref.get("name"):
            one = await store.get(namespace, ref["name"])
            found = [one] if one is not None else []
        else:
            selector = label_selector_of(ref.get("selector"))
            found = [
                each
                for each in await store.all(namespace)
                if selector.matches((each.get("metadata") or {}).get("labels"))
            ]
        if not found and ref.get("parameterNotFoundAction") == "Deny":
            raise Misconfigured(DENY_WITHOUT)
        return found


def _bound(policies: Sequence[Obj], bindings: Sequence[Obj]) -> list[tuple[Policy, list[Binding]]]:
    by_policy: dict[str, list[Binding]] = {}
    for each in bindings:
        spec = each.get("spec") or {}
        match = spec.get("matchResources")
        criteria = _criteria(match) if match else None
        by_policy.setdefault(spec.get("policyName", ""), []).append(
            Binding(each["metadata"]["name"], spec, criteria)
        )
    found = []
    for each in policies:
        name, spec = each["metadata"]["name"], each.get("spec") or {}
        if name in by_policy:
            found.append((Policy(name, spec, _criteria(spec.get("matchConstraints") or {})), by_policy[name]))
    return found


def _criteria(match: Obj) -> Criteria:
    return Criteria.of(match, "resourceRules", "excludeResourceRules")

"""Which requests a webhook or a policy is about: rules, selectors, and other versions of a kind.

    find(criteria, request, others) → the Resource in whose form the object is shown, None where it does not match
    is_in_namespace(criteria, request, namespace)

With matchPolicy Equivalent a rule for one version of a kind also matches writes of another version: the object is then
shown in the version that the rule names. Configurations of admission itself match nothing, so that nobody locks
everybody out of mending them.

Source: Kubernetes "Dynamic Admission Control", Matching requests; apiserver pkg/admission/plugin/webhook/predicates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionRequest
from machinery.errors import BadRequest
from machinery.objects import deep_copy
from machinery.selectors import EVERYTHING, LabelSelector, label_selector_of

GROUP = "admissionregistration.k8s.io"
_WHOLE_NAMESPACE = "namespaces"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What webhooks and policies have in common. Build once, ask often."""

    rules: Sequence[Mapping[str, Any]]
    excluded: Sequence[Mapping[str, Any]]
    namespaces: LabelSelector
    objects: LabelSelector
    exact: bool

    @classmethod
    def of(cls, spec: Mapping[str, Any], rules: str = "rules", excluded: str = "") -> Criteria:
        return cls(
            spec.get(rules) or (),
            (spec.get(excluded) or ()) if excluded else (),
            _selector(spec.get("namespaceSelector")),
            _selector(spec.get("objectSelector")),
            spec.get("matchPolicy") == "Exact",
        )

    def selects_object(self, request: AdmissionRequest) -> bool:
        """By the labels that it has or had."""
        return self.objects.is_everything or any(
            self.objects.matches((each.get("metadata") or {}).get("labels"))
            for each in (request.obj, request.old)
            if each is not None
        )


def _selector(wire: Mapping[str, Any] | None) -> LabelSelector:
    return EVERYTHING if not wire else label_selector_of(wire)


OtherVersions = Callable[[Resource], Sequence[Resource]]


class Converter(Protocol):
    """Between versions of a kind; may ask a webhook, and raise what comes of that."""

    async def convert(self, objs: Sequence[Obj], source: Resource, target: Resource) -> list[Obj]: ...


def find(criteria: Criteria, request: AdmissionRequest, others: OtherVersions) -> Resource | None:
    """By everything but the namespace's labels. `others` gives the further versions of a resource's kind."""
    if is_exempt(request):
        return None
    shown = _matched(criteria.rules, request, others, criteria.exact)
    if shown is None or (
        criteria.excluded and _matched(criteria.excluded, request, others, criteria.exact) is not None
    ):
        return None
    return shown if criteria.selects_object(request) else None


def is_in_namespace(criteria: Criteria, request: AdmissionRequest, namespace: Obj | None) -> bool:
    """By the labels of `namespace`, which the object is in, or of the object itself where it is a namespace."""
    selector = criteria.namespaces
    if selector.is_everything:
        return True
    if is_namespace(request):
        judged = request.obj or request.old
    elif not request.resource.namespaced:
        return True
    else:
        judged = namespace
    return judged is not None and selector.matches((judged.get("metadata") or {}).get("labels"))


def is_exempt(request: AdmissionRequest) -> bool:
    return request.resource.gvr.group == GROUP


def _matched(
    rules: Sequence[Mapping[str, Any]], request: AdmissionRequest, others: OtherVersions, exact: bool
) -> Resource | None:
    asked = request.resource
    if any(rule_matches(rule, request, asked) for rule in rules):
        return asked
    if exact or not any(_allows(rule.get("operations"), request.operation) for rule in rules):
        return None
    return next((each for each in others(asked) if any(rule_matches(r, request, each) for r in rules)), None)


def rule_matches(rule: Mapping[str, Any], request: AdmissionRequest, resource: Resource) -> bool:
    gvr = resource.gvr
    return (
        _allows(rule.get("operations"), request.operation)
        and _allows(rule.get("apiGroups"), gvr.group)
        and _allows(rule.get("apiVersions"), gvr.version)
        and any(_names(text, gvr.resource, request.subresource) for text in rule.get("resources") or ())
        and _in_scope(rule.get("scope") or "*", request)
        and (not rule.get("resourceNames") or request.name in rule["resourceNames"])
    )


def _allows(values: Sequence[str] | None, value: str) -> bool:
    return values is not None and ("*" in values or value in values)


def _names(text: str, plural: str, subresource: str) -> bool:
    """`pods`, `pods/status`, `pods/*`, `*/status`, `*`, `*/*`."""
    said, _, sub = text.partition("/")
    return said in ("*", plural) and sub in ("*", subresource)


def _in_scope(scope: str, request: AdmissionRequest) -> bool:
    if scope == "*":
        return True
    return (scope == "Namespaced") == request.resource.namespaced


def is_namespace(request: AdmissionRequest) -> bool:
    gvr = request.resource.gvr
    return gvr.group == "" and gvr.resource == _WHOLE_NAMESPACE


def show_whole(request: AdmissionRequest) -> None:
    """Brings the object into its kept form before others are shown it: they count on what upstream's types always have, and
    patch it: `add /spec/containers/0/resources/limits` needs `resources`."""
    obj, resource = request.obj, request.resource
    if obj is not None and (not request.subresource or obj.get("kind") == resource.kind):
        resource.codec().complete(obj)


async def convert(converter: Converter, obj: Obj | None, source: Resource, target: Resource) -> Obj | None:
    """The object in another version of its kind: a copy, or the object itself where the versions are the same."""
    if obj is None or source is target:
        return obj
    return (await converter.convert([deep_copy(obj)], source, target))[0]


async def replace_object(converter: Converter, request: AdmissionRequest, made: Any, form: Resource) -> None:
    """`made`, in the form of one of the kind's versions, becomes the request's object, with that version's defaults:
    whoever is asked next counts on them. Raises BadRequest."""
    if not isinstance(made, dict) or request.obj is None:
        raise BadRequest("the changed object is no object")
    if not request.subresource or made.get("kind") == form.kind:
        made, _ = form.codec().decode(deep_copy(made))
        form.codec().forget(made)
        if made.get("metadata") is None:
            made["metadata"] = {}
        form.strategy.default(made)
    whole = await convert(converter, made, form, request.resource)
    assert whole is not None
    for key in ("apiVersion", "kind"):
        if key in request.obj:
            whole[key] = request.obj[key]
    request.obj.clear()
    request.obj.update(whole)

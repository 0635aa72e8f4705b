"""PodSecurity: a namespace's labels say how much its pods may do.

`pod-security.kubernetes.io/enforce` refuses pods, `/warn` warns of pods and of the workloads that would
make them. A level that cannot be read counts as the strictest.
"""

from __future__ import annotations

from typing import Any, cast

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Lookup, Plugin, forbidden, is_resource
from apiserver.admission.pod_security_standards import Level, violations
from machinery.errors import Cause, invalid

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
# Where the pod template of a workload lies.
_TEMPLATES = {
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
    ("", "replicationcontrollers"): ("spec", "template"),
    ("", "podtemplates"): ("template",),
}


class PodSecurity(Plugin):
    name = "PodSecurity"

    def __init__(self, namespaces: Lookup) -> None:
        self._namespaces = namespaces

    def handles(self, request: AdmissionRequest) -> bool:
        if request.operation not in ("CREATE", "UPDATE"):
            return False
        gvr = request.resource.gvr
        if is_resource(request, "", "pods"):
            return request.subresource == "ephemeralcontainers" or (
                request.operation == "CREATE" and not request.subresource
            )
        return not request.subresource and (
            (gvr.group, gvr.resource) in _TEMPLATES or is_resource(request, "", "namespaces")
        )

    async def validate(self, request: AdmissionRequest) -> None:
        obj = request.obj
        if obj is None:
            return
        if is_resource(request, "", "namespaces"):
            _check_labels(request, obj)
            return
        namespace = await self._namespaces("", request.namespace) or {}
        labels = (namespace.get("metadata") or {}).get("labels") or {}
        spec = _pod_spec(request, obj)
        if spec is None or not labels:
            return
        pods = is_resource(request, "", "pods")
        if not any(key.startswith(PREFIX) for key in labels):  # everything is allowed
            if pods:
                request.annotations[f"{PREFIX}enforce-policy"] = _named({}, "enforce")
            return
        enforced = level_of(labels, "enforce")
        if pods and (found := violations(spec, enforced)):
            request.annotations[f"{PREFIX}enforce-policy"] = _named(labels, "enforce")
            raise forbidden(
                request, f'violates PodSecurity "{_named(labels, "enforce")}": {", ".join(found)}'
            )
        if pods:
            request.annotations[f"{PREFIX}enforce-policy"] = _named(labels, "enforce")
        if found := violations(spec, level_of(labels, "audit")):
            note = f'would violate PodSecurity "{_named(labels, "audit")}": {", ".join(found)}'
            request.annotations[f"{PREFIX}audit-violations"] = note
        if found := violations(spec, level_of(labels, "warn")):
            request.warnings.append(
                f'would violate PodSecurity "{_named(labels, "warn")}": {", ".join(found)}'
            )


def level_of(labels: dict[str, str], mode: str) -> Level:
    said = labels.get(PREFIX + mode, "privileged")
    return cast(Level, said) if said in LEVELS else "restricted"


def _named(labels: dict[str, str], mode: str) -> str:
    return f"{level_of(labels, mode)}:{labels.get(f'{PREFIX}{mode}-version', 'latest')}"


def _pod_spec(request: AdmissionRequest, obj: Obj) -> Obj | None:
    gvr = request.resource.gvr
    at: Any = obj
    for step in _TEMPLATES.get((gvr.group, gvr.resource), ()):
        at = at.get(step) if isinstance(at, dict) else None
    spec: Obj | None = at.get("spec") if isinstance(at, dict) else None
    return spec


def _check_labels(request: AdmissionRequest, obj: Obj) -> None:
    labels = obj["metadata"].get("labels") or {}
    causes = [
        Cause(
            "FieldValueInvalid",
            f'Invalid value: "{labels[PREFIX + mode]}": must be one of {", ".join(LEVELS)}',
            f"metadata.labels[{PREFIX}{mode}]",
        )
        for mode in ("enforce", "audit", "warn")
        if labels.get(PREFIX + mode, "privileged") not in LEVELS
    ]
    if causes and labels != ((request.old or {}).get("metadata") or {}).get("labels"):
        raise invalid("", "Namespace", obj["metadata"].get("name", ""), causes)

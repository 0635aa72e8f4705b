"""Judges writes of roles and bindings: nobody may give away more than they have (`auth/escalation.py`)."""

from __future__ import annotations

from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, name_of
from apiserver.auth.escalation import RBAC_GROUP, EscalationCheck

_ROLES = ("roles", "clusterroles")
_BINDINGS = ("rolebindings", "clusterrolebindings")


class RBACEscalation(Plugin):
    name = "RBACEscalation"

    def __init__(self, check: EscalationCheck) -> None:
        self._check = check

    def handles(self, request: AdmissionRequest) -> bool:
        gvr = request.resource.gvr
        return (
            gvr.group == RBAC_GROUP
            and request.operation in ("CREATE", "UPDATE")
            and gvr.resource in _ROLES + _BINDINGS
        )

    async def validate(self, request: AdmissionRequest) -> None:
        obj, old = request.obj or {}, request.old or {}
        plural, name = request.resource.gvr.resource, request.name or name_of(obj)
        if plural in _ROLES:
            if any(obj.get(part) != old.get(part) for part in ("rules", "aggregationRule")):
                await self._check.check_role(request.user, plural, request.namespace, name, obj)
        elif any(obj.get(part) != old.get(part) for part in ("subjects", "roleRef")):
            await self._check.check_binding(request.user, plural, request.namespace, name, obj)

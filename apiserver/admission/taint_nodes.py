"""TaintNodesByCondition: a new node takes no pods until it is seen to be ready."""

from __future__ import annotations

from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, is_resource

NOT_READY = "node.kubernetes.io/not-ready"


class TaintNodesByCondition(Plugin):
    name = "TaintNodesByCondition"

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and is_resource(request, "", "nodes") and not request.subresource

    async def admit(self, request: AdmissionRequest) -> None:
        if request.obj is None:
            return
        spec = request.obj.setdefault("spec", {})
        taints = list(spec.get("taints") or ())
        if not any(t.get("key") == NOT_READY and t.get("effect") == "NoSchedule" for t in taints):
            spec["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]

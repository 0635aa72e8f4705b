"""DefaultTolerationSeconds: a pod stays five minutes on a node that is lost, unless it says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, is_resource

SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(Plugin):
    name = "DefaultTolerationSeconds"

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            request.operation in ("CREATE", "UPDATE")
            and is_resource(request, "", "pods")
            and not request.subresource
        )

    async def admit(self, request: AdmissionRequest) -> bool:
        if request.obj is not None:
            add_tolerations(request.obj.setdefault("spec", {}))
        return False


def add_tolerations(spec: Obj) -> None:
    tolerations: list[Obj] = list(spec.get("tolerations") or ())
    lacking: Sequence[str] = TAINTS
    if tolerations:
        lacking = [taint for taint in TAINTS if not any(_tolerates(one, taint) for one in tolerations)]
    if not lacking:
        return
    tolerations += [
        {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
        for taint in lacking
    ]
    spec["tolerations"] = tolerations


def _tolerates(toleration: Obj, taint: str) -> bool:
    return toleration.get("key", "") in ("", taint) and toleration.get("effect", "") in ("", "NoExecute")

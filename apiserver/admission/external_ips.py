"""DenyServiceExternalIPs: no Service takes an external address that it did not have. Off unless it is asked for."""

from __future__ import annotations

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, forbidden, is_resource


class DenyServiceExternalIPs(Plugin):
    name = "DenyServiceExternalIPs"

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            request.operation in ("CREATE", "UPDATE")
            and is_resource(request, "", "services")
            and not request.subresource
        )

    async def validate(self, request: AdmissionRequest) -> None:
        if not set(_addresses(request.obj)) <= set(_addresses(request.old)):
            raise forbidden(request, "Use of external IPs is denied by admission control.")


def _addresses(service: Obj | None) -> list[str]:
    return ((service or {}).get("spec") or {}).get("externalIPs") or []

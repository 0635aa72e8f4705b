"""CertificateRecord: writes into a request for a certificate what only the server knows: who asks, and when a verdict
on it was given. Stands in for upstream's code within the storage of requests.
"""

from __future__ import annotations

from typing import Any

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.certificates import GROUP, PLURAL
from apiserver.admission.lookup import Plugin, is_resource
from apiserver.auth.user import User
from machinery.clock import Clock, rfc3339


class CertificateRecord(Plugin):
    name = "CertificateRecord"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def handles(self, request: AdmissionRequest) -> bool:
        if not is_resource(request, GROUP, PLURAL):
            return False
        return request.operation == "CREATE" or (request.operation == "UPDATE" and bool(request.subresource))

    async def record(self, request: AdmissionRequest) -> None:
        if request.obj is None:
            return
        if request.operation == "CREATE":
            record_requester(request.obj.setdefault("spec", {}), request.user)
        else:
            record_verdicts(request.obj, request.old or {}, rfc3339(self._clock.now()))


def record_requester(spec: Obj, user: User) -> None:
    """Whatever the sender claimed to be."""
    for field in ("username", "uid", "groups", "extra"):
        spec.pop(field, None)
    known: dict[str, Any] = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    spec.update({key: value for key, value in known.items() if value})


def record_verdicts(obj: Obj, old: Obj, now: str) -> None:
    """Times of conditions that the writer left out; a status that stays keeps the time of its last change."""
    before = {each.get("type"): each for each in (old.get("status") or {}).get("conditions") or ()}
    for condition in (obj.get("status") or {}).get("conditions") or ():
        known = before.get(condition.get("type"))
        if known == condition:
            continue
        condition["lastUpdateTime"] = condition.get("lastUpdateTime") or now
        if not condition.get("lastTransitionTime"):
            steady = known is not None and known.get("status") == condition.get("status")
            kept = known.get("lastTransitionTime") if known is not None and steady else None
            condition["lastTransitionTime"] = kept or now

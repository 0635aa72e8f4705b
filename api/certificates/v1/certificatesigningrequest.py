"""CertificateSigningRequest: asks for a certificate. Who approves writes the conditions through `approval`, who signs
the certificate through `status`; the spec never changes. Who asked is filled in by the server.
"""

from collections.abc import Sequence
from typing import Any

from api.builtin import STATUS_VERBS, builtin, status_of
from api.columns import AGE, NAME, NONE, field, text
from api.resource import Column, Strategy, Subresource
from api.strategy import restore
from api.validation.certificate_request import (
    conditions_of,
    validate_request,
    validate_request_update,
)
from api.validation.errors import Errors
from machinery.durations import human_duration
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_DECIDED = ("Approved", "Denied")


class CertificateSigningRequestStrategy(Strategy):
    has_generation = False
    name_rule = "path"

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})
        for condition in field(obj, "status", "conditions") or ():
            if not condition.get("status"):
                condition["status"] = "True"

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        restore(obj, old, "spec")
        restore(obj, old, "status")

    def prepare_status_update(self, obj: Obj, old: Obj) -> None:
        restore(obj, old, "spec")

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_request(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_request_update(obj, old, fixed=_DECIDED, certificate=False)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_request_update(obj, old, fixed=_DECIDED, certificate=True)


class ApprovalStrategy(Strategy):
    """certificatesigningrequests/approval: the conditions, and nothing else."""

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        conditions = conditions_of(obj)
        restore(obj, old, "spec")
        status = dict(old.get("status") or {})
        if conditions:
            status["conditions"] = conditions
        else:
            status.pop("conditions", None)
        obj["status"] = status

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += validate_request_update(obj, old, fixed=(), certificate=False)
        return errors.causes


def _condition(obj: Obj, now: float) -> str:
    kinds = {each.get("type") for each in conditions_of(obj)}
    shown = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    if "Failed" in kinds:
        shown += ",Failed"
    return shown + (",Issued" if field(obj, "status", "certificate") else "")


def _duration(obj: Obj, now: float) -> str:
    seconds = obj["spec"].get("expirationSeconds")
    return NONE if seconds is None else human_duration(seconds)


CERTIFICATESIGNINGREQUEST = builtin(
    GVR(
        "certificates.k8s.io",
        "v1",
        "certificatesigningrequests",
        namespaced=False,
        kind="CertificateSigningRequest",
    ),
    "api.certificates.v1.certificatesigningrequest_types:CertificateSigningRequest",
    strategy=CertificateSigningRequestStrategy(),
    columns=(
        NAME,
        AGE,
        Column("SignerName", text("spec", "signerName"), description="Who is to sign."),
        Column("Requestor", text("spec", "username", absent=""), description="Who asked."),
        Column("RequestedDuration", _duration, description="How long the certificate should be good."),
        Column("Condition", _condition, description="How it stands: Pending, Approved, Denied, Issued."),
    ),
    short_names=("csr",),
    subresources=(
        Subresource("approval", "CertificateSigningRequest", STATUS_VERBS, strategy=ApprovalStrategy()),
        status_of("CertificateSigningRequest"),
    ),
    selectable_fields={"spec.signerName": ".spec.signerName"},
)

"""CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may approve and sign requests for
certificates, and which subject nobody may ask for.

Besides the right to write the subresource it takes the verb `approve` or `sign` on the request's signer, by its
name or for its whole domain (`example.com/*`). Source: Kubernetes "Certificate Signing Requests".
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, forbidden, is_resource
from apiserver.auth.seams import Authorizer, decide
from apiserver.auth.user import Attributes, User

if TYPE_CHECKING:
    from cryptography import x509

GROUP = "certificates.k8s.io"
PLURAL = "certificatesigningrequests"
API_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
MASTERS = "system:masters"


class _SignerPermission(Plugin):
    subresource = ""
    verb = ""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            request.operation == "UPDATE"
            and is_resource(request, GROUP, PLURAL)
            and request.subresource == self.subresource
        )

    async def _permit(self, request: AdmissionRequest) -> None:
        signer = str(((request.old or {}).get("spec") or {}).get("signerName", ""))
        if not await may_use_signer(self._authorizer, request.user, self.verb, signer):
            raise forbidden(request, f'user not permitted to {self.verb} requests with signerName "{signer}"')


class CertificateApproval(_SignerPermission):
    name = "CertificateApproval"
    subresource = "approval"
    verb = "approve"

    async def validate(self, request: AdmissionRequest) -> None:
        await self._permit(request)


class CertificateSigning(_SignerPermission):
    name = "CertificateSigning"
    subresource = "status"
    verb = "sign"

    async def validate(self, request: AdmissionRequest) -> None:
        """Only where the certificate or the verdict on signing changes."""
        if _signing(request.obj) != _signing(request.old):
            await self._permit(request)


class CertificateSubjectRestriction(Plugin):
    name = "CertificateSubjectRestriction"

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            request.operation == "CREATE" and is_resource(request, GROUP, PLURAL) and not request.subresource
        )

    async def validate(self, request: AdmissionRequest) -> None:
        spec = (request.obj or {}).get("spec") or {}
        if spec.get("signerName") == API_CLIENT_SIGNER and MASTERS in organizations(
            spec.get("request") or ""
        ):
            raise forbidden(request, f"use of {API_CLIENT_SIGNER} signer with {MASTERS} group is not allowed")


async def may_use_signer(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    for name in (signer, signer.partition("/")[0] + "/*"):
        asked = Attributes(user, verb, GROUP, "*", "signers", name=name)
        if (await decide(authorizer, asked)).allowed:
            return True
    return False


def organizations(request: str) -> list[str]:
    """The organizations in the subject of a base64 PEM request; none where it cannot be read (others refuse that)."""
    from cryptography import x509

    subject = _subject(request)
    return _values(subject, x509.NameOID.ORGANIZATION_NAME) if subject is not None else []


def common_name(request: str) -> str | None:
    """The subject's common name, "" where it has none; None where the request cannot be read."""
    from cryptography import x509

    subject = _subject(request)
    return "".join(_values(subject, x509.NameOID.COMMON_NAME)[-1:]) if subject is not None else None


def _subject(request: str) -> x509.Name | None:
    from cryptography import x509

    try:
        return x509.load_pem_x509_csr(base64.b64decode(request, validate=True)).subject
    except (ValueError, binascii.Error):
        return None


def _values(subject: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in subject.get_attributes_for_oid(oid)]


def _signing(csr: Obj | None) -> tuple[object, list[Obj]]:
    status = (csr or {}).get("status") or {}
    failed = [each for each in status.get("conditions") or () if each.get("type") == "Failed"]
    return status.get("certificate"), failed

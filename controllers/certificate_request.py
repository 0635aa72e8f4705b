"""What a CertificateSigningRequest asks for, and whether its signer may grant it: pure, shared by approver and signer.

Source: Kubernetes "Certificate Signing Requests", the four kubernetes.io signers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

Obj = dict[str, Any]

API_CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"
SIGNERS = (API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN)

NODES_GROUP = "system:nodes"
NODE_PREFIX = "system:node:"
_COMMON = frozenset({"digital signature", "key encipherment"})


class UnreadableRequest(Exception):
    """spec.request is no PKCS#10 request in PEM, or its own signature is wrong."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The subject and names that a PKCS#10 request asks for."""

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()


def load_request(csr: Obj) -> x509.CertificateSigningRequest:
    """Raises UnreadableRequest."""
    from cryptography import x509

    try:
        parsed = x509.load_pem_x509_csr(base64.b64decode(csr["spec"]["request"]))
    except (ValueError, binascii.Error, KeyError) as error:
        raise UnreadableRequest(str(error)) from error
    if not parsed.is_signature_valid:
        raise UnreadableRequest("its signature is wrong")
    return parsed


def wanted_of(request: x509.CertificateSigningRequest) -> Wanted:
    from cryptography import x509

    def of(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(each.value) for each in request.subject.get_attributes_for_oid(oid))

    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    common = of(x509.NameOID.COMMON_NAME)
    return Wanted(
        common[0] if common else "",
        of(x509.NameOID.ORGANIZATION_NAME),
        tuple(names.get_values_for_type(x509.DNSName)),
        tuple(str(each) for each in names.get_values_for_type(x509.IPAddress)),
        tuple(names.get_values_for_type(x509.RFC822Name)),
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def refusal(signer: str, wanted: Wanted, usages: Sequence[str]) -> str:
    """Why the signer must not sign this; "" where it may."""
    if signer == API_CLIENT:
        return _usages_of_client(usages)
    if signer == KUBELET_CLIENT:
        return _subject_of_node(wanted) or _names_of_client(wanted) or _usages_of_node(usages, "client auth")
    if signer == KUBELET_SERVING:
        return _subject_of_node(wanted) or _names_of_server(wanted) or _usages_of_node(usages, "server auth")
    return ""


def _usages_of_client(usages: Sequence[str]) -> str:
    for usage in usages:
        if usage not in _COMMON | {"client auth"}:
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def _subject_of_node(wanted: Wanted) -> str:
    if wanted.organizations != (NODES_GROUP,):
        return "subject organization is not system:nodes"
    if not wanted.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node:"
    return ""


def _names_of_client(wanted: Wanted) -> str:
    for kind, names in (
        ("DNS", wanted.dns),
        ("Email", wanted.emails),
        ("IP", wanted.ips),
        ("URI", wanted.uris),
    ):
        if names:
            return f"{kind} subjectAltNames are not allowed"
    return ""


def _names_of_server(wanted: Wanted) -> str:
    if not wanted.dns and not wanted.ips:
        return "DNS or IP subjectAltName is required"
    if wanted.emails:
        return "Email subjectAltNames are not allowed"
    return "URI subjectAltNames are not allowed" if wanted.uris else ""


def _usages_of_node(usages: Sequence[str], needed: str) -> str:
    """Keys other than RSA's do not encipher keys, so that one usage may be missing."""
    if set(usages) in ({needed, *_COMMON}, {needed, "digital signature"}):
        return ""
    return f"usages did not match [{' '.join(sorted({needed, *_COMMON}))}]"


def verdict_of(csr: Obj) -> str:
    """Approved, Denied or Failed, the first that holds; "" while nobody has decided."""
    held = {each.get("type") for each in (csr.get("status") or {}).get("conditions") or ()}
    return next((verdict for verdict in ("Denied", "Failed", "Approved") if verdict in held), "")

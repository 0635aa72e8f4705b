"""Requests for certificates: the PKCS#10 in them, signers, usages, and which conditions an endpoint may touch.

Source: Kubernetes "Certificates and Certificate Signing Requests".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_MIN_SECONDS = 600
_EXCLUSIVE = ("Approved", "Denied")
_USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)


def conditions_of(request: Obj) -> list[Obj]:
    conditions: list[Obj] = (request.get("status") or {}).get("conditions") or []
    return conditions


def validate_request(request: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec = request.get("spec") or {}
    wrong = _pkcs10_error(spec.get("request", ""))
    if wrong:
        errors.invalid("spec.request", spec.get("request", ""), wrong)
    usages = spec.get("usages") or []
    if not usages:
        errors.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            errors.not_supported(f"spec.usages[{index}]", usage, _USAGES)
        if usage in usages[:index]:
            errors.duplicate(f"spec.usages[{index}]", usage)
    signer = spec.get("signerName", "")
    if signer == "kubernetes.io/legacy-unknown":
        errors.invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")
    else:
        _validate_signer(errors, signer)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _MIN_SECONDS:
        message = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.invalid("spec.expirationSeconds", seconds, message)
    _validate_conditions(errors, conditions_of(request))
    return errors.causes


def _pkcs10_error(encoded: str) -> str:
    """Why `encoded` is no base64 of a PEM request with a good signature; "" if it is one."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        pem = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return "PEM block type must be CERTIFICATE REQUEST"
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        parsed = x509.load_pem_x509_csr(pem)
        signed = parsed.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as bad:
        return str(bad) or "asn1: structure error"
    return "" if signed else "x509: signature is not valid"


def _validate_signer(errors: Errors, signer: str) -> None:
    path = "spec.signerName"
    domain, slash, name = signer.partition("/")
    if not signer:
        errors.required(path)
    elif not slash or "/" in name:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.invalid(path, signer, message)
    else:
        if "." not in domain:
            errors.invalid(path, domain, "should be a domain with at least two segments separated by dots")
        errors.invalid_each(path, domain, names.dns1123_subdomain(domain))
        errors.invalid_each(path, name, names.dns1123_subdomain(name))


def _validate_conditions(errors: Errors, conditions: list[Obj]) -> None:
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at, kind = f"status.conditions[{index}]", condition.get("type", "")
        if not kind:
            errors.required(f"{at}.type")
        elif kind in seen:
            errors.duplicate(f"{at}.type", kind)
        seen.add(kind)
        status = condition.get("status", "")
        if kind in ("Approved", "Denied", "Failed") and status != "True":
            errors.not_supported(f"{at}.status", status, ("True",))
        elif status not in ("True", "False", "Unknown"):
            errors.not_supported(f"{at}.status", status, ("False", "True", "Unknown"))
    if seen.issuperset(_EXCLUSIVE):
        errors.invalid("status.conditions", "Denied", "Approved and Denied conditions are mutually exclusive")


def validate_request_update(request: Obj, old: Obj, *, fixed: Sequence[str]) -> Sequence[Cause]:
    """`fixed`: types of conditions that this endpoint leaves alone; what was decided stays decided everywhere."""
    errors = Errors()
    _validate_conditions(errors, conditions_of(request))
    for kind in ("Approved", "Denied", "Failed"):
        before = [each for each in conditions_of(old) if each.get("type") == kind]
        after = [each for each in conditions_of(request) if each.get("type") == kind]
        if before and not after:
            errors.forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        elif kind in fixed and len(after) > len(before):
            errors.forbidden("status.conditions", f'updates may not add a condition of type "{kind}"')
        elif kind in fixed and after != before:
            errors.forbidden("status.conditions", f'updates may not modify a condition of type "{kind}"')
    given = (old.get("status") or {}).get("certificate")
    new = (request.get("status") or {}).get("certificate")
    if given and new != given:
        errors.forbidden("status.certificate", "updates may not set certificate content if it is already set")
    elif new and new != given:
        _validate_certificate(errors, new)
    return errors.causes


def _validate_certificate(errors: Errors, encoded: str) -> None:
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(base64.b64decode(encoded, validate=True))
    except ValueError as bad:
        errors.invalid("status.certificate", "<certificate data>", str(bad))

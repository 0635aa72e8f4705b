"""Requests for certificates: the PKCS#10 in them, signers, usages, and which conditions an endpoint may touch.

Source: Kubernetes "Certificates and Certificate Signing Requests".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.field_errors import quote

Obj = dict[str, Any]

_MIN_SECONDS = 600
_EXCLUSIVE = ("Approved", "Denied")
_DECISIONS = (*_EXCLUSIVE, "Failed")
# A domain, a slash, and a path that may hold a label, a dot and a domain.
_MAX_SIGNER = names.MAX_SUBDOMAIN + 1 + names.MAX_SUBDOMAIN + 1 + names.MAX_LABEL
_PEM = re.compile(rb"-----BEGIN ([^-]+)-----\r?\n(.*?)-----END \1-----", re.DOTALL)
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
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
    encoded = spec.get("request") or ""  # what has none says null
    wrong = _pkcs10_error(encoded)
    if wrong:
        errors.invalid("spec.request", encoded, wrong)
    usages = spec.get("usages") or []
    if not usages:
        errors.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            errors.not_supported(f"spec.usages[{index}]", usage, _USAGES)
    for index, usage in enumerate(usages):
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
    _validate_conditions(errors, conditions_of(request), ())
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
        return
    if not slash or "/" in name:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.invalid(path, signer, message)
        return
    if len(domain) > names.MAX_SUBDOMAIN:
        errors.too_long(path, names.MAX_SUBDOMAIN)
    for label in domain.split("."):
        for message in names.dns1123_label(label):
            errors.invalid(path, domain, f"validating label {quote(label)}: {message}")
    if "." not in domain:
        errors.invalid(path, domain, "should be a domain with at least two segments separated by dots")
    for label in name.split("."):
        for message in names.dns1123_subdomain(label):
            errors.invalid(path, name, f"validating label {quote(label)}: {message}")
    if len(signer) > _MAX_SIGNER:
        errors.too_long(path, _MAX_SIGNER)


def _validate_conditions(errors: Errors, conditions: list[Obj], old: Iterable[Obj]) -> None:
    """`old`: those that were there, whose mistakes may stay."""
    before = [each.get("type", "") for each in old]
    seen: list[str] = []
    for index, condition in enumerate(conditions):
        at, kind = f"status.conditions[{index}]", condition.get("type", "")
        if not kind and "" not in before:
            errors.required(f"{at}.type")
        status = condition.get("status", "")
        good = ("True",) if kind in _DECISIONS else ("False", "True", "Unknown")
        errors.one_of(f"{at}.status", status, good, required=True)
        opposite = {"Approved": "Denied", "Denied": "Approved"}.get(kind)
        if opposite in seen and not set(_EXCLUSIVE) <= set(before):
            message = "Approved and Denied conditions are mutually exclusive"
            errors.invalid("status.conditions", kind, message)
        if kind in seen and len(set(before)) == len(before):
            errors.duplicate(f"{at}.type", kind)
        seen.append(kind)


def validate_request_update(
    request: Obj, old: Obj, *, fixed: Sequence[str], certificate: bool
) -> Sequence[Cause]:
    """`fixed`: types of conditions that this endpoint leaves alone; what was decided stays decided everywhere.
    `certificate`: whether a certificate may be given."""
    errors = Errors()
    _validate_conditions(errors, conditions_of(request), conditions_of(old))
    given = (old.get("status") or {}).get("certificate") or ""
    new = (request.get("status") or {}).get("certificate") or ""
    if new != given and not _certificate_error(given):
        wrong = _certificate_error(new)
        if wrong:
            errors.invalid("status.certificate", "<certificate data>", wrong)
    for kind in _DECISIONS:
        before, after = (_of(each, kind) for each in (old, request))
        if len(after) < len(before):
            errors.forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
    for kind in fixed:
        before, after = (_of(each, kind) for each in (old, request))
        if len(after) > len(before):
            errors.forbidden("status.conditions", f'updates may not add a condition of type "{kind}"')
        elif len(after) == len(before) and after != before:
            errors.forbidden("status.conditions", f'updates may not modify a condition of type "{kind}"')
    if new != given:
        if not certificate:
            errors.forbidden("status.certificate", "updates may not set certificate content")
        elif given:
            errors.forbidden("status.certificate", "updates may not modify existing certificate content")
    return errors.causes


def _of(request: Obj, kind: str) -> list[Obj]:
    return [each for each in conditions_of(request) if each.get("type") == kind]


def _certificate_error(encoded: str) -> str:
    """Why `encoded` is no base64 of PEM certificates; "" if it is, or empty."""
    from cryptography import x509

    if not encoded:
        return ""
    try:
        pem = base64.b64decode(encoded, validate=True)
    except binascii.Error as bad:
        return str(bad)
    blocks = _PEM.findall(pem)
    for kind, body in blocks:
        if kind != b"CERTIFICATE":
            return f"only CERTIFICATE PEM blocks are allowed, found {quote(kind.decode(errors='replace'))}"
        if b":" in body:
            return "no PEM block headers are permitted"
        try:
            x509.load_pem_x509_certificate(_BEGIN + body + _END)
        except ValueError as bad:
            return str(bad)
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"

"""Removes requests for certificates that nobody needs any more.

Owns     the end of CertificateSigningRequests: an hour after they were issued, denied or failed, a day after they came
         if nobody decided, and when the certificate they hold has expired.
Woken by changes of CertificateSigningRequests, and when their time has come.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from controllers.framework import Context, Key, reconciler
from machinery.clock import parse_rfc3339
from machinery.errors import NotFound
from machinery.gvk import CERTIFICATESIGNINGREQUESTS

Obj = dict[str, Any]

DECIDED_S = 3600.0
PENDING_S = 24 * 3600.0


def plan_end(csr: Obj, expires_s: float | None) -> float | None:
    """When it may go; None where it stays as it is. `expires_s` is the end of the certificate it holds."""
    status = csr.get("status") or {}
    issued = bool(status.get("certificate"))
    ends: list[float] = []
    for condition in status.get("conditions") or ():
        kind, at = condition.get("type"), condition.get("lastUpdateTime")
        if at and (kind in ("Denied", "Failed") or (kind == "Approved" and issued)):
            ends.append(parse_rfc3339(at) + DECIDED_S)
        if kind == "Approved" and issued and expires_s is not None:
            ends.append(expires_s)
    if not status.get("conditions"):
        ends.append(parse_rfc3339(csr["metadata"]["creationTimestamp"]) + PENDING_S)
    return min(ends, default=None)


def expiry_of(csr: Obj) -> float | None:
    text = (csr.get("status") or {}).get("certificate")
    if not text:
        return None
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(base64.b64decode(text)).not_valid_after_utc.timestamp()
    except (ValueError, binascii.Error):
        return None


@reconciler(CERTIFICATESIGNINGREQUESTS, name="csrcleaner", event_source="certificate-controller")
async def reconcile(ctx: Context, key: Key) -> float | None:
    csr = ctx.get(key)
    if csr is None:
        return None
    end = plan_end(csr, expiry_of(csr))
    if end is None:
        return None
    if end > ctx.now:
        return end - ctx.now
    try:
        await ctx.client.delete(CERTIFICATESIGNINGREQUESTS, key.name)
    except NotFound:
        return None
    return None

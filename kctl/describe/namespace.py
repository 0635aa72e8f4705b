"""What `kctl describe` shows of a namespace: its quotas and limits too, where the server has such kinds."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.failure import Failure
from kctl.session import Session
from machinery.errors import ApiError

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    parts.head(page, obj)
    status = obj.get("status") or {}
    page.line(0, f"Status:\t{status.get('phase', '')}")
    conditions = status.get("conditions") or ()
    if conditions:
        page.line(0, "Conditions:\n  Type\tStatus\tLastTransitionTime\tReason\tMessage")
        page.line(1, "----\t------\t------------------\t------\t-------")
        for each in conditions:
            cells = [each["type"], each["status"], each.get("lastTransitionTime") or ""]
            page.line(1, "\t".join((*cells, each.get("reason", ""), each.get("message", ""))))
    _quotas(page, _listed(session, "resourcequotas", obj))
    _limits(page, _listed(session, "limitranges", obj))


def _listed(session: Session, resource: str, namespace: Obj) -> list[Obj] | None:
    """None where the server does not have the kind, or does not tell."""
    try:
        gvr = session.mapper.find(resource).gvr
        found: list[Obj] = session.rest.get(gvr.path(namespace["metadata"]["name"]))["items"]
    except (ApiError, Failure):
        return None
    return found


def _quotas(page: Page, quotas: list[Obj] | None) -> None:
    if quotas is None:
        return
    page.line(0, "\nResource Quotas" if quotas else "\nNo resource quota.")
    for quota in quotas:
        page.line(1, f"Name:\t{quota['metadata']['name']}")
        page.line(1, "Resource\tUsed\tHard")
        page.line(1, "--------\t---\t---")
        status = quota.get("status") or {}
        for name, hard in sorted((status.get("hard") or {}).items()):
            page.line(1, f"{name}\t{(status.get('used') or {}).get(name, '')}\t{hard}")


def _limits(page: Page, ranges: list[Obj] | None) -> None:
    if ranges is None:
        return
    if not ranges:
        page.line(0, "\nNo LimitRange resource.")
        return
    titles = ("Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio")
    page.line(0, "\nResource Limits\n " + "\t".join(titles))
    page.line(0, " " + "\t".join("-" * len(title) for title in titles))
    fields = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for each in ranges:
        for limit in each["spec"].get("limits") or ():
            names = sorted({name for field in fields for name in limit.get(field) or ()})
            for name in names:
                cells = [str((limit.get(field) or {}).get(name, "-")) for field in fields]
                page.line(0, " " + "\t".join((limit["type"], name, *cells)))

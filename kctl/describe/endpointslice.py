"""What `kctl describe` shows of an EndpointSlice."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    parts.head(page, obj)
    page.line(0, f"AddressType:\t{obj.get('addressType', '')}")
    ports = obj.get("ports") or ()
    if ports:
        page.line(0, "Ports:\n  Name\tPort\tProtocol\n  ----\t----\t--------")
        for port in ports:
            cells = (
                port.get("name") or "<unset>",
                str(port.get("port", "<unset>")),
                port.get("protocol", "TCP"),
            )
            page.line(1, "\t".join(cells))
    else:
        page.line(0, "Ports: <unset>")
    endpoints = obj.get("endpoints") or ()
    page.line(0, "Endpoints:" if endpoints else "Endpoints: <none>")
    for endpoint in endpoints:
        page.line(1, f"- Addresses:\t{','.join(endpoint['addresses'])}")
        ready = (endpoint.get("conditions") or {}).get("ready")
        page.line(2, "Conditions:")
        page.line(3, f"Ready:\t{'<unset>' if ready is None else parts.bool_text(ready)}")
        page.line(2, f"Hostname:\t{endpoint.get('hostname') or '<unset>'}")
        target = endpoint.get("targetRef")
        if target:
            page.line(2, f"TargetRef:\t{target['kind']}/{target['name']}")
        page.line(2, f"NodeName:\t{endpoint.get('nodeName') or '<unset>'}")
        page.line(2, f"Zone:\t{endpoint.get('zone') or '<unset>'}")

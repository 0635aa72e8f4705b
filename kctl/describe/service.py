"""What `kctl describe` shows of a Service."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]
_SHOWN = 3


def describe(page: Page, session: Session, obj: Obj) -> None:
    meta, spec = obj["metadata"], obj["spec"]
    parts.head(page, obj)
    parts_of_selector = [f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items())]
    page.line(0, f"Selector:\t{','.join(parts_of_selector) or '<none>'}")
    page.line(0, f"Type:\t{spec.get('type', '')}")
    if spec.get("ipFamilyPolicy"):
        page.line(0, f"IP Family Policy:\t{spec['ipFamilyPolicy']}")
    if spec.get("ipFamilies"):
        page.line(0, f"IP Families:\t{','.join(spec['ipFamilies'])}")
    page.line(0, f"IP:\t{spec.get('clusterIP', '')}")
    page.line(0, f"IPs:\t{','.join(spec.get('clusterIPs') or ()) or '<none>'}")
    if spec.get("externalIPs"):
        page.line(0, f"External IPs:\t{','.join(spec['externalIPs'])}")
    if spec.get("loadBalancerIP"):
        page.line(0, f"Desired LoadBalancer IP:\t{spec['loadBalancerIP']}")
    if spec.get("externalName"):
        page.line(0, f"External Name:\t{spec['externalName']}")
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if ingress:
        texts = [each.get("ip") or each.get("hostname", "") for each in ingress]
        page.line(0, f"LoadBalancer Ingress:\t{', '.join(texts)}")
    _ports(page, session, meta, spec)
    page.line(0, f"Session Affinity:\t{spec.get('sessionAffinity', '')}")
    for title, field in (
        ("External Traffic Policy", "externalTrafficPolicy"),
        ("Internal Traffic Policy", "internalTrafficPolicy"),
        ("Traffic Distribution", "trafficDistribution"),
        ("HealthCheck NodePort", "healthCheckNodePort"),
    ):
        if spec.get(field):
            page.line(0, f"{title}:\t{spec[field]}")
    if spec.get("loadBalancerSourceRanges"):
        page.line(0, f"LoadBalancer Source Ranges:\t{','.join(spec['loadBalancerSourceRanges'])}")


def _ports(page: Page, session: Session, meta: Obj, spec: Obj) -> None:
    path = session.mapper.find("endpointslices").gvr.path(meta["namespace"])
    query = [("labelSelector", f"kubernetes.io/service-name={meta['name']}")]
    slices = session.rest.get(path, query)["items"]
    for port in spec.get("ports") or ():
        protocol = port.get("protocol", "TCP")
        page.line(0, f"Port:\t{port.get('name') or '<unset>'}\t{port['port']}/{protocol}")
        page.line(0, f"TargetPort:\t{port.get('targetPort', port['port'])}/{protocol}")
        if port.get("nodePort"):
            page.line(0, f"NodePort:\t{port.get('name') or '<unset>'}\t{port['nodePort']}/{protocol}")
        page.line(0, f"Endpoints:\t{endpoints_text(slices, port.get('name', ''))}")


def endpoints_text(slices: list[Obj], port_name: str) -> str:
    """The first ready addresses of a port, and how many more there are."""
    if not slices:
        return "<none>"
    found = []
    for each in slices:
        ready = [
            endpoint["addresses"][0]
            for endpoint in each.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready", True)
        ]
        if not each.get("ports"):
            found += ready
            continue
        numbers = [p.get("port") for p in each["ports"] if (p.get("name") or "") == (port_name or "")]
        brackets = each.get("addressType") == "IPv6"
        found += [f"[{ip}]:{number}" if brackets else f"{ip}:{number}" for number in numbers for ip in ready]
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return ",".join(found[:_SHOWN]) + more

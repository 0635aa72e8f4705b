"""The EndpointSlice controller: where each Service's traffic may go.

Owns     EndpointSlices labelled as managed by it, for Services with a selector.
Woken by changes of Services, of pods that a Service selects, of Nodes' zones.
Keeps    one endpoint per selected pod that has an IP and has not ended: `ready` when it may get new
         traffic, `serving` when it passes its probe even while terminating, `terminating`.

Invariants: an endpoint stays in its slice while it lives, so that one pod's change rewrites one
slice; at most 100 endpoints a slice; pods whose named ports differ lie in different slices; a Service
without endpoints has one empty slice.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.framework import Context, Key, Watch, reconciler
from controllers.podstate import is_ready, is_terminated
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.gvk import ENDPOINTSLICES, NODES, PODS, SERVICES, key_of
from machinery.objects import is_being_deleted, labels, owner_reference, uid
from machinery.selectors import selector_from_labels

Obj = dict[str, Any]
Ports = tuple[tuple[str, str, int, str], ...]  # name, protocol, port, appProtocol

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"
MAX_ENDPOINTS = 100
_RESERVED = frozenset({SERVICE_NAME, MANAGED_BY, HEADLESS})


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[Obj, ...] = ()
    update: tuple[Obj, ...] = ()
    delete: tuple[Obj, ...] = ()


def plan(service: Obj, pods: Sequence[Obj], zones: Mapping[str, str], present: Sequence[Obj]) -> Plan:
    """`pods` are those the Service selects, `zones` by node, `present` the slices it has now."""
    create: list[Obj] = []
    update: list[Obj] = []
    delete: list[Obj] = []
    families = _families(service)
    for family in families:
        slices = [each for each in present if each.get("addressType") == family]
        groups: dict[Ports, dict[str, Obj]] = {}
        for pod in pods:
            endpoint = endpoint_of(service, pod, family, zones)
            if endpoint is not None:
                groups.setdefault(ports_of(service, pod), {})[uid(pod)] = endpoint
        used = False
        for ports in list(dict.fromkeys([*groups, *map(_ports_in, slices)])):
            same = [each for each in slices if _ports_in(each) == ports]
            wanted = _pack(service, same, groups.get(ports, {}))
            for old, endpoints in wanted:
                if old is None:
                    create.append(_slice(service, family, ports, endpoints))
                elif not endpoints:
                    delete.append(old)
                else:
                    changed = {**old, "endpoints": endpoints, **_labelled(service, old)}
                    if changed != old:
                        update.append(changed)
                used = used or bool(endpoints)
        if not used:
            delete, spare = _keep_placeholder(service, family, delete, slices)
            create += spare
    delete += [each for each in present if each.get("addressType") not in families]
    return Plan(tuple(create), tuple(update), tuple(delete))


def _keep_placeholder(
    service: Obj, family: str, delete: list[Obj], slices: Sequence[Obj]
) -> tuple[list[Obj], list[Obj]]:
    """Without endpoints one slice stays, empty and without ports: (what is still deleted, what is new)."""
    for each in slices:
        if not each.get("endpoints") and not each.get("ports"):
            return [other for other in delete if other is not each], []
    return delete, [_slice(service, family, (), [])]


def _pack(
    service: Obj, slices: Sequence[Obj], endpoints: Mapping[str, Obj]
) -> list[tuple[Obj | None, list[Obj]]]:
    """(slice or None for a new one, its endpoints): known endpoints stay where they are."""
    left = dict(endpoints)
    packed: list[tuple[Obj | None, list[Obj]]] = []
    for each in slices:
        kept = []
        for old in each.get("endpoints") or ():
            current = left.pop((old.get("targetRef") or {}).get("uid", ""), None)
            if current is not None:
                kept.append(current)
        packed.append((each, kept))
    new = list(left.values())
    # The fullest slice with room first: few slices, and few of them rewritten.
    for _, kept in sorted(packed, key=lambda entry: -len(entry[1])):
        room = MAX_ENDPOINTS - len(kept)
        if new and kept and room > 0:
            kept += new[:room]
            del new[:room]
    for _, kept in packed:
        if new and not kept:
            kept += new[:MAX_ENDPOINTS]
            del new[:MAX_ENDPOINTS]
    while new:
        packed.append((None, new[:MAX_ENDPOINTS]))
        del new[:MAX_ENDPOINTS]
    return packed


def endpoint_of(service: Obj, pod: Obj, family: str, zones: Mapping[str, str]) -> Obj | None:
    """The pod as an endpoint; None where it can take no traffic of this family at all."""
    if is_terminated(pod):
        return None
    ips = [entry["ip"] for entry in (pod.get("status") or {}).get("podIPs") or ()]
    single = (pod.get("status") or {}).get("podIP")
    addresses = [ip for ip in ips or ([single] if single else []) if _family_of(ip) == family][:1]
    if not addresses:
        return None
    spec = pod.get("spec") or {}
    serving, terminating = is_ready(pod), is_being_deleted(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    meta = pod["metadata"]
    endpoint: Obj = {
        "addresses": addresses,
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }
    if node := spec.get("nodeName"):
        endpoint["nodeName"] = node
        if zone := zones.get(node):
            endpoint["zone"] = zone
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = spec["hostname"]
    return endpoint


def ports_of(service: Obj, pod: Obj) -> Ports:
    """The Service's ports as this pod has them; a named target port it lacks is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol", "TCP")
        target = port.get("targetPort", port["port"])
        number = target if isinstance(target, int) else _named_port(pod, target, protocol)
        if number is not None:
            found.append((port.get("name", ""), protocol, number, port.get("appProtocol", "")))
    return tuple(found)


def _named_port(pod: Obj, name: str, protocol: str) -> int | None:
    spec = pod.get("spec") or {}
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *sidecars):
        for port in container.get("ports") or ():
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def _ports_in(slice_: Obj) -> Ports:
    return tuple(
        (p.get("name", ""), p.get("protocol", "TCP"), p.get("port", 0), p.get("appProtocol", ""))
        for p in slice_.get("ports") or ()
    )


def _slice(service: Obj, family: str, ports: Ports, endpoints: list[Obj]) -> Obj:
    meta = service["metadata"]
    reference = owner_reference(service, api_version=SERVICES.api_version, kind=SERVICES.kind)
    return {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": ENDPOINTSLICES.kind,
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": _labels(service),
            "ownerReferences": [reference],
        },
        "addressType": family,
        "endpoints": endpoints,
        "ports": [
            {"name": name, "protocol": protocol, "port": port, **({"appProtocol": app} if app else {})}
            for name, protocol, port, app in ports
        ],
    }


def _labelled(service: Obj, slice_: Obj) -> Obj:
    """The slice's metadata with the Service's labels, where they have changed."""
    if labels(slice_) == _labels(service):
        return {}
    return {"metadata": {**slice_["metadata"], "labels": _labels(service)}}


def _labels(service: Obj) -> dict[str, str]:
    own = {name: value for name, value in labels(service).items() if name not in _RESERVED}
    headless = {HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {}
    return {**own, **headless, SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: CONTROLLER}


def _families(service: Obj) -> list[str]:
    return service["spec"].get("ipFamilies") or ["IPv4"]


def _family_of(ip: str) -> str:
    return "IPv6" if ":" in ip else "IPv4"


def pod_to_services(ctx: Context, pod: Obj) -> Iterable[Key]:
    own = labels(pod)
    for service in ctx.lister(SERVICES).list(pod["metadata"]["namespace"]):
        selector = service["spec"].get("selector")
        if selector and all(own.get(name) == value for name, value in selector.items()):
            yield key_of(service)


def slice_to_service(ctx: Context, slice_: Obj) -> Iterable[Key]:
    own = labels(slice_)
    if own.get(MANAGED_BY) == CONTROLLER and own.get(SERVICE_NAME):
        return (Key(slice_["metadata"]["namespace"], own[SERVICE_NAME]),)
    return ()


def node_to_services(ctx: Context, node: Obj) -> Iterable[Key]:
    return [key_of(service) for service in ctx.lister(SERVICES).list()] if labels(node).get(ZONE) else ()


@reconciler(
    SERVICES,
    watches=(
        Watch(PODS, pod_to_services),
        Watch(ENDPOINTSLICES, slice_to_service),
        Watch(
            NODES, node_to_services, relevant=lambda old, new: labels(old).get(ZONE) != labels(new).get(ZONE)
        ),
    ),
    workers=5,
    event_source="endpoint-slice-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    service = ctx.get(key)
    if service is None or is_being_deleted(service):
        return None
    selector = service["spec"].get("selector")
    if not selector or service["spec"].get("type") == "ExternalName":
        return None
    matches = selector_from_labels(selector).matches
    pods = ctx.lister(PODS).list(key.namespace, lambda pod: matches(labels(pod)))
    present = [
        each
        for each in ctx.lister(ENDPOINTSLICES).list(key.namespace)
        if labels(each).get(SERVICE_NAME) == key.name
        and labels(each).get(MANAGED_BY) == CONTROLLER
        and not is_being_deleted(each)
    ]
    zones = {node["metadata"]["name"]: labels(node).get(ZONE, "") for node in ctx.lister(NODES).list()}
    try:
        await _apply(ctx, plan(service, pods, zones, present))
    except ApiError as error:
        if any(cause.reason == "NamespaceTerminating" for cause in error.causes):
            return None
        message = f"Error updating Endpoint Slices for Service {key}: {error.message}"
        ctx.events.event(service, "Warning", "FailedToUpdateEndpointSlices", message)
        raise
    return None


async def _apply(ctx: Context, todo: Plan) -> None:
    for each in todo.create:
        with contextlib.suppress(AlreadyExists):
            await ctx.client.create(ENDPOINTSLICES, each)
    for each in todo.update:
        await ctx.client.update(ENDPOINTSLICES, each)
    for each in todo.delete:
        with contextlib.suppress(NotFound):
            meta = each["metadata"]
            await ctx.client.delete(ENDPOINTSLICES, meta["name"], meta["namespace"], uid=uid(each))

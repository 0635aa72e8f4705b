"""Service: one stable address for whichever pods carry certain labels.

Cluster addresses and node ports are handed out by the server as it writes; this module defaults and judges.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, ATOMIC_MAP, Default, Enum, Int32, IntOrString, ListMap, Patch, Proto
from api.builtin import builtin, status_of
from api.columns import AGE, NAME, NONE, labels_text
from api.meta.v1 import Condition, ObjectMeta
from api.resource import Column, Subresource
from api.strategy import SpecStatusStrategy
from api.validation.service import (
    is_external,
    needs_health_check,
    service_warnings,
    validate_service,
    validate_service_status,
    validate_service_update,
)
from machinery.errors import Cause
from machinery.gvk import SERVICES


class ServicePort(TypedDict, total=False):
    """A port of the service, and the port of its pods that it leads to."""

    name: Annotated[str, Proto(1), "Its name; needed where there are several."]
    protocol: Annotated[str, Proto(2), Default("TCP"), "TCP, UDP or SCTP."]
    port: Required[Annotated[Int32, Proto(3), "The port of the service."]]
    targetPort: Annotated[
        IntOrString, Proto(4), "The port of the pods, by number or by name; the same as `port` where unset."
    ]
    nodePort: Annotated[
        Int32, Proto(5), "The port of every node that leads here, for NodePort and LoadBalancer."
    ]
    appProtocol: Annotated[str, Proto(6), "What is spoken on it, such as kubernetes.io/h2c."]


class ClientIPConfig(TypedDict, total=False):
    """How long a client stays with one pod."""

    timeoutSeconds: Annotated[Int32, Proto(1), "How long a client stays with one pod."]


class SessionAffinityConfig(TypedDict, total=False):
    """Settings of session affinity."""

    clientIP: Annotated[ClientIPConfig, Proto(1)]


class ServiceSpec(TypedDict, total=False):
    """What a user wants of a service."""

    ports: Annotated[
        list[ServicePort],
        Proto(1),
        ListMap("port", "protocol"),
        Patch("merge", "port"),
        "Ports that it serves.",
    ]
    selector: Annotated[
        dict[str, str],
        Proto(2),
        ATOMIC_MAP,
        "Which pods it leads to; without one, somebody else keeps its endpoints.",
    ]
    clusterIP: Annotated[
        str, Proto(3), "Its address; None for a headless one, whose name resolves to the pods themselves."
    ]
    type: Annotated[
        str,
        Proto(4),
        Enum("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
        "ClusterIP, NodePort, LoadBalancer or ExternalName.",
    ]
    externalIPs: Annotated[
        list[str], Proto(5), ATOMIC, "Further addresses whose traffic nodes accept for it."
    ]
    sessionAffinity: Annotated[str, Proto(7), "ClientIP keeps a client with one pod; None does not."]
    loadBalancerIP: Annotated[str, Proto(8), "The load balancer's address to ask for; deprecated."]
    loadBalancerSourceRanges: Annotated[
        list[str], Proto(9), ATOMIC, "From where the load balancer takes traffic."
    ]
    externalName: Annotated[str, Proto(10), "The name that it stands for, for ExternalName."]
    externalTrafficPolicy: Annotated[
        str, Proto(11), "Whether traffic from outside may go to pods of other nodes: Cluster or Local."
    ]
    healthCheckNodePort: Annotated[Int32, Proto(12), "Where a node says whether it has pods of it."]
    publishNotReadyAddresses: Annotated[bool, Proto(13), "Lead to pods that are not ready, too."]
    sessionAffinityConfig: Annotated[SessionAffinityConfig, Proto(14), "For how long."]
    ipFamilyPolicy: Annotated[str, Proto(17), "SingleStack, PreferDualStack or RequireDualStack."]
    clusterIPs: Annotated[list[str], Proto(18), ATOMIC, "Its addresses, one a family."]
    ipFamilies: Annotated[list[str], Proto(19), ATOMIC, "IPv4, IPv6, or both, in order."]
    allocateLoadBalancerNodePorts: Annotated[bool, Proto(20), "Whether a load balancer needs node ports."]
    loadBalancerClass: Annotated[str, Proto(21), "Which load balancer serves it."]
    internalTrafficPolicy: Annotated[
        str, Proto(22), "Whether traffic from inside may go to pods of other nodes: Cluster or Local."
    ]
    trafficDistribution: Annotated[
        str, Proto(23), "Which endpoints to prefer: PreferSameZone or PreferSameNode."
    ]


class PortStatus(TypedDict, total=False):
    """How one port of a load balancer is."""

    port: Required[Annotated[Int32, Proto(1)]]
    protocol: Required[Annotated[str, Proto(2)]]
    error: Annotated[str, Proto(3)]


class LoadBalancerIngress(TypedDict, total=False):
    """An address of a load balancer."""

    ip: Annotated[str, Proto(1)]
    hostname: Annotated[str, Proto(2)]
    ipMode: Annotated[str, Proto(3)]
    ports: Annotated[list[PortStatus], Proto(4), ATOMIC, "Ports."]


class LoadBalancerStatus(TypedDict, total=False):
    """The addresses of a load balancer."""

    ingress: Annotated[list[LoadBalancerIngress], Proto(1), ATOMIC]


class ServiceStatus(TypedDict, total=False):
    """What is known of a service's load balancer."""

    loadBalancer: Annotated[LoadBalancerStatus, Proto(1), "Addresses of its load balancer."]
    conditions: Annotated[
        list[Condition],
        Proto(2),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class Service(TypedDict, total=False):
    """One stable address for whichever pods carry certain labels."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[ServiceSpec, Proto(2), "What is wanted."]
    status: Annotated[ServiceStatus, Proto(3), "What is; written by the system."]


Obj = dict[str, Any]

_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
_PROXY = ("create", "delete", "get", "patch", "update")


class ServiceStrategy(SpecStatusStrategy):
    name_rule = "label"
    has_generation = False
    allow_create_on_update = True

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("sessionAffinity"):
            spec["sessionAffinity"] = "None"
        if spec["sessionAffinity"] == "None":
            spec.pop("sessionAffinityConfig", None)
        elif spec["sessionAffinity"] == "ClientIP":
            client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
            if client.get("timeoutSeconds") is None:
                spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
        if not spec.get("type"):
            spec["type"] = "ClusterIP"
        for port in spec.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port", 0)
        if is_external(spec) and not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec["type"] in ("ClusterIP", "NodePort", "LoadBalancer"):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
            for each in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
                if each.get("ip"):
                    each.setdefault("ipMode", "VIP")

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"loadBalancer": {}}

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_update(obj, old)
        _forget_other_types(obj["spec"], old["spec"])
        if obj["spec"]["type"] != "LoadBalancer" and (obj.get("status") or {}).get("loadBalancer"):
            obj["status"] = {**obj["status"], "loadBalancer": {}}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_service(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_service_update(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_service_status(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        only_status = old is not None and obj.get("status") != old.get("status")
        return () if only_status else service_warnings(obj)


def _forget_other_types(spec: Obj, old: Obj) -> None:
    """What belongs to the type a service had, and was left as it was, goes with that type."""
    kind, was = spec["type"], old.get("type")
    balanced = kind != "LoadBalancer" and was == "LoadBalancer"
    goes = {
        "clusterIP clusterIPs ipFamilies ipFamilyPolicy": kind == "ExternalName" != was,
        "healthCheckNodePort": needs_health_check(old) and not needs_health_check(spec),
        "allocateLoadBalancerNodePorts loadBalancerClass": balanced,
        "externalTrafficPolicy": is_external(old) and not is_external(spec),
    }
    for fields in (fields for fields, gone in goes.items() if gone):
        for field in fields.split():
            if spec.get(field) == old.get(field):
                spec.pop(field, None)
    if was in _WITH_NODE_PORTS and kind not in _WITH_NODE_PORTS:
        held, wanted = (
            {p["nodePort"] for p in s.get("ports") or () if p.get("nodePort")} for s in (old, spec)
        )
        for port in spec.get("ports") or () if wanted <= held else ():
            port.pop("nodePort", None)


def _cluster_ip(obj: Obj, now: float) -> str:
    spec = obj["spec"]
    address: str = (spec.get("clusterIPs") or [spec.get("clusterIP") or NONE])[0]
    return address


def _external_ip(obj: Obj, now: float) -> str:
    spec = obj["spec"]
    given = ",".join(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ExternalName":
            return spec.get("externalName") or NONE
        case "LoadBalancer":
            ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
            balanced = ",".join(dict.fromkeys(i.get("ip") or i.get("hostname") or "" for i in ingress))
            return ",".join(part for part in (balanced, given) if part) or "<pending>"
    return given or NONE


def _ports(obj: Obj, now: float) -> str:
    shown = []
    for port in obj["spec"].get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or NONE


SERVICE = builtin(
    SERVICES,
    Service,
    strategy=ServiceStrategy(),
    columns=(
        NAME,
        Column("Type", ".spec.type", description="How it is exposed."),
        Column("Cluster-IP", _cluster_ip, description="Its address within the cluster."),
        Column("External-IP", _external_ip, description="Addresses from outside the cluster."),
        Column("Port(s)", _ports, description="Ports it serves, with node ports and protocols."),
        AGE,
        Column(
            "Selector",
            lambda obj, now: labels_text(obj["spec"].get("selector")),
            priority=1,
            description="Which pods it leads to.",
        ),
    ),
    short_names=("svc",),
    categories=("all",),
    subresources=(Subresource("proxy", "ServiceProxyOptions", _PROXY), status_of("Service")),
    selectable_fields={"spec.clusterIP": ".spec.clusterIP", "spec.type": ".spec.type"},
    returns_deleted=True,
)

"""TODO module"""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, ATOMIC_MAP, Int32, IntOrString, ListMap, Patch, Proto
from api.builtin import builtin, status_of
from api.columns import AGE, NAME, NONE, labels_text
from api.meta.v1 import Condition, ObjectMeta
from api.resource import Column, Subresource
from api.strategy import SpecStatusStrategy
from api.validation.service import validate_service, validate_service_status, validate_service_update
from machinery.errors import Cause
from machinery.gvk import SERVICES


class ServicePort(TypedDict, total=False):
    """TODO ServicePort"""

    name: Annotated[str, Proto(1)]
    protocol: Annotated[str, Proto(2)]
    port: Required[Annotated[Int32, Proto(3)]]
    targetPort: Annotated[IntOrString, Proto(4)]
    nodePort: Annotated[Int32, Proto(5)]
    appProtocol: Annotated[str, Proto(6)]


class ClientIPConfig(TypedDict, total=False):
    """TODO ClientIPConfig"""

    timeoutSeconds: Annotated[Int32, Proto(1)]


class SessionAffinityConfig(TypedDict, total=False):
    """TODO SessionAffinityConfig"""

    clientIP: Annotated[ClientIPConfig, Proto(1)]


class ServiceSpec(TypedDict, total=False):
    """TODO ServiceSpec"""

    ports: Annotated[list[ServicePort], Proto(1), ListMap("port", "protocol"), Patch("merge", "port")]
    selector: Annotated[dict[str, str], Proto(2), ATOMIC_MAP]
    clusterIP: Annotated[str, Proto(3)]
    type: Annotated[str, Proto(4)]
    externalIPs: Annotated[list[str], Proto(5), ATOMIC]
    sessionAffinity: Annotated[str, Proto(7)]
    loadBalancerIP: Annotated[str, Proto(8)]
    loadBalancerSourceRanges: Annotated[list[str], Proto(9), ATOMIC]
    externalName: Annotated[str, Proto(10)]
    externalTrafficPolicy: Annotated[str, Proto(11)]
    healthCheckNodePort: Annotated[Int32, Proto(12)]
    publishNotReadyAddresses: Annotated[bool, Proto(13)]
    sessionAffinityConfig: Annotated[SessionAffinityConfig, Proto(14)]
    ipFamilyPolicy: Annotated[str, Proto(17)]
    clusterIPs: Annotated[list[str], Proto(18), ATOMIC]
    ipFamilies: Annotated[list[str], Proto(19), ATOMIC]
    allocateLoadBalancerNodePorts: Annotated[bool, Proto(20)]
    loadBalancerClass: Annotated[str, Proto(21)]
    internalTrafficPolicy: Annotated[str, Proto(22)]
    trafficDistribution: Annotated[str, Proto(23)]


class PortStatus(TypedDict, total=False):
    """TODO PortStatus"""

    port: Required[Annotated[Int32, Proto(1)]]
    protocol: Required[Annotated[str, Proto(2)]]
    error: Annotated[str, Proto(3)]


class LoadBalancerIngress(TypedDict, total=False):
    """TODO LoadBalancerIngress"""

    ip: Annotated[str, Proto(1)]
    hostname: Annotated[str, Proto(2)]
    ipMode: Annotated[str, Proto(3)]
    ports: Annotated[list[PortStatus], Proto(4), ATOMIC]


class LoadBalancerStatus(TypedDict, total=False):
    """TODO LoadBalancerStatus"""

    ingress: Annotated[list[LoadBalancerIngress], Proto(1), ATOMIC]


class ServiceStatus(TypedDict, total=False):
    """TODO ServiceStatus"""

    loadBalancer: Annotated[LoadBalancerStatus, Proto(1)]
    conditions: Annotated[list[Condition], Proto(2), ListMap("type"), Patch("merge", "type")]


class Service(TypedDict, total=False):
    """TODO Service"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[ServiceSpec, Proto(2)]
    status: Annotated[ServiceStatus, Proto(3)]


Obj = dict[str, Any]

_PROXY = ("create", "delete", "get", "patch", "update")


class ServiceStrategy(SpecStatusStrategy):
    name_rule = "dns1035"
    has_generation = False

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("sessionAffinity"):
            spec["sessionAffinity"] = "None"
        if spec["sessionAffinity"] == "None":
            spec.pop("sessionAffinityConfig", None)
        elif spec["sessionAffinity"] == "ClientIP":
            config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
            config.setdefault("timeoutSeconds", 10800)
        if not spec.get("type"):
            spec["type"] = "ClusterIP"
        for port in spec.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port", 0)
        if spec["type"] in ("NodePort", "LoadBalancer") and not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec["type"] in ("ClusterIP", "NodePort", "LoadBalancer"):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"loadBalancer": {}}

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_update(obj, old)
        _forget_other_types(obj["spec"], old["spec"])

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_service(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_service_update(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_service_status(obj)


def _forget_other_types(spec: Obj, old: Obj) -> None:
    """What belongs to the type a service had, and was left as it was, goes with that type."""
    kept = spec["type"]

    def drop(field: str) -> None:
        if spec.get(field) == old.get(field):
            spec.pop(field, None)

    if kept != "ExternalName" and old.get("type") == "ExternalName":
        drop("externalName")
    if kept not in ("NodePort", "LoadBalancer") and old.get("type") in ("NodePort", "LoadBalancer"):
        drop("externalTrafficPolicy")
        drop("healthCheckNodePort")
    if kept != "LoadBalancer" and old.get("type") == "LoadBalancer":
        drop("allocateLoadBalancerNodePorts")
        drop("loadBalancerClass")
    if kept == "ExternalName" and old.get("type") != "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            drop(field)
        for port in spec.get("ports") or ():
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
)

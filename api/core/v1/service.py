"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, ATOMIC_MAP, Int32, IntOrString, ListMap, Patch, Proto
from api.meta.v1 import Condition, ObjectMeta


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

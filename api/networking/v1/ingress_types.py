"""The wire form of Ingress."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Int32, Proto, atomic, inlines
from api.core.v1.reference import TypedLocalObjectReference
from api.meta.v1 import ObjectMeta


@atomic
class ServiceBackendPort(TypedDict, total=False):
    """A port of a service, by name or by number."""

    name: Annotated[str, Proto(1), "Its name."]
    number: Annotated[Int32, Proto(2), "Its number."]


class IngressServiceBackend(TypedDict, total=False):
    """A service that requests go to."""

    name: Required[Annotated[str, Proto(1), "The service."]]
    port: Annotated[ServiceBackendPort, Proto(2), "Its port."]


class IngressBackend(TypedDict, total=False):
    """Where requests go: a service, or something else."""

    resource: Annotated[TypedLocalObjectReference, Proto(3), "An object of any other kind."]
    service: Annotated[IngressServiceBackend, Proto(4), "A service."]


class HTTPIngressPath(TypedDict, total=False):
    """Requests for one path, and where they go."""

    path: Annotated[str, Proto(1), "The path."]
    backend: Required[Annotated[IngressBackend, Proto(2), "Where they go."]]
    pathType: Required[
        Annotated[
            str,
            Proto(3),
            Enum("Exact", "ImplementationSpecific", "Prefix"),
            "How paths are compared: Exact, Prefix or ImplementationSpecific.",
        ]
    ]


class HTTPIngressRuleValue(TypedDict, total=False):
    """Where requests go, by path."""

    paths: Required[Annotated[list[HTTPIngressPath], Proto(1), ATOMIC, "The paths."]]


class IngressRuleValue(TypedDict, total=False):
    """What a rule is about."""

    http: Annotated[HTTPIngressRuleValue, Proto(1), "Where requests go, by path."]


@inlines(2, IngressRuleValue)
class IngressRule(IngressRuleValue, total=False):
    """Requests for one host."""

    host: Annotated[str, Proto(1), "The host, perhaps with *. in front; every host where unset."]


class IngressTLS(TypedDict, total=False):
    """The certificate for some hosts."""

    hosts: Annotated[list[str], Proto(1), ATOMIC, "The hosts."]
    secretName: Annotated[str, Proto(2), "The Secret with certificate and key."]


class IngressSpec(TypedDict, total=False):
    """What a user wants of an ingress."""

    defaultBackend: Annotated[IngressBackend, Proto(1), "Where requests go that no rule is about."]
    tls: Annotated[list[IngressTLS], Proto(2), ATOMIC, "Certificates, by host."]
    rules: Annotated[list[IngressRule], Proto(3), ATOMIC, "Where requests go, by host."]
    ingressClassName: Annotated[str, Proto(4), "The class whose controller serves it."]


class IngressPortStatus(TypedDict, total=False):
    """How one port of a load balancer is."""

    port: Required[Annotated[Int32, Proto(1), "The port."]]
    protocol: Required[Annotated[str, Proto(2), "TCP, UDP or SCTP."]]
    error: Annotated[str, Proto(3), "What is wrong with it."]


class IngressLoadBalancerIngress(TypedDict, total=False):
    """An address of a load balancer."""

    ip: Annotated[str, Proto(1), "Its address."]
    hostname: Annotated[str, Proto(2), "Its name."]
    ports: Annotated[list[IngressPortStatus], Proto(4), ATOMIC, "How its ports are."]


class IngressLoadBalancerStatus(TypedDict, total=False):
    """The addresses of a load balancer."""

    ingress: Annotated[list[IngressLoadBalancerIngress], Proto(1), ATOMIC, "The addresses."]


class IngressStatus(TypedDict, total=False):
    """What is known of an ingress's load balancer."""

    loadBalancer: Annotated[IngressLoadBalancerStatus, Proto(1), "Addresses of its load balancer."]


class Ingress(TypedDict, total=False):
    """Leads requests from outside to services, by host and path."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[IngressSpec, Proto(2), "What is wanted."]
    status: Annotated[IngressStatus, Proto(3), "What is; written by the system."]
